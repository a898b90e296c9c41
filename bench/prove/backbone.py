"""Every event has its effect once, whoever dies: in PostgreSQL's log and in Kafka, consumers killed at random."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from uuid import uuid4

from cyclopts import Parameter
from cyclopts.validators import Number

from bench import own_kafka
from bench.own_kafka import KafkaProcess, NoBroker
from bench.own_postgres import own_postgres
from bench.prove.outcome import Outcome, Steps, conclude, say
from overworld.kernel.clock import SystemClock
from overworld.kernel.events import Envelope, Event
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Tx
from overworld.platform.eventlog import EventLog, EventLogSettings, Log, PostgresOutbox
from overworld.platform.kafka import KafkaLog, KafkaSettings
from overworld.platform.kafka.relay import Relay
from overworld.platform.postgres import Database

_FOLD = "backbone"
_KEYS = 20
_BATCH = 10
_FOLDS_MAX = 3
_SETTLE_S = 120.0
_LOOK_S = 0.05
_GO_ON_S = 15.0
_GO_ON_SHARE = 0.7
_QUICK = EventLogSettings(poll_ms=20, takeover_ms=50, backoff_first_ms=5, backoff_max_ms=100)

_TABLE = """
CREATE TABLE public.backbone_effect (
    seq bigint GENERATED ALWAYS AS IDENTITY, log text NOT NULL, whose int NOT NULL, n int NOT NULL
)"""

_EFFECTS = """
INSERT INTO public.backbone_effect (log, whose, n) SELECT * FROM unnest($1::text[], $2::int[], $3::int[])"""

_BY_KEY = """
SELECT whose, array_agg(n ORDER BY seq) AS steps FROM public.backbone_effect WHERE log = $1 GROUP BY whose"""

_CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'consumer %' AND random() < 0.7"""

Events = Annotated[int, Parameter(validator=Number(gte=100, lte=1_000_000))]
Kills = Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))]


class Stepped(Event):
    """The next step of one of several. The relay carries on what was meant for the other log too: `log` tells."""

    topic = "proof.backbone.stepped"
    log: str
    whose: int
    n: int

    @property
    def key(self) -> str:
        """Whose step it is."""
        return str(self.whose)


def backbone(*, events: Events = 20_000, kills: Kills = 40, broker_kills: int = 2, seed: int | None = None) -> int:
    """Sends events through each log while consumers and the relay die, and counts what came of each event.

    Each event's effect is a row, written with the place of the consumer. Meanwhile consumers are cancelled, join and
    leave, sessions of the database are cut, the relay is replaced, and the broker is killed with -9 and started again.
    In the end every event must have had its effect once, those of one key in their order, with none given up.

    Parameters
    ----------
    events
        Events sent through each log.
    kills
        Times that something dies.
    broker_kills
        Times that the broker dies, at the same moments as something else.
    seed
        Of what dies when; drawn when it is not given.
    """
    chosen = random.randrange(2**32) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="overworld-proof-") as folder:
        Path(folder).chmod(0o755)  # under root the database runs as another user
        try:
            outcome = asyncio.run(
                _prove(Path(folder), events=events, kills=kills, broker_kills=broker_kills, seed=chosen)
            )
        except NoBroker as error:
            say(str(error))
            return 1
    return conclude("backbone", outcome, seed=chosen)


async def _prove(folder: Path, *, events: int, kills: int, broker_kills: int, seed: int) -> Outcome:
    with KafkaProcess(folder / "kafka", jars=own_kafka.jars()) as broker:
        async with own_postgres(folder) as inside:
            return await prove_on(
                inside.database, broker, events=events, kills=kills, broker_kills=broker_kills, seed=seed
            )


async def prove_on(
    database: Database, broker: KafkaProcess, *, events: int, kills: int, broker_kills: int, seed: int
) -> Outcome:
    """The proof on a migrated database and a broker that runs."""
    figures: dict[str, object] = {}
    faults: list[str] = []
    async with database.transaction() as tx:
        await tx.execute(_TABLE)
    async with _logs(database, broker, prefix=f"proof-{uuid4().hex[:8]}.") as (source, there):
        for name, log in (("postgres", source), ("kafka", there)):
            relay = there.relay if log is there else None
            dice = random.Random(f"{seed} {name}")
            crowd = _Crowd(database, log, name=name, relay=relay, broker=broker, dice=dice)
            try:
                found = await crowd.go_through(events, kills=kills, broker_kills=broker_kills if relay else 0)
            finally:
                await crowd.close()
            figures |= {f"{name}_{figure}": value for figure, value in found.figures.items()}
            faults += [f"{name}: {fault}" for fault in found.faults]
    return Outcome(figures, faults)


@asynccontextmanager
async def _logs(database: Database, broker: KafkaProcess, *, prefix: str) -> AsyncIterator[tuple[EventLog, KafkaLog]]:
    clock = SystemClock()
    source = EventLog(database, clock=clock, settings=_QUICK)
    await source.start()
    kafka = KafkaSettings(servers=broker.servers, prefix=prefix, session_s=5, hand_over_s=1)
    there = KafkaLog(source, database=database, clock=clock, kafka=kafka, settings=_QUICK)
    try:
        yield source, there
    finally:
        await there.close()
        await source.close()


class _Crowd:
    """The consumers of one log, its relay if it has one, and how often each of them died."""

    def __init__(
        self,
        database: Database,
        log: Log,
        *,
        name: str,
        relay: Callable[[], Relay] | None,
        broker: KafkaProcess,
        dice: random.Random,
    ) -> None:
        self.died: Counter[str] = Counter()
        self._database = database
        self._log = log
        self._name = name
        self._relay = relay
        self._broker = broker
        self._dice = dice
        self._clock = SystemClock()
        self._outbox = PostgresOutbox(ids=IdSource(self._clock.now_us))
        self._sent = [0] * _KEYS
        self._folds: list[asyncio.Task[None]] = []
        self._relays = [asyncio.create_task(relay().run()) for _ in range(2)] if relay else []

    async def go_through(self, events: int, *, kills: int, broker_kills: int) -> Outcome:
        """Sends the events, with something dying after every so many; then waits for all effects and counts them."""
        self._join()
        every = max(1, events // _BATCH // kills)
        fatal = set(self._dice.sample(range(kills), min(broker_kills, kills)))
        with Steps(self._name, events // _BATCH) as steps:
            for batch in range(events // _BATCH):
                await self._publish()
                kill, rest = divmod(batch, every)
                if rest == 0 and kill < kills:
                    await self._kill(broker=kill in fatal)
                    await self._go_on()
                steps.done()
        self._join()
        settled = await self._settled(sum(self._sent))
        return Outcome(
            {"events": sum(self._sent), "effects": settled, **self.died}, [fault async for fault in self._faults()]
        )

    async def close(self) -> None:
        """Ends whoever still runs."""
        running = [*self._folds, *self._relays]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _join(self) -> None:
        fold = self._log.fold(f"{_FOLD}-{self._name}", topics=[Stepped.topic], apply=self._apply)
        self._folds.append(asyncio.create_task(fold.run()))

    async def _publish(self) -> None:
        events = []
        for whose in self._dice.choices(range(_KEYS), k=_BATCH):
            events.append(Stepped(log=self._name, whose=whose, n=self._sent[whose]))
            self._sent[whose] += 1
        async with self._database.transaction() as tx:
            await self._outbox.append(tx, events, at=self._clock.now())

    async def _apply(self, tx: Tx, envelopes: Sequence[Envelope]) -> None:
        events = [envelope.decode() for envelope in envelopes]
        rows = [(event.log, event.whose, event.n) for event in events if isinstance(event, Stepped)]
        if mine := [row for row in rows if row[0] == self._name]:
            await tx.execute(_EFFECTS, *map(list, zip(*mine, strict=True)))

    async def _kill(self, *, broker: bool) -> None:
        if broker:
            self.died["broker_killed"] += 1
            await asyncio.to_thread(self._broker.kill)
            await asyncio.to_thread(self._broker.start)
        how = self._dice.choice(["consumer", "join", "sessions", "relay" if self._relay else "consumer"])
        if how == "sessions":
            async with self._database.read() as tx:
                await tx.execute(_CUT)
        elif how == "relay" and self._relay:
            self._relays.pop(self._dice.randrange(2)).cancel()
            self._relays.append(asyncio.create_task(self._relay().run()))
        elif how == "join" and len(self._folds) < _FOLDS_MAX:
            self._join()
        else:
            how = "consumer"
            self._folds.pop(self._dice.randrange(len(self._folds))).cancel()
            if not self._folds:
                self._join()
        self.died[f"{how}s_killed" if how in ("consumer", "relay") else how] += 1

    async def _go_on(self) -> None:
        """Lets those who live get somewhere before the next one dies, on most occasions."""
        if self._dice.random() < _GO_ON_SHARE:
            await self._until(await self._count() + 1, wait_s=_GO_ON_S)

    async def _until(self, wanted: int, *, wait_s: float) -> int:
        """How many effects there are once there are so many, or no time is left."""
        last_s = asyncio.get_running_loop().time() + wait_s
        while (found := await self._count()) < wanted and asyncio.get_running_loop().time() < last_s:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        return found

    async def _settled(self, wanted: int) -> int:
        """How many effects there are in the end: also those that are too much, and come late."""
        found = await self._until(wanted, wait_s=_SETTLE_S)
        await asyncio.sleep(_LOOK_S)
        return max(found, await self._count())

    async def _count(self) -> int:
        async with self._database.read() as tx:
            number: int = await tx.fetchval("SELECT count(*) FROM public.backbone_effect WHERE log = $1", self._name)
        return number

    async def _faults(self) -> AsyncIterator[str]:
        async with self._database.read() as tx:
            rows = await tx.fetch(_BY_KEY, self._name)
            letters: int = await tx.fetchval("SELECT count(*) FROM eventlog.dead_letter")
        steps: dict[int, list[int]] = {row["whose"]: row["steps"] for row in rows}
        for whose, sent in enumerate(self._sent):
            had = steps.get(whose, [])
            if missing := set(range(sent)) - set(had):
                yield f"{len(missing)} events of {whose} have no effect, the first is {min(missing)}"
            if len(had) > len(set(had)):
                yield f"{len(had) - len(set(had))} effects of {whose} are too much"
            elif had != sorted(had):
                yield f"the events of {whose} had their effect in another order"
        if letters:
            yield f"{letters} events were given up"
