"""What `overworld events lag` shows: the state of the event log, for people and as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from overworld.app.attached import NotAnswered, attached
from overworld.app.plain_table import aligned
from overworld.app.settings import Settings
from overworld.kernel.clock import SystemClock, rfc3339
from overworld.platform.eventlog import state
from overworld.platform.eventlog.state import ConsumerState, LogState
from overworld.platform.postgres import Database

_HEAD = ("CONSUMER", "EVENTS BEHIND", "SECONDS BEHIND", "DEAD LETTERS", "LAST MOVED")


class Looked(Struct, frozen=True):
    """The log's state, and when it was looked at."""

    log: LogState
    at: datetime


def look(settings: Settings) -> Looked:
    """The state now. Raises: NoServer; NotAnswered; KafkaUnavailable; database faults."""
    return asyncio.run(_look(settings))


async def _look(settings: Settings) -> Looked:
    at = SystemClock().now()
    async with attached(settings, application="overworld events lag") as database:
        async with database.read() as tx:
            if not await state.exists(tx):
                raise NotAnswered("the database has no event log yet; `overworld migrate up` makes it")
            found = await state.state(tx, at=at)
        if settings.events.log == "kafka":
            found = msgspec.structs.replace(found, consumers=[*found.consumers, *await _on_kafka(settings, database)])
        return Looked(found, at)


async def _on_kafka(settings: Settings, database: Database) -> list[ConsumerState]:
    # Its client takes a while to import, which a log in PostgreSQL need not spend.
    from overworld.platform.kafka import Declared, KafkaDesk, Topics  # noqa: PLC0415

    topics = Topics(settings.kafka, plans=Declared(replicas=settings.kafka.replicas))
    try:
        lags = await KafkaDesk(database, clock=SystemClock(), topics=topics).lag_on_kafka()
    finally:
        topics.close()
    return [ConsumerState(lag=lag, events_behind=lag.batches_behind, at_least=False) for lag in lags]


def warnings(log: LogState, *, events_max: int | None, behind_max_s: float | None) -> list[str]:
    """Who is farther behind than allowed, a line each."""
    found: list[str] = []
    for one in log.consumers:
        if events_max is not None and one.events_behind > events_max:
            found.append(f"{one.lag.consumer} is {_events(one)} events behind, more than {events_max}")
        if behind_max_s is not None and one.lag.behind_s > behind_max_s:
            found.append(f"{one.lag.consumer} is {one.lag.behind_s:.1f} s behind, more than {behind_max_s:g}")
    return found


def as_json(looked: Looked) -> dict[str, Any]:
    """The state as programs read it."""
    log = looked.log
    return {
        "at": rfc3339(looked.at),
        "newest_at": rfc3339(log.newest_at) if log.newest_at else None,
        "newest_age_s": _age_s(looked),
        "waiting": log.waiting,
        "stored_batches": log.stored_batches,
        "stored_batches_estimated": log.estimated,
        "stored_bytes": log.stored_bytes,
        "consumers": [
            {
                "consumer": one.lag.consumer,
                "events_behind": one.events_behind,
                "events_behind_at_least": one.at_least,
                "batches_behind": one.lag.batches_behind,
                "behind_s": one.lag.behind_s,
                "dead_letters": one.lag.dead_letters,
                "moved_at": rfc3339(one.lag.moved_at),
            }
            for one in log.consumers
        ],
        "dead_letters_of_forgotten_consumers": log.lost_letters,
        "events_last_day": log.topics,
    }


def lines(looked: Looked) -> Iterator[str]:
    """The state for people: the log, who reads it, what came in."""
    log = looked.log
    yield from aligned(list(_about(looked)))
    yield ""
    if log.consumers:
        yield from aligned([_HEAD, *map(_row, log.consumers)], right=(1, 2, 3))
    else:
        yield "No durable consumer reads this log. Readers that only follow what happens now keep no place in it."
    for consumer, letters in log.lost_letters.items():
        yield f"{consumer} is gone and left {letters} dead letters."
    yield ""
    if log.topics is None:
        yield f"Topics are not counted in a log of more than {state.COUNTED_BYTES_MAX >> 20} MiB."
    elif log.topics:
        rows = [("TOPIC", "EVENTS IN THE LAST DAY"), *((name, f"{count}") for name, count in log.topics.items())]
        yield from aligned(rows, right=(1,))
    else:
        yield "No event in the last day."


def _about(looked: Looked) -> Iterator[tuple[str, str]]:
    log, age_s = looked.log, _age_s(looked)
    newest = f"{rfc3339(log.newest_at)}, {age_s:.1f} s ago" if log.newest_at and age_s is not None else "none"
    yield "newest event", newest
    since = f", the oldest of {log.oldest_at:%Y-%m-%d}" if log.oldest_at else ""
    about = "about " if log.estimated else ""
    yield "stored", f"{about}{log.stored_batches} batches, {log.stored_bytes / 2**20:.1f} MiB{since}"
    if log.waiting:
        yield "waiting", "committed batches wait for an older transaction to end"


def _row(one: ConsumerState) -> tuple[str, ...]:
    lag = one.lag
    return lag.consumer, _events(one), f"{lag.behind_s:.1f}", str(lag.dead_letters), rfc3339(lag.moved_at)


def _events(one: ConsumerState) -> str:
    return f"{one.events_behind}{'+' if one.at_least else ''}"


def _age_s(looked: Looked) -> float | None:
    newest_at = looked.log.newest_at
    return None if newest_at is None else max(0.0, (looked.at - newest_at).total_seconds())
