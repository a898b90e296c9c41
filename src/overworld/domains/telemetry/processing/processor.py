"""The processor: of all servers on one database, the one whose turn it is follows both logs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from os import urandom

from overworld.domains.telemetry import store
from overworld.domains.telemetry.intake import RAW
from overworld.domains.telemetry.processing.follower import Follower, Stretches, pause
from overworld.domains.telemetry.types import TelemetrySettings
from overworld.kernel.clock import Clock
from overworld.platform.columns import EventColumns
from overworld.platform.postgres import Database

FACTS = "telemetry.facts"

_TURN_EVERY_S = 1.0
_LOCK_KEY = int.from_bytes(blake2b(b"telemetry.processor", digest_size=8).digest(), "big", signed=True)


class Processor:
    """Makes columns of everything that happens, for as long as it is this server's turn.

    The turn is a lock of a session in PostgreSQL: a server that dies or loses its session loses it, and the next one
    goes on where its own columns are.
    """

    def __init__(
        self,
        *,
        database: Database,
        columns: EventColumns,
        clock: Clock,
        room_level: int,
        settings: TelemetrySettings,
        processed: Counter[str],
        random: Callable[[int], bytes] = urandom,
    ) -> None:
        self._database = database
        self._clock = clock
        self._room_level = room_level
        self._settings = settings
        self._random = random
        self._ended = asyncio.Event()
        self._turn = asyncio.Lock()
        self.active = False
        look_s = settings.look_ms / 1000
        self.told, self.facts = (
            Follower(name, database=database, columns=columns, clock=clock, look_s=look_s, counts=processed)
            for name in (RAW, FACTS)
        )

    async def close(self) -> None:
        """Lets `run` end after what is in hand, and waits for it."""
        self._ended.set()
        async with self._turn:
            pass

    async def run(self) -> None:
        """Waits for its turn and follows, until `close`; a loop. Raises: Fault of the database or the store."""
        async with self._turn:
            if not self._ended.is_set():
                await self._take_turn()

    async def _take_turn(self) -> None:
        session = await self._database.connect(application_name="telemetry processor")
        try:
            while not await session.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_KEY):
                await pause(_TURN_EVERY_S, self._ended)
                if self._ended.is_set():
                    return
            await self._follow(session.is_closed)
        finally:
            self.active = False
            session.terminate()

    async def _follow(self, is_lost: Callable[[], bool]) -> None:
        told, facts = await self._stretches()
        self.active = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch(is_lost))
                tasks.create_task(self.told.run(told, ended=self._ended))
                tasks.create_task(self.facts.run(facts, ended=self._ended))
        except* Exception as errors:
            raise errors.exceptions[0] from errors

    async def _watch(self, is_lost: Callable[[], bool]) -> None:
        while not self._ended.is_set():
            if is_lost():
                raise ConnectionError("the session that holds the processor's turn was lost")
            await pause(self._settings.look_ms / 1000, self._ended)

    async def _stretches(self) -> tuple[Stretches, Stretches]:
        """The logs, with what goes over them: new each time, for what failed is read again and must not seem known."""
        from overworld.domains.telemetry.processing.countries import Countries  # noqa: PLC0415 - as late as may be
        from overworld.domains.telemetry.processing.facts import Facts  # noqa: PLC0415 - brings pyarrow
        from overworld.domains.telemetry.processing.pseudonyms import Pseudonyms  # noqa: PLC0415 - as late as may be
        from overworld.domains.telemetry.processing.schemas import Schemas  # noqa: PLC0415 - as late as may be
        from overworld.domains.telemetry.processing.stretches import FactStretches, ToldStretches  # noqa: PLC0415
        from overworld.domains.telemetry.processing.told import Told  # noqa: PLC0415 - brings pyarrow

        async with self._database.transaction() as tx:
            secret = await store.secret(tx, self._random(32))
        pseudonyms, countries = Pseudonyms(secret), Countries.bundled()
        schemas = await asyncio.to_thread(Schemas.read, self._settings.schemas)
        told = Told(
            pseudonyms=pseudonyms,
            countries=countries,
            schemas=schemas,
            room_level=self._room_level,
            settings=self._settings,
        )
        facts = Facts(pseudonyms=pseudonyms, countries=countries, room_level=self._room_level)
        return (
            ToldStretches(told, database=self._database, events_max=self._settings.events_at_once),
            FactStretches(facts, name=FACTS, database=self._database, clock=self._clock),
        )
