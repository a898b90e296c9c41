"""Scores counted anew, from the books and the log, and compared with the table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.boards import store
from overworld.domains.gameplay.boards.messages import LeaderboardRebuilt
from overworld.domains.gameplay.boards.ports import Books, Collection
from overworld.domains.gameplay.boards.rules import Calendar, Tally
from overworld.domains.gameplay.boards.scoring import is_given
from overworld.domains.gameplay.boards.types import EXPERIENCE, Board, Key, Placed, Score
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Outbox, Tx
from overworld.platform.postgres import Database

Scores = dict[Key, dict[UUID, Score]]
Span = tuple[str, datetime]
"""A board and the start of a window."""


class Difference(Struct, frozen=True, kw_only=True):
    """A score that is not what it should be; None where there is none."""

    key: Key
    player_id: UUID
    have: Score | None
    should: Score | None


class Recounted(Struct, frozen=True, kw_only=True):
    """What a recount compared and found: scores that differ, and windows whose results do, with what they should be.

    Of `unknown` players the log has forgotten collections: what they have in regions, and of experience, cannot be
    counted again. Where `sums` names them, their regions do not even add up to what they collected.
    """

    collections: int
    scores: int
    unknown: int
    differences: list[Difference]
    results: dict[Span, list[Placed]]
    sums: list[UUID]

    @property
    def agrees(self) -> bool:
        """Whether everything is as it should be."""
        return not (self.differences or self.results or self.sums)


class Recount:
    """Counts every collection again: amounts from the books, where and with what experience from the log that is kept.

    What the fold has not counted yet is left out, so a server may run meanwhile. Players who are no more count nothing.
    """

    def __init__(
        self, *, database: Database, clock: Clock, outbox: Outbox, calendar: Calendar, region_level: int, books: Books
    ) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._calendar = calendar
        self._region_level = region_level
        self._books = books

    async def check(self) -> Recounted:
        """Compares, in one snapshot; changes nothing and holds up nobody."""
        async with self._database.transaction() as tx:
            await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await tx.execute("SET LOCAL statement_timeout = 0")
            return await self._compare(tx)

    async def rebuild(self) -> Recounted:
        """Compares, and puts right what can be; the fold waits meanwhile. Takes two connections."""
        async with self._database.transaction() as tx:
            await tx.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            await tx.execute("SET LOCAL statement_timeout = 0")
            await self._books.hold(tx)
            found = await self.check()
            windows = {(one.key.board, one.key.starts_at) for one in found.differences if one.should is not None}
            await store.open_windows(tx, self._calendar.ending(windows))
            await store.correct(tx, [(one.key, one.player_id, one.should) for one in found.differences])
            for (board, starts_at), places in found.results.items():
                await store.correct_results(tx, Key(board, starts_at), places)
            if found.differences:
                rebuilt = LeaderboardRebuilt(changed=len(found.differences))
                await self._outbox.append(tx, [rebuilt], at=self._clock.now())
        return found

    async def _compare(self, tx: Tx) -> Recounted:
        known = await store.players(tx)
        boards = self._calendar.boards.values()
        by_log = self._tally(board for board in boards if not _is_of_books(board))
        by_books = self._tally(board for board in boards if _is_of_books(board))
        pending: Counter[Collection] = Counter()
        logged: Counter[UUID] = Counter()
        async for envelope, is_counted in self._books.logged(tx):
            event = envelope.decode()
            if not is_given(event):
                continue
            if not is_counted:
                pending[Collection(event.player_id, event.currency, event.amount_minor, envelope.at)] += 1
            elif event.player_id in known:
                logged[event.player_id] += 1
                by_log.add(event, envelope.at)
        booked, totals = Counter[UUID](), Counter[tuple[UUID, str]]()
        async for one in self._books.collections(tx):
            if pending[one] > 0:
                pending[one] -= 1
            elif one.player_id in known:
                booked[one.player_id] += 1
                totals[one.player_id, one.currency] += one.amount_minor
                by_books.add_amount(one.player_id, one.currency, one.amount_minor, one.at)
        whole = {player_id for player_id in known if booked[player_id] == logged[player_id]}
        should: Scores = defaultdict(dict)
        for key, player_id, score in by_books.scores():
            should[key][player_id] = score
        for key, player_id, score in by_log.scores():
            if player_id in whole:
                should[key][player_id] = score
        results = await self._results(tx, should)
        found = await self._differences(tx, should, known=known, whole=whole, totals=totals)
        return Recounted(collections=booked.total(), unknown=len(booked.keys() - whole), results=results, **found)

    async def _differences(
        self, tx: Tx, should: Scores, *, known: set[UUID], whole: set[UUID], totals: Counter[tuple[UUID, str]]
    ) -> dict[str, Any]:
        pruned = await store.pruned(tx)
        missing = {key: dict(scores) for key, scores in should.items() if (key.board, key.starts_at) not in pruned}
        differences: list[Difference] = []
        by_region: Counter[tuple[UUID, str]] = Counter()
        count = 0
        async for key, player_id, have in store.everything(tx):
            count += 1
            board = self._calendar.boards.get(key.board)
            if board is None or (key.board, key.starts_at) in pruned:
                continue
            if _is_of_books(board) or player_id in whole or player_id not in known:
                right = missing.get(key, {}).pop(player_id, None)
                if right != have:
                    differences.append(Difference(key=key, player_id=player_id, have=have, should=right))
            elif board.counts != EXPERIENCE and board.turns is None:
                by_region[player_id, board.counts] += have.score
        differences += [
            Difference(key=key, player_id=player_id, have=None, should=right)
            for key, scores in missing.items()
            for player_id, right in scores.items()
        ]
        sums = [who for (who, currency), total in by_region.items() if total != totals[who, currency]]
        return {"scores": count, "differences": differences, "sums": sums}

    async def _results(self, tx: Tx, should: Scores) -> dict[Span, list[Placed]]:
        """What should be kept of windows that are archived, where something else is."""
        wrong = {}
        for key, kept in (await store.all_results(tx)).items():
            board = self._calendar.boards.get(key.board)
            if board is None or not _is_of_books(board):
                continue
            ordered = sorted(
                should.get(key, {}).items(), key=lambda one: (-one[1].score, one[1].reached_us, one[0].bytes)
            )
            right = [Placed(i + 1, player_id, score) for i, (player_id, score) in enumerate(ordered[: board.archive])]
            if kept != right:
                wrong[key.board, key.starts_at] = right
        return wrong

    def _tally(self, boards: Iterable[Board]) -> Tally:
        return Tally(self._calendar, region_level=self._region_level, boards=boards)


def _is_of_books(board: Board) -> bool:
    """Whether the books alone say what its scores are; of regions and experience they say nothing."""
    return not board.by_region and board.counts != EXPERIENCE
