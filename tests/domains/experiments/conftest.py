"""Experiments on a fresh database and a clock that stands still."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from overworld.domains.experiments.messages import FlagBody, Unit
from overworld.domains.experiments.report.types import Report
from overworld.domains.experiments.types import Experiment, Metric, Rule, Variant
from overworld.domains.experiments.wiring import SCHEMA, ExperimentParts, build
from overworld.kernel.clock import FixedClock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Tx
from overworld.platform.eventlog import SCHEMA as EVENT_LOG
from overworld.platform.postgres import Database
from tests.audited import KeptTrail, staff
from tests.domains.accounts.conftest import KeptOutbox

STAFF = staff(UUID(int=8))
HALVES = (Variant(name="off", value=False), Variant(name="on", value=True))


class Levels:
    """Players whose level is what their id ends in."""

    names = frozenset({"level"})

    def __init__(self) -> None:
        self.asked: list[Sequence[UUID]] = []

    async def of(self, player_ids: Sequence[UUID]) -> list[Mapping[str, Any]]:
        self.asked.append(player_ids)
        return [{"level": one.int % 100} for one in player_ids]


class Counted:
    """A fold that has counted everything until a time, by default until now."""

    until: datetime | None = None

    async def counted_until(self, tx: Tx, now: datetime) -> datetime | None:
        return self.until or now


class Lab:
    """A server's experiments; `again` is another server on the same database."""

    def __init__(self, database: Database, clock: FixedClock, ids: IdSource) -> None:
        self.database = database
        self.clock = clock
        self.ids = ids
        self.outbox = KeptOutbox(ids)
        self.trail = KeptTrail()
        self.levels = Levels()
        self.counted = Counted()
        self.parts = self.again()

    def again(self) -> ExperimentParts:
        return build(
            database=self.database,
            clock=self.clock,
            ids=self.ids,
            outbox=self.outbox,
            audit=self.trail,
            traits=self.levels,
            counting=self.counted,
            metrics={"coins": "coins taken", "metres": "metres moved"},
            page=_page,
        )

    async def flag(self, key: str = "map", *rules: Rule, **said: Any) -> None:
        """Makes a flag of two halves; everybody is in it, unless rules say otherwise."""
        await self.parts.flags.make(key, body(*rules or (Rule(),), **said), staff=STAFF)

    def tomorrow(self) -> None:
        self.clock.advance(timedelta(days=1))


def body(*rules: Rule, **said: Any) -> FlagBody:
    return FlagBody(**{"variants": HALVES, "default": "off", "rules": rules} | said)


def measured(**said: Any) -> Experiment:
    fields: dict[str, Any] = {"control": "off", "primary": Metric(name="coins", window_h=24, before_h=48)}
    return Experiment(**fields | said)


def unit(player_id: UUID, **attributes: Any) -> Unit:
    return Unit(key=str(player_id), attributes=attributes)


def _page(report: Report) -> str:
    return f"<!doctype html><p>{report.flag}</p>"


@pytest.fixture
async def database(open_database):
    async with open_database(EVENT_LOG, SCHEMA) as opened:
        yield opened


@pytest.fixture
async def lab(database, clock, ids):
    made = Lab(database, clock, ids)
    yield made
    await made.parts.evaluating.close()
