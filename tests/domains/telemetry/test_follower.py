"""The processor is stopped, fails and is taken over at every point, and each event is in the columns once."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from overworld.domains.telemetry.processing import stretches
from overworld.domains.telemetry.processing.follower import Follower, Taken
from overworld.domains.telemetry.processing.processor import FACTS
from overworld.domains.telemetry.refused import Mended, RefusedEvents
from overworld.kernel.events import Event
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Tx
from overworld.kernel.refusals import Fault
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.eventlog.types import Position
from tests.domains.telemetry.conftest import BERLIN, KEY, PLAYER, Desk
from tests.domains.telemetry.test_processing import event

OLD = "2026-03-01T00:00:00Z"


class Failing:
    """A store that fails before or after it has taken a batch."""

    def __init__(self, columns: Any) -> None:
        self.columns = columns
        self.failing = ""
        self.asked = 0

    async def append(self, batches: Any, *, place: str, at: int) -> None:
        self.asked += 1
        if self.failing == "before":
            raise Fault("no disk")
        await self.columns.append(batches, place=place, at=at)
        if self.failing == "after":
            raise Fault("no answer")

    async def placed(self, place: str) -> int | None:
        found: int | None = await self.columns.placed(place)
        return found

    async def read(self, *args: Any) -> Any:
        return await self.columns.read(*args)

    async def close(self) -> None:
        await self.columns.close()


@pytest.mark.parametrize("point", ["before", "after"])
async def test_a_store_that_fails_has_each_event_once_in_the_end(desk: Desk, point: str) -> None:
    store = Failing(desk.columns)
    desk.columns = store
    await desk.send(*(event(n=n) for n in range(1, 6)))
    store.failing = point
    with pytest.raises(Fault):
        await desk.process(until=99)
    store.failing = ""
    await desk.send(event(n=6))
    await desk.process(until=6)
    assert len(await desk.rows()) == 6


async def test_a_refused_event_is_kept_once_however_often_its_row_is_read(desk: Desk) -> None:
    store = Failing(desk.columns)
    desk.columns = store
    await desk.send(event(n=1), event("late", 2, timestamp="2020-01-01T00:00:00Z"))
    store.failing = "before"
    for _ in range(3):
        with pytest.raises(Fault):
            await desk.process(until=99)
    store.failing = ""
    await desk.process(until=1)
    assert [reason for reason, _ in await desk.refused()] == ["too_old"]


async def test_only_one_processor_has_the_turn_and_the_next_goes_on(desk: Desk) -> None:
    await desk.send(event(n=1))
    first, second = desk.processor(), desk.processor()
    tasks = [asyncio.create_task(first.run()), asyncio.create_task(second.run())]
    async with asyncio.timeout(20):
        while not (first.active or second.active) or len(await desk.rows()) < 1:  # noqa: ASYNC110 - it is told in the store
            await asyncio.sleep(0.01)  # pace: a task of its own processes
    assert first.active != second.active
    ahead, behind = (first, second) if first.active else (second, first)
    await ahead.close()
    await desk.send(event(n=2))
    async with asyncio.timeout(20):
        while len(await desk.rows()) < 2:  # noqa: ASYNC110 - it is told in the store
            await asyncio.sleep(0.01)  # pace: a task of its own processes
    assert behind.active
    await behind.close()
    await asyncio.gather(*tasks)
    assert len(await desk.rows()) == 2


async def test_an_empty_store_gets_everything_that_the_log_still_has(desk: Desk, tmp_path: Any) -> None:
    from overworld.platform.columns.settings import ColumnSettings
    from overworld.platform.columns.store import opened

    await desk.send(event(n=1), event(n=2))
    await desk.process(until=2)
    old, desk.columns = desk.columns, await opened(tmp_path / "new", settings=ColumnSettings())
    await desk.send(event(n=3))
    await desk.process(until=3)
    assert len(await desk.rows()) == 3
    await desk.columns.close()
    desk.columns = old


class CoinFound(Event, frozen=True, kw_only=True):
    """A fact of these tests."""

    topic: ClassVar[str] = "events.telemetry_coin.found"

    player_id: UUID
    to_id: UUID
    amount_minor: int
    lat_deg: float
    lng_deg: float
    cell: str
    username: str


async def publish(desk: Desk, count: int) -> None:
    ids = IdSource(desk.clock.now_us)
    outbox = PostgresOutbox(ids=ids, game=lambda: "")
    fact = CoinFound(player_id=PLAYER, to_id=UUID(int=8), amount_minor=250, cell="47a84", username="ann", **BERLIN)
    async with desk.database.transaction() as tx:
        await outbox.append(tx, [fact] * count, at=desk.clock.now())


async def test_facts_of_domains_come_into_the_same_columns(desk: Desk) -> None:
    await publish(desk, 2)
    await desk.send(event(n=1), key="player")
    await desk.process(until=3)
    rows = [row for row in await desk.rows() if row["source"] == "platform"]
    (told,) = [row for row in await desk.rows() if row["source"] == "client"]
    assert len(rows) == 2
    for row in rows:
        assert (row["name"], row["value"], row["country"]) == (CoinFound.topic, 250.0, "DE")
        assert row["player"] == told["player"]
        assert str(PLAYER) not in row["properties"]
        assert "ann" not in row["properties"]
        assert "to_id" in row["properties"]


async def test_the_event_log_is_not_cut_before_the_columns_have_it(desk: Desk) -> None:
    await publish(desk, 1)
    await desk.process(until=1)
    await publish(desk, 1)
    await desk.process(until=2)
    async with desk.database.read() as tx:
        cursor = await tx.fetchrow("SELECT stamp, id FROM eventlog.cursor WHERE consumer = $1", FACTS)
        last = await tx.fetchrow("SELECT stamp, id FROM eventlog.outbox ORDER BY stamp, id LIMIT 1")
    assert tuple(cursor) >= tuple(last)


async def test_old_days_go_once_the_columns_have_them(desk: Desk) -> None:
    await desk.parts.upkeep.maintain()
    await desk.send(event(n=1))
    desk.clock.advance(timedelta(days=9))
    await desk.parts.upkeep.maintain()
    assert await desk.waiting() > 0
    await desk.process(until=1)
    await desk.parts.upkeep.maintain()
    async with desk.database.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM telemetry.raw") == 0
        assert await tx.fetchval("SELECT to_regclass('telemetry.raw_20260601')") is None


async def test_refused_events_are_mended_and_put_back(desk: Desk) -> None:
    events = RefusedEvents(database=desk.database, clock=desk.clock)
    await desk.send(
        event(n=1), {"event": 5, "event_id": str(UUID(int=2)), "player_id": "p"}, event("old", 3, timestamp=OLD)
    )
    await desk.process(until=1)
    shown = [one async for one in events.every()]
    assert [(one.reason, msgspec.json.decode(one.event)["event"]) for one in shown] == [
        ("malformed", 5),
        ("too_old", "old"),
    ]
    assert await events.by_reason() == {"malformed": 1, "too_old": 1}
    mended = Mended(shown[0].id, Raw(bytes(shown[0].event).replace(b'"event":5', b'"event":"mended"')))
    assert await events.put_back([mended, mended]) == 1
    assert await events.put_back([mended]) == 0
    await desk.process(until=2)
    assert {row["name"] for row in await desk.rows()} == {"seen", "mended"}
    assert await events.by_reason() == {"too_old": 1}
    desk.settings = replace(desk.settings, late_days=3_650)
    assert await events.put_back(reason="too_old") == 1
    await desk.process(until=3)
    assert await events.by_reason() == {}


async def test_what_is_put_back_unmended_is_refused_again(desk: Desk) -> None:
    events = RefusedEvents(database=desk.database, clock=desk.clock)
    body = b'{"events":[{"event":"a","properties":{"x":NaN}}]}'
    await desk.client.post("/v1/events/batch", content=body, headers={"authorization": f"Bearer {KEY}"})
    await desk.send(event(n=1))
    await desk.process(until=1)
    before = await desk.refused()
    assert await events.put_back() == 1
    await desk.send(event(n=2))
    await desk.process(until=2)
    assert await desk.refused() == before
    (shown,) = [one async for one in events.every()]
    assert msgspec.json.decode(shown.event) == '{"event":"a","properties":{"x":NaN}}'


class Scripted:
    """A log of some stretches, each full or not."""

    def __init__(self, *full: bool) -> None:
        self.left = list(full)
        self.asked = 0

    async def next(self, after: Position) -> Taken | None:
        self.asked += 1
        return Taken(upto=Position(0, self.asked), full=self.left.pop(0)) if self.left else None

    async def passed(self, tx: Tx, upto: Position) -> None:
        """Nothing to keep."""


async def test_behind_a_full_stretch_the_next_is_looked_for_at_once_and_else_after_a_rest(desk: Desk) -> None:
    log, ended = Scripted(True, True, False, False), asyncio.Event()
    follower = Follower(
        "scripted", database=desk.database, columns=desk.columns, clock=desk.clock, look_s=3_600, counts=Counter()
    )
    following = asyncio.create_task(follower.run(log, ended=ended))
    async with asyncio.timeout(20):
        while await desk.columns.placed("scripted") != 3:  # noqa: ASYNC110 - it is told in the store
            await asyncio.sleep(0.01)  # pace: a task of its own processes
    ended.set()
    await following
    assert log.asked == 3


async def test_who_is_behind_does_not_rest(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of either log that are as long as they may be; what comes after one rest is a minute away."""
    monkeypatch.setattr(stretches, "_BATCHES_MAX", 1)
    desk.settings = replace(desk.settings, look_ms=60_000, events_at_once=100)
    for first in (0, 100, 200):
        await desk.send(*(event(n=n) for n in range(first + 1, first + 101)))
        await publish(desk, 1)
    await desk.process(until=303)
