"""A city of players and what lies around them, with the product's own services in this process."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import timedelta
from os import urandom
from pathlib import Path
from random import Random
from uuid import UUID

import numpy as np
from msgspec import Struct

from bench import crowd
from bench.own_postgres import Inside
from overworld.app.doors import TrustEverybody
from overworld.app.game import SHIPPED, Game, check
from overworld.domains.accounts.audit.trail import Trail
from overworld.domains.gameplay import wiring as gameplay_wiring
from overworld.domains.gameplay.messages import ClaimCollectible, CollectibleToPlace, PlaceCollectibles
from overworld.domains.gameplay.service import Gameplay
from overworld.domains.gameplay.types import GameplaySettings, Spawn
from overworld.domains.gameplay.wiring import GameplayParts
from overworld.domains.ledger import Ledger
from overworld.domains.ledger.types import STRIPES
from overworld.domains.world.engine.engine import warm
from overworld.domains.world.service import World
from overworld.domains.world.types import WorldSettings
from overworld.domains.world.wiring import build as build_world
from overworld.geo import cells
from overworld.kernel.audit import Staff
from overworld.kernel.clock import SystemClock
from overworld.kernel.ids import IdSource
from overworld.kernel.money import HOUSE, AccountCode, AccountRef, Transfer, TransferCode
from overworld.platform.eventlog import PostgresOutbox

_STAND_LEVEL = 13
_SPAWN_LEVEL = 16
_STAND_FIRST = cells.cell_of(48.0, 11.0, _STAND_LEVEL)
_STAND_STEP = 2 * (_STAND_FIRST & -_STAND_FIRST)
_AT_STAND = 200
_STANDS_MIN = 64
_PLACED_IN_CELL = 64
_FIX_AGE_MAX_S = 300
_BUDGET_MINOR = 10**12
_FUNDED_AT_ONCE = 1_000
_CURRENCY = "coin"


class Wanting(Struct, frozen=True, kw_only=True):
    """Who wants what in a city.

    With `campaigns` 0 they want what spawned there, which is shared and paid by the issuance. With more it is placed,
    each by one of so many campaigns that pay from their budgets; `personal`, so that everybody can take each. A share
    `contested` of the claims is for what another wants at the same time.
    """

    players: int
    campaigns: int
    personal: bool
    contested: float
    seed: int


def crowded(text: str, *, now_s: float) -> str:
    """A game.toml with so much lying around that a player claims for a minute without a step, and no daily cap.

    The window is the one, of half a day to a day, that is open longest from now.
    """
    window_s = max(range(43_200, 86_401), key=lambda length_s: length_s - now_s % length_s)
    changes = {
        "cell_level": _SPAWN_LEVEL,
        "window_s": window_s,
        "mean_per_cell": 64.0,
        "reach_m": 1_000.0,
        "daily_cap": 1_000_000,
        "near_land": "false",
    }
    for name, value in changes.items():
        text, count = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
        assert count == 1, f"the game has {count} lines of {name}"
    return text


def crowded_game(folder: Path) -> Path:
    """A folder with the game `ore` as `crowded` makes it."""
    game = folder / "game"
    game.mkdir()
    (game / "game.toml").write_text(crowded((SHIPPED / "ore" / "game.toml").read_text(), now_s=time.time()))
    return game


class City:
    """Players at stands, each with 4,096 places within reach, and the services that answer their claims.

    `lying` has what is wanted, by id. Two hundred share a stand.
    """

    def __init__(
        self, inside: Inside, wanting: Wanting, *, game: Game, world: World, gameplay: GameplayParts, ledger: Ledger
    ) -> None:
        self.inside = inside
        self.game = game
        self.world = world
        self.gameplay = gameplay
        self.ledger = ledger
        self.clock = SystemClock()
        self.ids = IdSource(self.clock.now_us, urandom)
        self.outbox = PostgresOutbox(ids=self.ids, game=lambda: game.digest)
        self.player_ids = crowd.ids(wanting.players, seed=wanting.seed)
        self.campaign_ids = [self.ids() for _ in range(wanting.campaigns)]
        self.lying: dict[str, Spawn] = {}
        self._wanting = wanting
        self._random = Random(wanting.seed)
        self._stands = max(_STANDS_MIN, wanting.players // _AT_STAND)
        self._cell_i = 0
        self._personal: list[list[str]] = []

    @classmethod
    async def build(cls, inside: Inside, wanting: Wanting, *, folder: Path, in_flight_max: int) -> City:
        """Everybody is there and known, campaigns have their budgets, nothing was claimed."""
        game = check(crowded_game(folder))
        clock = SystemClock()
        ids = IdSource(clock.now_us, urandom)
        outbox = PostgresOutbox(ids=ids, game=lambda: game.digest)
        currencies = {currency.code: currency for currency in game.currencies}
        ledger = Ledger(database=inside.database, currencies=currencies)
        settings = WorldSettings(players_max=max(wanting.players, 1_000))
        warm(settings)
        trail = Trail(clock=clock, ids=ids)
        world = build_world(
            database=inside.database, clock=clock, outbox=outbox, audit=trail, settings=settings, rules=game.movement
        ).service
        gameplay = await gameplay_wiring.build(
            database=inside.database,
            clock=clock,
            ids=ids,
            outbox=outbox,
            ledger=ledger,
            last_fix=world,
            sight=world,
            trust=TrustEverybody(),
            audit=trail,
            collectibles=game.collectibles,
            progression=game.progression,
            currencies=game.currencies,
            settings=GameplaySettings(
                fix_age_max_s=_FIX_AGE_MAX_S, queue_max=max(4_096, in_flight_max), placed_max=10_000_000
            ),
        )
        city = cls(inside, wanting, game=game, world=world, gameplay=gameplay, ledger=ledger)
        await city._fund()
        return city

    @property
    def service(self) -> Gameplay:
        """What answers claims."""
        return self.gameplay.service

    def report_again(self) -> None:
        """Everybody tells once more where they stand: claims are judged by fresh fixes alone."""
        stand = np.arange(len(self.player_ids)) % self._stands
        centres = np.array([cells.centre_deg(_stand(i)) for i in range(self._stands)])
        lat_deg, lng_deg = centres[stand].T
        crowd.fill(self.world, lat_deg, lng_deg, now_us=self.clock.now_us(), seed=self._wanting.seed)

    async def claims(self, count: int) -> list[ClaimCollectible]:
        """At least so many claims that nobody has made yet, in the order in which they should be made."""
        wanted: list[tuple[UUID, str]] = []
        while len(wanted) < count:
            wanted += await (self._for_each() if self._wanting.personal else self._for_one())
        return self._commands(wanted)

    async def first_claims(self) -> list[ClaimCollectible]:
        """One claim of everybody."""
        if self._wanting.personal:
            return self._commands(await self._for_each())
        wanted: list[tuple[UUID, str]] = []
        new = [list(self.player_ids[stand :: self._stands]) for stand in range(self._stands)]
        while any(new):
            for stand, here in enumerate(new):
                lying = await self._lying_around(stand) if here else []
                wanted += [(here.pop(), spawn.id) for spawn in lying[: len(here)]]
            self._cell_i += 1
        return self._commands(wanted)

    def _commands(self, wanted: Sequence[tuple[UUID, str]]) -> list[ClaimCollectible]:
        return [
            ClaimCollectible(player_id=player_id, collectible_id=collectible_id, key=str(self.ids()))
            for player_id, collectible_id in wanted
        ]

    async def _for_one(self) -> list[tuple[UUID, str]]:
        """What lies in one more cell of each stand, each for one player there, or for two at once."""
        wanted: list[list[tuple[UUID, str]]] = []
        for stand in range(self._stands):
            for spawn in await self._lying_around(stand):
                takers = 2 if self._random.random() < self._wanting.contested / 2 else 1
                wanted.append([(self._somebody_at(stand), spawn.id) for _ in range(takers)])
        self._cell_i += 1
        self._random.shuffle(wanted)
        return [one for together in wanted for one in together]

    async def _for_each(self) -> list[tuple[UUID, str]]:
        """One more of what lies at each stand, for everybody there."""
        if not self._personal:
            self._personal = [[] for _ in range(self._stands)]
            for stand, here in enumerate(self._personal):
                here += [spawn.id for spawn in await self._lying_around(stand)]
            self._cell_i += 1
        next_of = [here.pop() for here in self._personal]
        if not self._personal[0]:
            self._personal = []
        wanted = [(player_id, next_of[i % self._stands]) for i, player_id in enumerate(self.player_ids)]
        self._random.shuffle(wanted)
        return wanted

    async def _lying_around(self, stand: int) -> list[Spawn]:
        """What is wanted of what the product finds in the next cell of a stand: known then, as where players look."""
        around = _cells_of(_stand(stand))
        if self._cell_i >= len(around):
            raise SystemExit("all that lies within reach was claimed: ask for fewer seconds, or for more players")
        cell = around[self._cell_i]
        if self._wanting.campaigns:
            await self._place(cell)
        found = await self.service.lying_in([cell], at=self.clock.now())
        chosen = [spawn for spawn in found if (spawn.payer_id is not None) == bool(self._wanting.campaigns)]
        self.lying |= {spawn.id: spawn for spawn in chosen}
        return chosen

    async def _place(self, cell: int) -> None:
        lat_deg, lng_deg = cells.centre_deg(cell)
        closes_at = self.clock.now() + timedelta(hours=6)
        types = list(self.game.collectibles.types)
        items = tuple(
            CollectibleToPlace(
                type=self._random.choice(types),
                lat=lat_deg,
                lng=lng_deg,
                closes_at=closes_at,
                mode="personal" if self._wanting.personal else "shared",
                payer_id=self._random.choice(self.campaign_ids),
            )
            for _ in range(_PLACED_IN_CELL)
        )
        await self.gameplay.placing.place(
            PlaceCollectibles(placed_by=HOUSE, staff=Staff(account_id=None), items=items, key=str(self.ids()))
        )

    async def _fund(self) -> None:
        """Gives every campaign its budget, an even part in each stripe."""
        at = self.clock.now()
        for stripe in range(STRIPES[AccountCode.BUDGET]):
            for first in range(0, len(self.campaign_ids), _FUNDED_AT_ONCE):
                transfers = [
                    Transfer(
                        id=self.ids(),
                        debit=AccountRef(HOUSE, _CURRENCY, AccountCode.ISSUANCE),
                        credit=AccountRef(campaign_id, _CURRENCY, AccountCode.BUDGET),
                        amount_minor=_BUDGET_MINOR,
                        code=TransferCode.FUND,
                        reference=campaign_id,
                    )
                    for campaign_id in self.campaign_ids[first : first + _FUNDED_AT_ONCE]
                ]
                async with self.inside.database.transaction() as tx:
                    await self.ledger.post(tx, transfers, at=at, stripe=stripe)

    def _somebody_at(self, stand: int) -> UUID:
        here = range(stand, len(self.player_ids), self._stands)
        return self.player_ids[self._random.choice(here)]


def _stand(i: int) -> int:
    return _STAND_FIRST + i * _STAND_STEP


def _cells_of(stand: int) -> Sequence[int]:
    size = stand & -stand
    step = size >> 6
    return range(stand - size + step, stand + size, 2 * step)
