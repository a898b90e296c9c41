"""Whether everything that players were told is in the database, once, and nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from bench.prove.gifts import Given
from overworld.app.game import Game
from overworld.client import Collected
from overworld.domains.gameplay.held.messages import RewardReleased
from overworld.domains.gameplay.messages import CollectibleCollected
from overworld.domains.gameplay.types import Mode
from overworld.domains.ledger import Ledger
from overworld.kernel.clock import SystemClock
from overworld.kernel.events import Envelope
from overworld.kernel.money import AccountCode, Currency, TransferCode
from overworld.platform.eventlog import EventLog
from overworld.platform.postgres import Database

T = TypeVar("T")

_READ_S = 60.0
_LOOK_S = 0.05
_EXAMPLES_MAX = 3

_TRANSFERS = """
SELECT transfer.reference, owner_id, amount, currency
FROM ledger.transfer JOIN ledger.account AS payee ON payee.id = credit_id
WHERE transfer.code = $1"""
_GIFTS = """
SELECT transfer.id, payer.owner_id AS from_id, payee.owner_id AS to_id, amount FROM ledger.transfer
JOIN ledger.account AS payer ON payer.id = debit_id JOIN ledger.account AS payee ON payee.id = credit_id
WHERE transfer.code = $1"""
_WALLETS = """
SELECT coalesce(sum(credits_posted - debits_posted), 0) FROM ledger.account WHERE code = $1"""
_TOPICS = "SELECT DISTINCT unnest(topics) AS topic FROM eventlog.outbox"
_LOG = "SELECT events FROM eventlog.outbox"
_EXPERIENCE = "SELECT id, experience FROM gameplay.player WHERE experience > 0"

_decode = msgspec.json.Decoder(list[Envelope]).decode


class Told(Struct, frozen=True):
    """A claim that was acknowledged: to whom, and what the answer said."""

    player_id: UUID
    collected: Collected


class Taking(Struct, frozen=True):
    """One collectible in one player's hands, as every account of it must tell."""

    player_id: UUID
    collectible_id: str
    amount_minor: int
    currency: str


class Books(Struct, frozen=True):
    """How much the database holds, and where it disagrees with what players were told or with itself."""

    transfers: int
    events_read: int
    faults: list[str]


async def audit(dsn: str, told: Sequence[Told], *, game: Game, given: Sequence[Given] = ()) -> Books:
    """Compares what players were told, of claims and of gifts, with the transfers, the wallets and the log of events.

    The log is read by a durable consumer of its own, from its first event to its last. A server that still runs may
    write more meanwhile, of which nothing is asked.
    """
    database = await Database.open(dsn, application="proof")
    try:
        written = await _written(database)
        events = await _read_log(database)
        books = await _compare(database, told, events, game=game, given=given)
        read = Counter(envelope.id for envelope in events if envelope.id in written)
        return replace(books, faults=books.faults + _differences("written", written, "read by a consumer", read))
    finally:
        await database.close()


async def _compare(
    database: Database, told: Sequence[Told], events: Sequence[Envelope], *, game: Game, given: Sequence[Given]
) -> Books:
    currencies = {currency.code: currency for currency in game.currencies}
    async with database.read() as tx:
        faults = await Ledger(database=database, currencies=currencies).invariants(tx)
        rows = await tx.fetch(_TRANSFERS, TransferCode.COLLECT)
        gifts = await tx.fetch(_GIFTS, TransferCode.GIFT)
        held = int(await tx.fetchval(_WALLETS, AccountCode.WALLET))
        experience = {row["id"]: row["experience"] for row in await tx.fetch(_EXPERIENCE)}
    acknowledged = Counter(_taking(one, currencies) for one in told)
    happened = [_collection(envelope) for envelope in events if envelope.topic == CollectibleCollected.topic]
    published = Counter(Taking(e.player_id, e.collectible_id, e.amount_minor, e.currency) for e in happened)
    faults += _differences("acknowledged", acknowledged, "published", published)
    faults += _differences(
        "posted", Counter((row["owner_id"], row["amount"], row["currency"]) for row in rows),
        "published", Counter((e.player_id, e.amount_minor, e.currency) for e in happened),
    )  # fmt: skip
    taken = Counter(event.collectible_id for event in happened if event.mode == Mode.SHARED)
    faults += [f"{one} was taken {count} times" for one, count in taken.items() if count > 1]
    faults += ["two collections have one reference"] * (len({row["reference"] for row in rows}) < len(rows))
    faults += _differences(
        "acknowledged", Counter((one.sent.id, one.from_id, one.sent.to, _minor(one, currencies)) for one in given),
        "posted", Counter((row["id"], row["from_id"], row["to_id"], row["amount"]) for row in gifts),
    )  # fmt: skip
    released = [_released(envelope) for envelope in events if envelope.topic == RewardReleased.topic]
    paid_at_once = Counter(_taking(one, currencies) for one in told if not one.collected.held)
    earned = sum(one.amount_minor for one in paid_at_once.elements()) + sum(one.amount_minor for one in released)
    faults += [f"wallets hold {held}, acknowledged was {earned}"] * (held != earned)
    faults += _experience_faults([*happened, *released], experience)
    return Books(transfers=len(rows), events_read=len(events), faults=faults)


async def _written(database: Database) -> Counter[UUID]:
    async with database.read() as tx:
        return Counter(envelope.id for row in await tx.fetch(_LOG) for envelope in _decode(row["events"]))


async def _read_log(database: Database) -> list[Envelope]:
    """Every event of the log, in order, as a new durable consumer gets them. Raises: TimeoutError when it stands."""
    log = EventLog(database, clock=SystemClock())
    read: list[Envelope] = []

    async def keep(events: Sequence[Envelope]) -> None:
        read.extend(events)

    async with database.read() as tx:
        topics = [row["topic"] for row in await tx.fetch(_TOPICS)]
    consumer = log.consumer(f"proof-{uuid4()}", topics=topics, handle=keep)
    await log.start()
    running = asyncio.create_task(consumer.run())
    try:
        async with asyncio.timeout(_READ_S):
            await _until_read(log, consumer.name)
    finally:
        consumer.stop()
        await running
        await log.forget(consumer.name)
        await log.close()
    return read


async def _until_read(log: EventLog, consumer: str) -> None:
    while True:
        if any(lag.consumer == consumer and lag.batches_behind == 0 for lag in await log.lag()):
            return
        await asyncio.sleep(_LOOK_S)


def _taking(one: Told, currencies: Mapping[str, Currency]) -> Taking:
    told = one.collected
    return Taking(one.player_id, told.collectible_id, currencies[told.currency].parse(told.amount), told.currency)


def _minor(one: Given, currencies: Mapping[str, Currency]) -> int:
    return currencies[one.sent.currency].parse(one.sent.amount)


def _collection(envelope: Envelope) -> CollectibleCollected:
    return msgspec.json.decode(envelope.data, type=CollectibleCollected)


def _released(envelope: Envelope) -> RewardReleased:
    return msgspec.json.decode(envelope.data, type=RewardReleased)


def _differences(left: str, ours: Counter[T], right: str, theirs: Counter[T]) -> list[str]:
    found = [
        f"{thing}: {left} {ours[thing]} times, {right} {theirs[thing]} times"
        for thing in ours | theirs
        if ours[thing] != theirs[thing]
    ]
    more = [f"... and {len(found) - _EXAMPLES_MAX} more that were {left} and {right} differently"]
    return found[:_EXAMPLES_MAX] + more * (len(found) > _EXAMPLES_MAX)


def _experience_faults(happened: Iterable[CollectibleCollected | RewardReleased], known: dict[UUID, int]) -> list[str]:
    earned: Counter[UUID] = Counter()
    for event in happened:
        earned[event.player_id] += event.experience
    return [
        f"player {player} has {known.get(player, 0)} experience, the events give {earned[player]}"
        for player in earned.keys() | known.keys()
        if earned[player] != known.get(player, 0)
    ]
