"""Ranked sets in this process: implements `Ranks`.

A set is a list of blocks of row numbers, each block in order; what is found in a block costs a dozen comparisons, what
is put into one moves at most a few kilobytes. A player costs a set some 180 bytes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, islice
from uuid import UUID

from overworld.domains.gameplay.boards.types import Key, Placed, Score

_BLOCK_MAX = 1_024
_BLOCK_MIN = 128

_Order = tuple[int, int, bytes]


class MemoryRanks:
    """Ranked sets by key. Nothing here suspends, so nobody sees a change half done."""

    def __init__(self) -> None:
        self._sets: dict[Key, RankedSet] = {}

    async def put(self, key: Key, player_ids: Sequence[UUID], scores: Sequence[Score]) -> None:
        ranked = self._sets.setdefault(key, RankedSet())
        for player_id, score in zip(player_ids, scores, strict=True):
            ranked.put(player_id.bytes, score.score, score.reached_us)

    async def drop(self, key: Key, player_ids: Sequence[UUID] | None = None) -> None:
        if player_ids is None:
            self._sets.pop(key, None)
        elif key in self._sets:
            for player_id in player_ids:
                self._sets[key].drop(player_id.bytes)

    async def count(self, key: Key) -> int:
        return len(self._of(key))

    async def page(self, key: Key, start: int, count: int) -> list[Placed]:
        return self._of(key).page(start, count)

    async def ranks(self, key: Key, player_ids: Sequence[UUID]) -> list[int | None]:
        rank = self._of(key).rank
        return [rank(player_id.bytes) for player_id in player_ids]

    async def scores(self, key: Key, player_ids: Sequence[UUID]) -> list[Score | None]:
        score = self._of(key).score
        return [score(player_id.bytes) for player_id in player_ids]

    def _of(self, key: Key) -> RankedSet:
        return self._sets.get(key) or RankedSet()


class RankedSet:
    """One ranked set. A player is a row of columns; `_blocks` holds the rows in the order of ranks."""

    def __init__(self) -> None:
        self._row_of: dict[bytes, int] = {}
        self._ids: list[bytes] = []
        self._scores = array("q")
        self._reached_us = array("q")
        self._free: list[int] = []
        self._blocks: list[array[int]] = []
        self._firsts: list[_Order] = []
        self._before: list[int] | None = None

    def __len__(self) -> int:
        return len(self._row_of)

    def put(self, player: bytes, score: int, reached_us: int) -> None:
        """Gives a player a score, unless theirs is higher, or as high and reached later: that was put after this."""
        row = self._row_of.get(player)
        if row is None:
            row = self._new_row(player)
        elif (score, reached_us) <= (self._scores[row], self._reached_us[row]):
            return
        else:
            self._take_out(row)
        self._scores[row], self._reached_us[row] = score, reached_us
        self._put_in(row)

    def drop(self, player: bytes) -> None:
        """Takes a player out, if they are there."""
        row = self._row_of.pop(player, None)
        if row is not None:
            self._take_out(row)
            self._free.append(row)

    def score(self, player: bytes) -> Score | None:
        """What a player has."""
        row = self._row_of.get(player)
        return None if row is None else Score(self._scores[row], self._reached_us[row])

    def rank(self, player: bytes) -> int | None:
        """The place of a player, from 1."""
        row = self._row_of.get(player)
        if row is None:
            return None
        i, j = self._found(row)
        return self._counts_before()[i] + j + 1

    def page(self, start: int, count: int) -> list[Placed]:
        """The places from `start`, counted from 0, on."""
        before = self._counts_before()
        i = bisect_right(before, start, hi=len(self._blocks)) - 1
        if i < 0 or count <= 0:
            return []
        rows = (row for block in islice(self._blocks, i, None) for row in block)
        skipped = start - before[i]
        return [
            Placed(start + n + 1, UUID(bytes=self._ids[row]), Score(self._scores[row], self._reached_us[row]))
            for n, row in enumerate(islice(rows, skipped, skipped + count))
        ]

    def _new_row(self, player: bytes) -> int:
        if self._free:
            row = self._free.pop()
            self._ids[row] = player
        else:
            row = len(self._ids)
            self._ids.append(player)
            self._scores.append(0)
            self._reached_us.append(0)
        self._row_of[player] = row
        return row

    def _order(self, row: int) -> _Order:
        return -self._scores[row], self._reached_us[row], self._ids[row]

    def _found(self, row: int) -> tuple[int, int]:
        """The block of a row, and its place in it."""
        order = self._order(row)
        i = bisect_right(self._firsts, order) - 1
        return i, bisect_left(self._blocks[i], order, key=self._order)

    def _take_out(self, row: int) -> None:
        i, j = self._found(row)
        block = self._blocks[i]
        del block[j]
        if not block:
            del self._blocks[i], self._firsts[i]
        elif j == 0:
            self._firsts[i] = self._order(block[0])
        self._before = None
        if len(block) < _BLOCK_MIN:
            self._join(i)

    def _put_in(self, row: int) -> None:
        order = self._order(row)
        self._before = None
        if not self._blocks or order > self._order(self._blocks[-1][-1]):
            self._put_last(row, order)
            return
        i = max(0, bisect_right(self._firsts, order) - 1)
        block = self._blocks[i]
        j = bisect_left(block, order, key=self._order)
        block.insert(j, row)
        if j == 0:
            self._firsts[i] = order
        if len(block) > _BLOCK_MAX:
            self._split(i)

    def _put_last(self, row: int, order: _Order) -> None:
        """What comes in order, as from the table, is found no place for, and leaves full blocks behind."""
        if not self._blocks or len(self._blocks[-1]) == _BLOCK_MAX:
            self._blocks.append(array("I"))
            self._firsts.append(order)
        self._blocks[-1].append(row)

    def _split(self, i: int) -> None:
        block = self._blocks[i]
        half = block[len(block) // 2 :]
        del block[len(block) // 2 :]
        self._blocks.insert(i + 1, half)
        self._firsts.insert(i + 1, self._order(half[0]))

    def _join(self, i: int) -> None:
        """Puts a small block together with the next one, if that is small too."""
        if i + 1 < len(self._blocks) and len(self._blocks[i]) + len(self._blocks[i + 1]) <= _BLOCK_MAX // 2:
            self._blocks[i].extend(self._blocks.pop(i + 1))
            del self._firsts[i + 1]
            self._firsts[i] = self._order(self._blocks[i][0])

    def _counts_before(self) -> list[int]:
        """How many players the blocks before each one hold; after a change they are counted anew."""
        if self._before is None:
            self._before = list(accumulate(map(len, self._blocks), initial=0))
        return self._before
