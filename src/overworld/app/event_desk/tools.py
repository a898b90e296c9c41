"""What `overworld events` does with the log of a running server, apart from `lag`."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from os import urandom
from pathlib import Path
from uuid import UUID

import msgspec

from overworld.app.attached import NotAnswered, attached
from overworld.app.event_desk.messages import TopicSeen
from overworld.app.event_desk.service import EventDesk
from overworld.app.on_the_machine import recording, staff
from overworld.app.plain_table import aligned
from overworld.app.settings import Settings
from overworld.domains.accounts.audit.trail import Trail
from overworld.domains.telemetry.erasing import Erasure, Erasures
from overworld.domains.telemetry.refused import TOPIC, Mended, RefusedEvents
from overworld.kernel.clock import SystemClock, rfc3339
from overworld.kernel.events import Envelope
from overworld.kernel.ids import IdSource
from overworld.kernel.refusals import Refusal
from overworld.platform.avro import Released
from overworld.platform.eventlog import state
from overworld.platform.eventlog.desk import PostgresDesk, first
from overworld.platform.eventlog.topics import FAILED, Topics
from overworld.platform.eventlog.types import Replay

REFUSED_TOPIC = TOPIC
_REFUSED_ID = re.compile(r"\d{1,19}\.\d{1,18}\.\d{1,9}", re.ASCII)
_HEAD = ("TOPIC", "PARTITIONS", "REPLICAS", "HOURS KEPT", "COMPRESSION", "KEY", "SCHEMA", "DEAD LETTERS")


class BadMended(Refusal):
    """The file of mended events cannot be used."""

    code = "telemetry.bad_mended"
    status = 400


def topics(settings: Settings) -> list[TopicSeen]:
    """Every topic, with the dead letters of a running server. Raises: those of `attached`."""

    async def asked() -> list[TopicSeen]:
        async with _desk(settings, application="overworld events topics") as (desk, _):
            return await desk.topics()

    return asyncio.run(asked())


def replay(settings: Settings, topic: str, *, consumer: str | None, event_ids: list[UUID] | None) -> list[Replay]:
    """Has dead letters handled again. Raises: NoSuchTopic; those of `attached`."""

    async def asked() -> list[Replay]:
        async with _desk(settings, application="overworld events replay-dlq") as (desk, _):
            return await desk.replay(topic=topic, consumer=consumer, event_ids=event_ids, staff=staff())

    return asyncio.run(asked())


def tail(settings: Settings, topic: str, *, count: int | None) -> None:
    """Writes events to standard output as they come, a JSON object a line; the first so many, or without end.

    Raises: NoSuchTopic; those of `attached`.
    """
    name = Topics.read().find(topic).name

    async def followed() -> None:
        async with _desk(settings, application="overworld events tail") as (_, desk):
            async for event in first(desk.follow([name]), count):
                sys.stdout.write(f"{_line(event)}\n")
                sys.stdout.flush()

    asyncio.run(followed())


def refused(settings: Settings, *, reason: str | None) -> None:
    """Writes refused telemetry to standard output, a JSON object a line. Raises: those of `attached`."""

    async def asked() -> None:
        async with attached(settings, application="overworld events refused") as database:
            async for event in RefusedEvents(database=database, clock=SystemClock()).every(reason=reason):
                sys.stdout.write(msgspec.json.encode(event).decode() + "\n")

    asyncio.run(asked())


def put_back(settings: Settings, *, reason: str | None, mended: Path | None) -> int:
    """Puts refused telemetry back into its log; gives how many events. Raises: BadMended; those of `attached`."""

    async def asked() -> int:
        async with attached(settings, application="overworld events replay-dlq") as database:
            events = RefusedEvents(database=database, clock=SystemClock())
            return await events.put_back(None if mended is None else _read_mended(mended), reason=reason)

    return asyncio.run(asked())


def erase(settings: Settings, player: str) -> None:
    """Has a player erased from the columns by the running server. Raises: those of `attached`."""

    async def asked() -> None:
        async with attached(settings, application="overworld events erase") as database, database.transaction() as tx:
            await Erasures(clock=SystemClock()).ask(tx, player)
            await recording(staff().did("telemetry.erase", player))(tx)

    asyncio.run(asked())


def erasures(settings: Settings) -> list[Erasure]:
    """Who was to be erased, and how far that is. Raises: those of `attached`."""

    async def asked() -> list[Erasure]:
        async with attached(settings, application="overworld events erasures") as database, database.read() as tx:
            return await Erasures(clock=SystemClock()).every(tx)

    return asyncio.run(asked())


def erasure_lines(found: list[Erasure]) -> Iterator[str]:
    """Erasures for people."""
    rows = [
        (one.pseudonym, rfc3339(one.asked_at), "under way" if one.done_at is None else rfc3339(one.done_at))
        for one in found
    ]
    yield from aligned([("PSEUDONYM", "ASKED", "DONE"), *rows])


def _read_mended(path: Path) -> list[Mended]:
    mended: list[Mended] = []
    try:
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if line.strip():
                mended.append(_mended(line, number))
    except OSError as error:
        raise BadMended(f"{path} cannot be read: {error.strerror}") from error
    return mended


def _mended(line: bytes, number: int) -> Mended:
    try:
        one = msgspec.json.decode(line, type=Mended)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise BadMended(f"line {number}: {error}") from error
    if not _REFUSED_ID.fullmatch(one.id):
        raise BadMended(f"line {number}: {one.id[:40]!r} is no id of a refused event")
    return one


@asynccontextmanager
async def _desk(settings: Settings, *, application: str) -> AsyncIterator[tuple[EventDesk, PostgresDesk]]:
    clock = SystemClock()
    async with attached(settings, application=application, connections=2) as database:
        async with database.read() as tx:
            if not await state.exists(tx):
                raise NotAnswered("the database has no event log yet; `overworld migrate up` makes it")
        desk = PostgresDesk(database, clock=clock)
        audit = Trail(clock=clock, ids=IdSource(clock.now_us, urandom))
        yield (
            EventDesk(desk, topics=Topics.read(), released=Released(), database=database, clock=clock, audit=audit),
            desk,
        )


def topic_lines(seen: list[TopicSeen]) -> Iterator[str]:
    """Topics for people."""
    rows = [
        (
            topic.name,
            f"{topic.partitions} ({topic.partitions_alone})",
            f"{topic.replicas} ({topic.replicas_alone})",
            str(topic.kept_h),
            topic.compression,
            topic.key or "-",
            "-" if topic.schema_version is None else f"{topic.schema_version}",
            str(topic.dead_letters),
        )
        for topic in seen
    ]
    yield from aligned([_HEAD, *rows], right=(1, 2, 3, 7))
    yield "In brackets: on one machine. PostgreSQL's log has neither partitions nor replicas of its own."


def replay_lines(replays: list[Replay]) -> Iterator[str]:
    """What was asked of consumers, for people."""
    for one in replays:
        gone = "" if one.reads else ", but it is gone: nobody handles them"
        yield f"{one.consumer}: {one.letters} dead letters are to be handled again{gone}"
    if not replays:
        yield f"There are no such dead letters; `overworld events topics` counts them, {FAILED} all of them."


def _line(event: Envelope) -> str:
    return msgspec.json.encode(event).decode()
