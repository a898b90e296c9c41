"""Days of UTC: made ahead, once however many servers make them, counted once when their time is over, then gone."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from overworld.domains.world.history import days as days_module
from overworld.domains.world.history import store
from overworld.domains.world.history.days import kept_days, maintain, make_days
from overworld.domains.world.history.types import HistorySettings, Sample, Span
from overworld.platform.postgres import CheckViolation

ANN, BOB = UUID(int=1), UUID(int=2)
WEEK = HistorySettings()
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def sample(at: datetime, *, player: UUID = ANN, cell: int = 7) -> Sample:
    return Sample(player, at, 46.0, 14.5, cell, 5.0)


async def there(database) -> list[date]:
    async with database.read() as tx:
        return await store.days(tx)


async def added(database, *samples: Sample) -> None:
    async with database.transaction() as tx:
        await store.add(tx, samples)


async def counted(database) -> list[tuple[datetime, int, int, int]]:
    async with database.read() as tx:
        rows = await tx.fetch("SELECT hour, cell, fixes, players FROM world.location_hour ORDER BY hour, cell")
    return [tuple(row) for row in rows]


async def taken_out(database) -> list[date]:
    async with database.read() as tx:
        return await store.days_taken_out(tx)


async def test_today_and_the_days_ahead_are_made_also_over_the_end_of_a_year(database):
    await maintain(database, now=datetime(2027, 12, 30, 23, 59, tzinfo=UTC), settings=WEEK)
    assert await there(database) == [date(2027, 12, 30), date(2027, 12, 31), date(2028, 1, 1), date(2028, 1, 2)]


async def test_a_leap_day_is_a_day(database):
    await maintain(database, now=datetime(2028, 2, 28, tzinfo=UTC), settings=HistorySettings(days_ahead=2))
    assert await there(database) == [date(2028, 2, 28), date(2028, 2, 29), date(2028, 3, 1)]


async def test_a_fix_lies_in_its_day_of_utc_whatever_its_offset(database):
    """The nights in which clocks change are days of 24 hours like any other."""
    berlin = ZoneInfo("Europe/Berlin")
    kiritimati = timezone(timedelta(hours=14))
    moments = [
        datetime(2026, 3, 29, 1, 30, tzinfo=berlin),  # 00:30 UTC, half an hour before the hour that is left out
        datetime(2026, 10, 25, 2, 30, fold=0, tzinfo=berlin),
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=berlin),
        datetime(2026, 6, 2, 13, 59, 59, 999_999, tzinfo=kiritimati),
        datetime(2026, 6, 2, 14, 0, tzinfo=kiritimati),
    ]
    await make_days(database, {moment.astimezone(UTC).date() for moment in moments})
    await added(database, *map(sample, moments))
    async with database.read() as tx:
        rows = await tx.fetch(
            "SELECT tableoid::regclass::text AS day, recorded_at FROM world.location ORDER BY recorded_at"
        )
    assert [row["day"] for row in rows] == [
        f"world.location_{moment.astimezone(UTC):%Y%m%d}" for moment in sorted(moments)
    ]
    assert {row["day"] for row in rows} == {
        "world.location_20260329", "world.location_20260601", "world.location_20260602", "world.location_20261025",
    }  # fmt: skip


async def test_the_day_that_counts_is_utcs_when_the_clock_has_another_zone():
    late = datetime(2026, 6, 2, 8, 0, tzinfo=timezone(timedelta(hours=10)))
    assert kept_days(late, HistorySettings(fix_days=1, days_ahead=1)) == (date(2026, 5, 31), date(2026, 6, 2))


async def test_servers_that_make_the_same_days_at_once_make_each_once(database):
    wanted = {date(2026, 6, n) for n in range(1, 8)}
    made = await asyncio.gather(*(make_days(database, wanted) for _ in range(6)))
    assert set(made) == {frozenset(wanted)}
    assert await there(database) == sorted(wanted)


async def test_a_day_is_made_while_others_write_and_read(database):
    """Attaching a day waits for neither, and nobody waits for it."""
    await make_days(database, {NOON.date()})
    async with database.transaction() as tx:
        await store.add(tx, [sample(NOON)])
        await store.read(tx, ANN, Span(NOON, NOON), limit=1)
        async with asyncio.timeout(5):
            await make_days(database, {date(2026, 6, 2)})
    assert len(await there(database)) == 2


async def test_a_day_whose_time_is_over_is_counted_by_cell_and_hour_and_gone(database):
    first = NOON - timedelta(days=8)
    await make_days(database, {first.date(), NOON.date()})
    hour = first.replace(minute=0)
    await added(
        database,
        sample(hour),
        sample(hour + timedelta(minutes=59, seconds=59)),
        sample(hour, player=BOB),
        sample(hour, cell=-9),
        sample(hour + timedelta(hours=1)),
        sample(NOON),
    )
    await maintain(database, now=NOON, settings=WEEK)
    assert await counted(database) == [(hour, -9, 1, 1), (hour, 7, 3, 2), (hour + timedelta(hours=1), 7, 1, 1)]
    assert first.date() not in await there(database)
    assert await taken_out(database) == []


async def test_the_last_day_that_is_kept_stays_whole(database):
    oldest = datetime(2026, 5, 25, 0, 0, tzinfo=UTC)
    await make_days(database, {oldest.date()})
    await added(database, sample(oldest))
    await maintain(database, now=datetime(2026, 6, 1, 23, 59, 59, tzinfo=UTC), settings=WEEK)
    assert oldest.date() in await there(database)
    await maintain(database, now=datetime(2026, 6, 2, 0, 0, tzinfo=UTC), settings=WEEK)
    assert oldest.date() not in await there(database)
    assert await counted(database) == [(oldest, 7, 1, 1)]


async def test_rounds_on_many_servers_at_once_count_a_day_once(database):
    first = NOON - timedelta(days=8)
    await make_days(database, {first.date()})
    await added(database, *[sample(first, player=UUID(int=n)) for n in range(1, 101)])
    await asyncio.gather(*(maintain(database, now=NOON, settings=WEEK) for _ in range(5)))
    assert await counted(database) == [(first, 7, 100, 100)]


async def test_a_round_that_fails_at_counting_leaves_the_day_for_the_next_one(database, monkeypatch):
    first = NOON - timedelta(days=8)
    await make_days(database, {first.date()})
    await added(database, sample(first))

    async def counted_and_failed(tx, day):
        await count_and_drop(tx, day)
        raise asyncpg.QueryCanceledError("after all was done, before it was committed")

    count_and_drop = store.count_and_drop
    monkeypatch.setattr(store, "count_and_drop", counted_and_failed)
    await maintain(database, now=NOON, settings=WEEK)
    assert (await counted(database), await taken_out(database)) == ([], [first.date()])
    monkeypatch.undo()
    await maintain(database, now=NOON, settings=WEEK)
    await maintain(database, now=NOON, settings=WEEK)
    assert (await counted(database), await taken_out(database)) == ([(first, 7, 1, 1)], [])


async def test_a_day_that_waits_to_be_counted_is_not_made_again(database):
    """Else its table could not be dropped and made under one name."""
    day = date(2026, 5, 1)
    await make_days(database, {day})
    async with database.transaction() as tx:
        await store.take_out(tx, [day])
    assert day not in await make_days(database, {day})
    with pytest.raises(CheckViolation):
        await added(database, sample(datetime(2026, 5, 1, tzinfo=UTC)))


async def test_counts_are_kept_for_their_own_time(database):
    hours = [datetime(2026, 5, 1, 23, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC)]
    async with database.transaction() as tx:
        for hour in hours:
            await tx.execute("INSERT INTO world.location_hour VALUES ($1, 7, 1, 1)", hour)
    await maintain(database, now=NOON, settings=HistorySettings(hour_days=30))
    assert [row[0] for row in await counted(database)] == hours[1:]


async def test_a_turn_that_does_not_come_ends_the_round_and_nothing_else(database, caplog, monkeypatch):
    monkeypatch.setattr("overworld.platform.postgres.partitions._LOCK_TIMEOUT_MS", 20)
    async with database.transaction() as tx:
        await tx.execute("SELECT pg_advisory_xact_lock($1)", days_module._MAKE_KEY)
        await maintain(database, now=NOON, settings=WEEK)
    assert "not maintained this time" in caplog.text
    assert await there(database) == []
    await maintain(database, now=NOON, settings=WEEK)
    assert NOON.date() in await there(database)
