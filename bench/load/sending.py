"""Writes events straight to Kafka, in a process of its own: as the relay does, without a database before it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from bench.fillers import Filler, Form, Pen
from bench.load.process import Generator
from overworld.kernel.clock import SystemClock
from overworld.kernel.events import enclose
from overworld.kernel.ids import IdSource
from overworld.platform.avro import Released
from overworld.platform.kafka import JsonCodec, KafkaSettings
from overworld.platform.kafka.codec import EVENT_ID, AvroCodec, Codec, id_texts
from overworld.platform.kafka.sender import Outgoing, Sender


class SendingPlan(Struct, frozen=True, kw_only=True):
    """Where to, as what, and how. In `schemas` is that of the events."""

    servers: str
    schemas: str
    form: Form
    rate: float
    writers: int
    batch: int


def codec_of(form: Form, schemas: Path) -> Codec:
    """What events are written as, with the schemas that are released in that folder."""
    return JsonCodec() if form == "json" else AvroCodec(Released(schemas), None)


class SendingLoad:
    """One producer. While it waits for what one writer has sent, the next one's events are encoded."""

    def __init__(self, plan: SendingPlan) -> None:
        self._plan = plan
        self._sender = Sender(KafkaSettings(servers=plan.servers))
        self._codec = codec_of(plan.form, Path(plan.schemas))
        self._turn = asyncio.Lock()
        self._clock = SystemClock()
        self._ids = IdSource(self._clock.now_us)
        self._pen = Pen(write=self._write, form=plan.form, rate=plan.rate, writers=plan.writers, batch=plan.batch)

    @classmethod
    async def make(cls, plan: SendingPlan) -> SendingLoad:
        """A load that is ready; it connects when it sends. It collects no garbage, as servers do when they are idle."""
        made = cls(plan)
        gc.freeze()
        gc.disable()
        return made

    async def paced(self, seconds: float) -> int:
        """As `Writing` has it."""
        return await self._pen.paced(seconds)

    async def flat_out(self, seconds: float) -> int:
        """As `Writing` has it."""
        return await self._pen.flat_out(seconds)

    async def close(self) -> None:
        """Drops the producer."""
        await self._sender.close()

    async def _write(self, events: Sequence[Filler]) -> None:
        at = self._clock.now()
        ids = self._ids.many(len(events))
        values = self._codec.encode_many(
            [enclose(event, id=one, at=at) for event, one in zip(events, ids, strict=True)]
        )
        messages = Outgoing(
            topics=[event.topic for event in events],
            keys=[event.key.encode() for event in events],
            values=values,
            headers=[{EVENT_ID: event_id} for event_id in id_texts(ids)],
        )
        async with self._turn:
            await self._sender.send(messages)


class Sending(Generator):
    """The same from another process."""

    def __init__(self, plan: SendingPlan) -> None:
        super().__init__(SendingLoad.make, plan)

    async def paced(self, seconds: float) -> int:
        """As `Writing` has it."""
        return int(await self.ask("paced", seconds))

    async def flat_out(self, seconds: float) -> int:
        """As `Writing` has it."""
        return int(await self.ask("flat_out", seconds))
