"""What the tests of trust share: windows of several kinds of players, and a server's trust on a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from overworld.domains.trust.messages import Appeal, Decide, DecideBody, TrustChanged
from overworld.domains.trust.types import Fact, TrustRules, TrustSettings, Window
from overworld.domains.trust.wiring import SCHEMA, TrustParts, build, build_standings
from overworld.kernel.clock import to_us
from overworld.kernel.events import Envelope, Event, enclose
from overworld.kernel.standing import Gate, Standing
from overworld.platform.eventlog import SCHEMA as EVENT_LOG
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.eventlog.store import read
from overworld.platform.eventlog.types import START
from tests.audited import KeptTrail, staff

SCHEMAS = (EVENT_LOG, SCHEMA)
ANN, BEN, CAT = (UUID(int=number) for number in (1, 2, 3))
JUDGE = UUID(int=0xA)
MINUTE_US = 60_000_000
NOON_US = 1_780_315_200_000_000
"""Noon of 1 June 2026, as the tests' clock."""

LJUBLJANA, SEOUL = "476533", "357ca3"


def window(player_id: UUID = ANN, minute: float = 0, **figures: Any) -> Window:
    """A minute of somebody on foot, with the noise of a receiver, or with other figures."""
    at_us = NOON_US + int(minute * MINUTE_US)
    usual: dict[str, Any] = {
        "at_us": at_us,
        "began_us": at_us - MINUTE_US,
        "ended_us": at_us,
        "fixes": 60,
        "accepted": 60,
        "moved_m": 80.0,
        "straight_m": 62.0,
        "moving_s": 56.0,
        "speed_mean_m_s": 1.4,
        "speed_cv": 0.3,
        "turn_rms_deg": 24.0,
        "noise_m": 3.1,
        "interval_mean_s": 1.0,
        "accuracy_mean_m": 6.0,
        "accuracy_sd_m": 1.1,
        "cell": LJUBLJANA,
    }
    return Window(player_id=player_id, **(usual | figures))


def smooth(player_id: UUID = ANN, minute: float = 0, **figures: Any) -> Window:
    """A minute of somebody who steers their place with a stick on the screen: no noise, one speed."""
    return window(player_id, minute, **({"noise_m": 0.01, "speed_cv": 0.01} | figures))


def mocked(player_id: UUID = ANN, minute: float = 0) -> Window:
    """A minute in which the device says that its places are made up."""
    return window(player_id, minute, accepted=0, refused={"mock": 60}, moving_s=0.0, moved_m=0.0)


def away(player_id: UUID = ANN, minute: float = 0) -> Window:
    """A minute of places that nobody can have reached from the last good one."""
    return window(player_id, minute, accepted=0, refused={"teleport": 60}, refused_streak=60, moving_s=0.0, moved_m=0.0)


class Accounts:
    """Who there is: everybody with a small number. Implements `Directory`."""

    async def found(self, names: Sequence[str]) -> Sequence[UUID | None]:
        return [one if (one := UUID(name)).int < 1_000 else None for name in names]


class Judged:
    """A fold that is always done. Implements `Progress`."""

    async def judged_until(self, tx: Any, now: datetime) -> datetime | None:
        return now


class Court:
    """One database, one clock, and as many servers on them as a test asks for; the first is `parts`."""

    def __init__(self, database: Any, clock: Any, ids: Any, *, rules: TrustRules | None = None) -> None:
        self.database = database
        self.clock = clock
        self.ids = ids
        self.rules = rules or TrustRules()
        self.outbox = PostgresOutbox(ids=ids)
        self.audit = KeptTrail()
        self.parts = self.server()
        self.trust = self.parts.service

    def server(self) -> TrustParts:
        """Another server, which holds nothing yet."""
        settings = TrustSettings()
        return build(
            database=self.database,
            clock=self.clock,
            ids=self.ids,
            outbox=self.outbox,
            audit=self.audit,
            directory=Accounts(),
            progress=Judged(),
            standings=build_standings(database=self.database, settings=settings),
            rules=self.rules,
            settings=settings,
        )

    async def fold(self, facts: Iterable[Fact], *, parts: TrustParts | None = None) -> None:
        """Takes facts at once, as the fold does."""
        async with self.database.transaction() as tx:
            await (parts or self.parts).folding.apply(tx, list(facts))

    async def convict(self, player_id: UUID = ANN, *, minutes: int = 10) -> None:
        """Leads a player to `review` or worse by some minutes of made-up places; the clock goes along."""
        await self.fold([mocked(player_id, minute) for minute in range(minutes)])
        self.clock.advance(timedelta(minutes=minutes))

    async def told(self, topic: type[Event] = TrustChanged) -> list[Any]:
        """What the log says, oldest first."""
        return [envelope.decode() for envelope in await self.envelopes(topic)]

    async def envelopes(self, topic: type[Event] = TrustChanged) -> list[Envelope]:
        async with self.database.read() as tx:
            batches = await read(tx, after=START, topics=frozenset({topic.topic}), batches_max=10_000)
        return [event for batch in batches for event in batch.events]

    async def standing(self, player_id: UUID = ANN) -> Standing:
        """Where a player stands by the table."""
        [standing] = await self.server().standings.standings([player_id])
        return standing

    async def gate(self, player_id: UUID = ANN) -> Gate:
        return (await self.standing(player_id)).gate

    async def decide(self, decision: Any, player_id: UUID = ANN, *, note: str = "looked at", **body: Any) -> Any:
        command = Decide(player_id=player_id, by_id=JUDGE, body=DecideBody(decision=decision, note=note, **body))
        return await self.trust.decide(command, staff=staff(JUDGE))

    async def appeal(self, player_id: UUID = ANN, text: str = "I ride a train to work") -> Any:
        return await self.trust.appeal(Appeal(player_id=player_id, text=text))

    async def table(self, name: str) -> list[tuple[Any, ...]]:
        """Every row of a table of trust, in some order that is always the same."""
        async with self.database.read() as tx:
            rows = await tx.fetch(f"SELECT * FROM trust.{name}")  # noqa: S608 - a name that the test wrote
        return sorted((tuple(row) for row in rows), key=repr)

    @property
    def now_us(self) -> int:
        return to_us(self.clock.now())


def enclosed(event: Event, *, ids: Any, at: Any) -> Envelope:
    return enclose(event, id=ids(), at=at)
