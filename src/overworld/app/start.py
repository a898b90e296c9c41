"""The routes that belong to no domain: what a client needs to begin, and where the socket really is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from litestar import get
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld import __version__
from overworld.app.versions.service import Current, Version
from overworld.domains.accounts.messages import Me
from overworld.domains.accounts.service import Profiles
from overworld.domains.gameplay.carry.messages import ItemSeen, ToolSeen
from overworld.domains.gameplay.carry.reading import Reading
from overworld.domains.gameplay.quests.messages import QuestSeen
from overworld.domains.gameplay.quests.showing import Showing
from overworld.domains.gameplay.quests.types import State
from overworld.domains.ledger.service import Ledger
from overworld.domains.realtime.types import PATH
from overworld.kernel.identity import Scope
from overworld.kernel.refusals import Refusal
from overworld.platform.http import Caller, needs, open_to_all

_ITEMS_MAX = 200


class Holding(Struct, frozen=True):
    """What a player holds of one currency, as decimal strings."""

    currency: str
    posted: str
    pending: str


class StartCurrency(Struct, frozen=True):
    """A currency of the game and its decimal places."""

    code: str
    scale: int


class StartGame(Struct, frozen=True, kw_only=True):
    """The game that this server runs. `version` changes with its definition, and `version_number` counts its versions.

    `collectibles` is what it calls them.
    """

    name: str
    title: str
    version: str
    version_number: int
    collectibles: str
    reach_m: float
    room_level: int
    currencies: list[StartCurrency]


class StartAddresses(Struct, frozen=True):
    """Where the server listens beside this address."""

    realtime: str


class StartServer(Struct, frozen=True):
    """The server's own version."""

    version: str


class Start(Struct, frozen=True, kw_only=True):
    """Everything a client needs to begin, or to keep for offline play. It may grow.

    `inventory` is the first 200 things that the player carries; `GET /v1/game/inventory` shows all.
    """

    user: Me
    balances: list[Holding]
    inventory: list[ItemSeen]
    tools: list[ToolSeen]
    quests: list[QuestSeen] = []
    addresses: StartAddresses
    game: StartGame
    server: StartServer


class WrongPort(Refusal):
    """The socket has a port of its own; connect to the address given."""

    code = "http.wrong_port"
    status = 421
    public = ("address",)


def routes(
    *,
    current: Current,
    profiles: Profiles,
    ledger: Ledger,
    carried: Reading,
    quests: Showing,
    room_level: int,
    realtime: Callable[[], str],
) -> list[HTTPRouteHandler]:
    """The handlers; `realtime` gives the socket's address once it listens."""

    @get("/v1/start", opt=needs(Scope.ACCOUNT_SELF))
    async def start(*, caller: Caller) -> Start:
        """What a client needs to begin, in one reply."""
        principal = caller.principal
        player_id = principal.account_id
        me, held, items, tools, shown = await asyncio.gather(
            profiles.me(player_id),
            ledger.balances(player_id),
            carried.inventory(player_id, limit=_ITEMS_MAX),
            carried.tools(player_id),
            quests.of(player_id, memberships=principal.memberships),
        )
        return Start(
            user=me,
            balances=[
                Holding(
                    line.currency,
                    ledger.currencies[line.currency].format(line.posted_minor),
                    ledger.currencies[line.currency].format(line.pending_minor),
                )
                for line in held
            ],
            inventory=[item for _, item in items],
            tools=tools,
            quests=[quest for quest in shown if quest.state == State.ACTIVE.wire],
            addresses=StartAddresses(realtime()),
            game=_about(current.version, room_level=room_level),
            server=StartServer(__version__),
        )

    @get(PATH, opt=open_to_all(refusals=(WrongPort,)))
    async def socket_elsewhere() -> None:
        """The socket's real address, for who tries it here."""
        raise WrongPort(address=realtime())

    return [start, socket_elsewhere]


def _about(version: Version, *, room_level: int) -> StartGame:
    game = version.game
    return StartGame(
        name=game.name,
        title=game.title,
        version=game.digest,
        version_number=version.number,
        collectibles=game.routes.collectibles or "collectibles",
        reach_m=game.collectibles.reach_m,
        room_level=room_level,
        currencies=[StartCurrency(currency.code, currency.scale) for currency in game.currencies],
    )
