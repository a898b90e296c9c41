"""The real engine on virtual time: what a crowd sends goes through its passes as it arrives, and becomes events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import Any, cast
from uuid import UUID

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from bench.prove.fairplay.crowd import Crowd
from bench.stage import START_US, Stage
from overworld.domains.accounts.messages import SignedIn
from overworld.domains.accounts.types import Way
from overworld.domains.gameplay.messages import CollectibleCollected
from overworld.domains.gameplay.types import GameplaySettings
from overworld.domains.world.engine.engine import Pass
from overworld.domains.world.messages import LocationUpdated
from overworld.domains.world.service.events import MovementEvents
from overworld.domains.world.types import InterestRules, WorldSettings
from overworld.kernel import packed
from overworld.kernel.clock import FixedClock, from_us
from overworld.kernel.events import Event
from overworld.kernel.ports import Tx
from overworld.kernel.tick import Batch

_PASS_US = 100_000
_WRITE_US = 500_000
_WAITING_MAX = 1_000_000
_FIRST_ADDRESS = IPv4Address("8.0.0.0")


class Occasion(Struct, frozen=True):
    """Something that was told, and when by the server's clock, in microseconds since 1970."""

    at_us: int
    event: Event


class _Kept:
    """An outbox, and the database behind it, that keep what is written until it is taken."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def append(self, tx: Tx, events: Sequence[Event], *, at: datetime) -> None:
        self.events += events

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield


class World:
    """An engine with a crowd in it. `accepted` tells of each of the crowd's fixes whether it was, (n,); `paid_us` when
    claims of a player, by number, were paid."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.accepted: NDArray[np.bool_] = np.zeros(crowd.fixes.size, np.bool_)
        settings = WorldSettings(players_max=max(1_024, len(crowd.kinds)))
        self.stage = Stage(players=len(crowd.kinds), settings=settings, rules=InterestRules())
        self.paid_us: dict[int, list[int]] = {}
        self.claims_refused = 0
        self._clock = FixedClock(from_us(START_US))
        self._kept = _Kept()
        self._events = MovementEvents(
            engine=self.stage.engine,
            database=cast(Any, self._kept),
            outbox=self._kept,
            clock=self._clock,
            waiting_max=_WAITING_MAX,
        )

    async def live(self) -> AsyncIterator[Occasion]:
        """All that the server tells of the crowd, in the order in which it tells it."""
        wrote_us = 0
        beside = self._beside()
        waiting = next(beside, None)
        for at_us, batch in self._passes():
            while waiting is not None and waiting[0] <= at_us:
                event = self._beside_event(*waiting)
                if event is not None:
                    yield Occasion(waiting[0], event)
                waiting = next(beside, None)
            self._events.tell(batch)
            if at_us - wrote_us >= _WRITE_US:
                wrote_us = at_us
                async for occasion in self._written(at_us):
                    yield occasion
        async for occasion in self._written(self.stage.now_us):
            yield occasion

    async def _written(self, at_us: int) -> AsyncIterator[Occasion]:
        self._clock.advance(timedelta(microseconds=at_us - self._clock.now_us()))
        self._events.tell_observed()
        await self._events.write()
        taken, self._kept.events = self._kept.events, []
        for event in taken:
            if not isinstance(event, LocationUpdated):
                yield Occasion(at_us, event)

    def _passes(self) -> Iterator[tuple[int, Pass]]:
        """Every pass that takes a fix, a tenth of a second apart or more."""
        fixes, first = self.crowd.fixes, 0
        names = [name for name in packed.POSITION.names or () if name not in {"lat_e7", "lng_e7"}]
        while first < fixes.size:
            self.stage.now_us = at_us = int(fixes["arrives_us"][first]) + _PASS_US
            last = int(np.searchsorted(fixes["arrives_us"], at_us))
            taken = fixes[first:last]
            inbox = self.stage.entries(
                taken["player"].astype(np.int64),
                taken["lat_e7"] / 1e7,
                taken["lng_e7"] / 1e7,
                **{name: taken[name] for name in names},
            )
            engine = self.stage.engine
            batch = engine.ingest(Batch(inbox, last - first, 1), now_us=at_us)
            engine.choose_told(engine.move(engine.validate(batch)))
            self.accepted[first:last] = batch.judged["reason"] == 0
            yield at_us, batch
            first = last

    def _beside(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Logins and claims in the order of their time: the instant, and the row."""
        claims, logins = self.crowd.claims, self.crowd.logins
        at_us = np.concatenate((logins["at_us"], claims["at_us"]))
        for i in np.argsort(at_us, kind="stable").tolist():
            yield int(at_us[i]), logins[i] if i < logins.size else claims[i - logins.size]

    def _beside_event(self, at_us: int, row: Any) -> Event | None:
        player = int(row["player"])
        if row.dtype.names == self.crowd.claims.dtype.names:
            return self._claimed(at_us, player)
        return SignedIn(
            account_id=player_id(player),
            session_id=player_id(player),
            way=Way.DEVICE,
            address=str(_FIRST_ADDRESS + int(row["address"])),
            user_agent=f"Overworld/1.9 (phone {row['agent']})",
        )

    def _claimed(self, at_us: int, player: int) -> Event | None:
        """What a claim at a moment comes to: it is paid where the last good fix is young and speaks for the player."""
        engine, slot = self.stage.engine, int(self.stage.slots[player])
        young_us = at_us - GameplaySettings().fix_age_max_s * 1_000_000
        if engine.players.at_us[slot] < young_us or not engine.earning([slot])[0]:
            self.claims_refused += 1
            return None
        self.paid_us.setdefault(player, []).append(at_us)
        return CollectibleCollected(
            player_id=player_id(player),
            collectible_id=f"{player}-{at_us}",
            type="coin",
            currency="coin",
            amount_minor=1,
            experience=1,
            cell="",
            lat_deg=float(engine.players.lat_deg[slot]),
            lng_deg=float(engine.players.lng_deg[slot]),
        )


def player_id(number: int) -> UUID:
    """Who has a number in the crowd, as `Stage` names them."""
    return UUID(int=number + 1)


def number_of(player_id: UUID) -> int:
    """The number of a player in the crowd."""
    return player_id.int - 1
