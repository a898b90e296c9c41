"""The routes that belong to no domain: what a client needs to begin, and where the socket really is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld import __version__
from overworld.app.game import Game
from overworld.domains.accounts.messages import Me
from overworld.domains.accounts.service import Profiles
from overworld.domains.gameplay.carry.messages import ItemSeen, ToolSeen
from overworld.domains.gameplay.carry.reading import Reading
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
    """The game that this server runs. `version` changes with its definition; `collectibles` is what it calls them."""

    name: str
    title: str
    version: str
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
    quests: list[Any] = []
    addresses: StartAddresses
    game: StartGame
    server: StartServer


class WrongPort(Refusal):
    """The socket has a port of its own; connect to the address given."""

    code = "http.wrong_port"
    status = 421
    public = ("address",)


def routes(
    *, game: Game, profiles: Profiles, ledger: Ledger, carried: Reading, room_level: int, realtime: Callable[[], str]
) -> list[HTTPRouteHandler]:
    """The handlers; `realtime` gives the socket's address once it listens."""
    currencies = {currency.code: currency for currency in game.currencies}
    about = StartGame(
        name=game.name,
        title=game.title,
        version=game.digest,
        collectibles=game.routes.collectibles or "collectibles",
        reach_m=game.collectibles.reach_m,
        room_level=room_level,
        currencies=[StartCurrency(currency.code, currency.scale) for currency in game.currencies],
    )

    @get("/v1/start", opt=needs(Scope.ACCOUNT_SELF))
    async def start(*, caller: Caller) -> Start:
        """What a client needs to begin, in one reply."""
        player_id = caller.principal.account_id
        me, held, items, tools = await asyncio.gather(
            profiles.me(player_id),
            ledger.balances(player_id),
            carried.inventory(player_id, limit=_ITEMS_MAX),
            carried.tools(player_id),
        )
        return Start(
            user=me,
            balances=[
                Holding(
                    line.currency,
                    currencies[line.currency].format(line.posted_minor),
                    currencies[line.currency].format(line.pending_minor),
                )
                for line in held
            ],
            inventory=[item for _, item in items],
            tools=tools,
            addresses=StartAddresses(realtime()),
            game=about,
            server=StartServer(__version__),
        )

    @get(PATH, opt=open_to_all(refusals=(WrongPort,)))
    async def socket_elsewhere() -> None:
        """The socket's real address, for who tries it here."""
        raise WrongPort(address=realtime())

    return [start, socket_elsewhere]
