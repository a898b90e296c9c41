"""What `overworld boards` does: scores counted again from the books and the log of a database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from os import urandom

import msgspec

from overworld.app.attached import attached
from overworld.app.game import check as check_game
from overworld.app.game import found
from overworld.app.settings import Settings
from overworld.domains.gameplay.boards.ports import Collection
from overworld.domains.gameplay.boards.recount import Recount, Recounted
from overworld.domains.gameplay.boards.rules import Calendar, boards_of
from overworld.domains.gameplay.boards.scoring import NAME, TOPICS
from overworld.domains.gameplay.boards.types import WORLD, Key, Score
from overworld.geo import cells
from overworld.kernel.clock import SystemClock, rfc3339
from overworld.kernel.events import Envelope
from overworld.kernel.ids import IdSource
from overworld.kernel.money import TransferCode
from overworld.kernel.ports import Tx
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.postgres import Database

_SHOWN_MAX = 20
_ROWS_AT_ONCE = 5_000
_BATCHES_AT_ONCE = 64
_decode = msgspec.json.Decoder(list[Envelope]).decode


def recount(settings: Settings, *, repair: bool) -> Recounted:
    """Compares every score with what it should be and, with `repair`, puts it right. Raises: those of `attached`."""
    return asyncio.run(_recount(settings, repair=repair))


async def _recount(settings: Settings, *, repair: bool) -> Recounted:
    game = check_game(found(settings.game))
    async with attached(settings, application="overworld boards", connections=2) as database:
        recount = recount_of(
            database,
            calendar=Calendar(boards_of(game.leaderboards, game.currencies).values()),
            region_level=settings.gameplay.region_level,
            digest=game.digest,
        )
        return await (recount.rebuild() if repair else recount.check())


def recount_of(database: Database, *, calendar: Calendar, region_level: int, digest: str = "") -> Recount:
    """The recount of a database, with the books of its ledger and its log."""
    clock = SystemClock()
    return Recount(
        database=database,
        clock=clock,
        outbox=PostgresOutbox(ids=IdSource(clock.now_us, urandom), game=lambda: digest),
        calendar=calendar,
        region_level=region_level,
        books=LedgerAndLog(),
    )


class LedgerAndLog:
    """What was collected, by the ledger's transfers and by the events that are kept; implements `Books`."""

    async def hold(self, tx: Tx) -> None:
        """Locks the cursor that the fold moves with every change of scores."""
        await tx.fetchval("SELECT true FROM eventlog.cursor WHERE consumer = $1 FOR UPDATE", NAME)

    async def collections(self, tx: Tx) -> AsyncIterator[Collection]:
        """Every collection that was ever paid, of everybody."""
        await tx.execute(_COLLECTIONS, TransferCode.COLLECT, TransferCode.RELEASE)
        while rows := await tx.fetch(f"FETCH {_ROWS_AT_ONCE} FROM collections"):
            for row in rows:
                yield Collection(row["owner_id"], row["currency"], row["amount"], row["at"])
        await tx.execute("CLOSE collections")

    async def logged(self, tx: Tx) -> AsyncIterator[tuple[Envelope, bool]]:
        """Every collection that the log still has, and whether the cursor has passed it."""
        await tx.execute(_LOGGED, NAME, list(TOPICS))
        while rows := await tx.fetch(f"FETCH {_BATCHES_AT_ONCE} FROM logged"):
            for row in rows:
                for envelope in _decode(row["events"]):
                    if envelope.topic in TOPICS:
                        yield envelope, row["is_counted"]
        await tx.execute("CLOSE logged")


_COLLECTIONS = """
DECLARE collections NO SCROLL CURSOR FOR
SELECT account.owner_id, account.currency, transfer.amount, transfer.at
FROM ledger.transfer JOIN ledger.account ON account.id = transfer.credit_id
WHERE transfer.code = $1 AND transfer.kind = 0 OR transfer.code = $2 AND transfer.kind = 2"""

_LOGGED = """
DECLARE logged NO SCROLL CURSOR FOR
SELECT events, coalesce((stamp, id) <= (SELECT stamp, id FROM eventlog.cursor WHERE consumer = $1), false) AS is_counted
FROM eventlog.outbox WHERE topics && $2"""


def lines(found: Recounted, *, repaired: bool) -> Iterator[str]:
    """What was found, for people."""
    for one in found.differences[:_SHOWN_MAX]:
        yield f"{_named(one.key)}: {one.player_id} has {_told(one.have)} and should have {_told(one.should)}"
    if len(found.differences) > _SHOWN_MAX:
        yield f"... and {len(found.differences) - _SHOWN_MAX} more"
    for board, starts_at in sorted(found.results):
        yield f"the results of {board} from {rfc3339(starts_at)} are not those of its scores"
    for player_id in found.sums[:_SHOWN_MAX]:
        yield f"the regions of {player_id} do not add up to what they collected"
    yield f"{found.scores} scores compared with {found.collections} collections: " + (
        "everything agrees" if found.agrees else _counted(found, repaired=repaired)
    )
    if found.unknown:
        yield (
            f"of {found.unknown} players the log has forgotten some, so their regions and what they have of experience"
            " cannot be counted again"
        )


def _counted(found: Recounted, *, repaired: bool) -> str:
    wrong = f"{len(found.differences)} scores and {len(found.results)} windows differ"
    wrong += f", {len(found.sums)} players' regions do not add up" * bool(found.sums)
    return wrong + (", and are put right as far as they can be" if repaired else "")


def _named(key: Key) -> str:
    return key.board + (f" {cells.token(key.region)}" if key.region != WORLD else "")


def _told(score: Score | None) -> str:
    return "nothing" if score is None else f"{score.score} since {score.reached_us} us"
