"""What players carry over HTTP: decode, call, encode. Tools also answer under the name the game declares."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.params import Parameter
from litestar.response import Response
from litestar.types import ControllerRouterHandler

from overworld.domains.gameplay.carry.errors import (
    BadGrant,
    CannotPay,
    LevelTooLow,
    NoSuchItem,
    NoSuchPlayer,
    NoSuchTool,
    NotUsable,
    NotWorn,
    SoldOut,
    StackFull,
    ToolChanged,
    TopLevel,
)
from overworld.domains.gameplay.carry.granting import Granting
from overworld.domains.gameplay.carry.messages import (
    BadgeSeen,
    BoostSeen,
    EquipBody,
    EquipTool,
    GrantBody,
    GrantItems,
    GrantReply,
    ItemSeen,
    RepairBody,
    RepairTool,
    ToolReply,
    ToolSeen,
    UpgradeBody,
    UpgradeTool,
    UseBody,
    Used,
    UseItem,
)
from overworld.domains.gameplay.carry.reading import Reading
from overworld.domains.gameplay.carry.service import Carry
from overworld.domains.gameplay.errors import LowTrust, WalletFrozen, WalletFull
from overworld.kernel.identity import Scope
from overworld.platform.http import (
    Caller,
    CursorQuery,
    LimitQuery,
    Page,
    decode_cursor,
    encode_cursor,
    keyed_reply,
    needs,
)
from overworld.platform.http.errors import BadCursor
from overworld.platform.http.paging import LIMIT_DEFAULT
from overworld.platform.postgres.idempotency import KeyReused

USE_REFUSALS = (NoSuchItem, NotUsable, LevelTooLow, NotWorn, LowTrust, SoldOut, StackFull, WalletFrozen, WalletFull)
TOOL_REFUSALS = (NoSuchTool, LevelTooLow)

ItemPath = Annotated[str, Parameter(max_length=64, description="The type of a stack, or the id of a unique item.")]
ToolPath = Annotated[UUID, Parameter(description="The tool's id.")]


def routes(
    carry: Carry, reading: Reading, granting: Granting, *, tools_alias: str | None
) -> list[ControllerRouterHandler]:
    """The handlers; `tools_alias` is what the game calls its tools in paths."""
    names = ["tools", *([tools_alias] if tools_alias else [])]
    return [*_item_routes(carry, reading, granting), *_tool_routes(carry, reading, names), *_earned_routes(reading)]


def _item_routes(carry: Carry, reading: Reading, granting: Granting) -> list[ControllerRouterHandler]:
    @get("/v1/game/inventory", opt=needs(Scope.GAME_READ, refusals=(BadCursor,)))
    async def inventory(
        *, caller: Caller, limit: LimitQuery = LIMIT_DEFAULT, cursor: CursorQuery = None
    ) -> Page[ItemSeen]:
        """What you carry: stacks by type, and unique items one by one."""
        after = None if cursor is None else _place_in(cursor)
        found = await reading.inventory(caller.principal.account_id, after=after, limit=limit + 1)
        shown = found[:limit]
        more = encode_cursor(*shown[-1][0]) if len(found) > limit else None
        return Page([item for _, item in shown], more)

    @post(
        "/v1/game/items/{item_id:str}/use",
        opt=needs(Scope.GAME_PLAY, key_required=True, refusals=(KeyReused, *USE_REFUSALS)),
        status_code=200,
    )
    async def item_use(
        *, caller: Caller, idempotency_key: str | None, item_id: ItemPath, data: UseBody
    ) -> Response[Used]:
        """Uses one of your items, once, and says what came of it."""
        command = UseItem(player_id=caller.principal.account_id, item_id=item_id, key=idempotency_key or "")
        return keyed_reply(await carry.use(command))

    @post(
        "/v1/game/items",
        opt=needs(
            Scope.GAME_PLACE, key_required=True, refusals=(KeyReused, BadGrant, NoSuchPlayer, SoldOut, StackFull)
        ),
        status_code=201,
    )
    async def items_grant(*, caller: Caller, idempotency_key: str | None, data: GrantBody) -> Response[GrantReply]:
        """Gives a player items, tools and badges: all of it or, when something is refused, nothing."""
        command = GrantItems(
            granted_by=caller.principal.account_id, staff=caller.staff, body=data, key=idempotency_key or ""
        )
        return keyed_reply(await granting.grant(command), status=201)

    return [inventory, item_use, items_grant]


def _tool_routes(carry: Carry, reading: Reading, names: list[str]) -> list[ControllerRouterHandler]:
    @get([f"/v1/game/{name}" for name in names], opt=needs(Scope.GAME_READ))
    async def tools(*, caller: Caller) -> Page[ToolSeen]:
        """Your tools, the one in hand first, with what an upgrade or a repair takes."""
        return Page(await reading.tools(caller.principal.account_id))

    @post(
        [f"/v1/game/{name}/{{tool_id:uuid}}/equip" for name in names],
        opt=needs(Scope.GAME_PLAY, key_required=True, refusals=(KeyReused, *TOOL_REFUSALS)),
        status_code=200,
    )
    async def tool_equip(
        *, caller: Caller, idempotency_key: str | None, tool_id: ToolPath, data: EquipBody
    ) -> Response[ToolReply]:
        """Takes a tool in hand, and puts the other away."""
        command = EquipTool(player_id=caller.principal.account_id, tool_id=tool_id, key=idempotency_key or "")
        return keyed_reply(await carry.change(command))

    @post(
        [f"/v1/game/{name}/{{tool_id:uuid}}/upgrade" for name in names],
        opt=needs(
            Scope.GAME_PLAY,
            key_required=True,
            refusals=(KeyReused, *TOOL_REFUSALS, ToolChanged, TopLevel, WalletFrozen, CannotPay),
        ),
        status_code=200,
    )
    async def tool_upgrade(
        *, caller: Caller, idempotency_key: str | None, tool_id: ToolPath, data: UpgradeBody
    ) -> Response[ToolReply]:
        """Pays for lifting a tool to its next level; where the game leaves that to chance, it may come to nothing.

        With a `level`, the one that the tool should reach, nothing is paid when somebody lifted it meanwhile.
        """
        command = UpgradeTool(
            player_id=caller.principal.account_id, tool_id=tool_id, level=data.level, key=idempotency_key or ""
        )
        return keyed_reply(await carry.change(command))

    @post(
        [f"/v1/game/{name}/{{tool_id:uuid}}/repair" for name in names],
        opt=needs(
            Scope.GAME_PLAY,
            key_required=True,
            refusals=(KeyReused, *TOOL_REFUSALS, NotWorn, WalletFrozen, CannotPay),
        ),
        status_code=200,
    )
    async def tool_repair(
        *, caller: Caller, idempotency_key: str | None, tool_id: ToolPath, data: RepairBody
    ) -> Response[ToolReply]:
        """Pays for taking all wear off a tool."""
        command = RepairTool(player_id=caller.principal.account_id, tool_id=tool_id, key=idempotency_key or "")
        return keyed_reply(await carry.change(command))

    return [tools, tool_equip, tool_upgrade, tool_repair]


def _earned_routes(reading: Reading) -> list[ControllerRouterHandler]:
    @get("/v1/game/boosts", opt=needs(Scope.GAME_READ))
    async def boosts(*, caller: Caller) -> Page[BoostSeen]:
        """The boosts that run for you."""
        return Page(await reading.boosts(caller.principal.account_id))

    @get("/v1/game/badges", opt=needs(Scope.GAME_READ))
    async def badges(*, caller: Caller) -> Page[BadgeSeen]:
        """The badges of the game, and when you earned them."""
        return Page(await reading.badges(caller.principal.account_id))

    return [boosts, badges]


def _place_in(cursor: str) -> tuple[str, UUID]:
    """The type and id of the last one shown. Raises: BadCursor."""
    item_type, item_id = decode_cursor(cursor, (str, UUID))
    if "\x00" in item_type:
        raise BadCursor
    return item_type, item_id
