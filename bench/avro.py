"""Events as Avro: how many a second one core encodes and decodes, and what fastavro alone takes for the same bytes."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number
from fastavro import schemaless_writer

from bench import report
from bench.machine import CpuUse, Meter, machine, rss_mb
from bench.prove.outcome import Steps, say
from bench.report import Report
from bench.rounds import Json, RoundCount
from overworld.domains.gameplay.messages import CollectibleCollected
from overworld.kernel.clock import SystemClock
from overworld.kernel.events import Envelope, enclose
from overworld.platform.avro import Codec, Released, SingleObject

Events = Annotated[int, Parameter(validator=Number(gte=100, lte=1_000_000))]
_HEAD_BYTES = 10


def avro(*, events: Events = 20_000, rounds: RoundCount = 15, json: Json = False) -> int:
    """Encoding and decoding events, in one process without a database.

    Each event is a collected coin (16 fields) as it lies in the log, with JSON inside; a batch has one time. Figures
    are from processor time: of a round that others disturb the rates fall, so look at the greatest. `fastavro_per_s` is
    the same work with fastavro as the writer, whose bytes are compared with ours.

    Parameters
    ----------
    events
        Events in a batch.
    rounds
        Rounds, in each of which all three take turns.
    json
        Print the line of JSON alone.
    """
    return report.run(partial(_measure, events, rounds), json=json)


async def _measure(events: int, rounds: int, _folder: Path) -> Report:
    say(f"encoding and decoding {events:,} events")
    released = Released()
    codec = Codec(released, SingleObject(released))
    batch = _batch(events)
    frames = codec.encode_many(batch)
    theirs = _by_fastavro(released, batch)
    works: dict[str, Callable[[], object]] = {
        "encoded_per_s": lambda: codec.encode_many(batch),
        "decoded_per_s": lambda: codec.decode_many(frames),
        "fastavro_per_s": lambda: _by_fastavro(released, batch),
    }
    spans: dict[str, list[float]] = {name: [] for name in works}
    cpu: list[CpuUse] = []
    with Steps("rounds", rounds) as steps:
        for _ in range(rounds):
            meter = Meter(None)
            for name, work in works.items():
                spans[name].append(round(events / _seconds(work), 1))
            cpu.append(meter.stop())
            steps.done(f"{spans['encoded_per_s'][-1]:,.0f} encoded/s")
    faults = ["fastavro writes other bytes"] * (theirs != [frame[_HEAD_BYTES:] for frame in frames])
    faults += ["an event did not come back"] * ([codec.decode(frame).id for frame in frames] != [e.id for e in batch])
    return Report(
        benchmark="avro",
        spans=spans,
        cpu=cpu,
        rss_mb=rss_mb(None),
        machine=await machine(None),
        settings={"events": events},
        figures={"bytes_per_event": len(frames[0]), "json_bytes_per_event": len(msgspec.json.encode(batch[0]))},
        faults=faults,
    )


def _seconds(work: Callable[[], object]) -> float:
    """Processor time; what earlier work left is cleared away before."""
    gc.collect()
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def _batch(count: int) -> list[Envelope]:
    at = SystemClock().now()
    return [
        enclose(
            CollectibleCollected(
                player_id=UUID(int=number % 1_000 + (7 << 120)),
                collectible_id=f"{number:016x}",
                type="coin",
                currency="coins",
                amount_minor=100 + number % 900,
                experience=5,
                cell="477a1cc9c",
                lat_deg=46.05 + number * 1e-6,
                lng_deg=14.5,
            ),
            id=UUID(int=number + (1 << 120)),
            at=at,
            game="0123456789abcdef",
        )
        for number in range(count)
    ]


def _by_fastavro(released: Released, batch: list[Envelope]) -> list[bytes]:
    parsed = released.newest(batch[0].topic).parsed
    decode = msgspec.json.Decoder(dict).decode
    made = []
    for event in batch:
        stream = BytesIO()
        said = {"id": event.id, "at": event.at, "key": event.key, "game": event.game, "data": decode(event.data)}
        schemaless_writer(stream, parsed, said)
        made.append(stream.getvalue())
    return made
