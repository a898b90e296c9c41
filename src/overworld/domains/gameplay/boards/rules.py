"""Which boards there are, and what events add to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from overworld.domains.gameplay.boards.types import (
    DEFAULTS,
    EXPERIENCE,
    SCORE_MAX,
    WORLD,
    Board,
    BoardRules,
    Gain,
    Key,
    Score,
    Window,
    turns_of,
)
from overworld.domains.gameplay.messages import CollectibleCollected
from overworld.geo import cells
from overworld.kernel.clock import to_us
from overworld.kernel.money import Currency


def boards_of(declared: Mapping[str, BoardRules], currencies: Sequence[Currency]) -> dict[str, Board]:
    """The boards of a game by name: the defaults, and what it declares beside or instead of them.

    Raises: ValueError when a board counts what the game does not have, or its `resets` cannot be read.
    """
    return {name: _board(name, rules, currencies) for name, rules in (DEFAULTS | dict(declared)).items()}


def _board(name: str, rules: BoardRules, currencies: Sequence[Currency]) -> Board:
    turns = turns_of(rules.resets)
    counts = rules.counts or currencies[0].code
    scales = {EXPERIENCE: 0} | {currency.code: currency.scale for currency in currencies}
    if counts not in scales:
        raise ValueError(f"there is no currency `{counts}`")
    return Board(name=name, counts=counts, scale=scales[counts], turns=turns, archive=rules.archive)


class Calendar:
    """The windows of boards by instant; remembers the last one of each, in which the next instant mostly lies."""

    def __init__(self, boards: Iterable[Board]) -> None:
        self._last: dict[str, Window] = {}
        self.boards = {board.name: board for board in boards}

    def window(self, board: str, at: datetime) -> Window:
        """The window of a board that holds an instant."""
        known = self._last.get(board)
        if known is None or not known.starts_at <= at < known.ends_at:
            known = self._last[board] = self.boards[board].window(at)
        return known

    def ending(self, spans: Iterable[tuple[str, datetime]]) -> list[tuple[str, Window]]:
        """Those of some windows, by board and start, that end; in the order in which they are locked."""
        return [
            (board, self.boards[board].window(starts_at))
            for board, starts_at in sorted(spans)
            if self.boards[board].turns is not None
        ]

    def window_from(self, board: str, starts_at: datetime) -> Window:
        """The window of a board that begins at an instant; one that is over where the game has no such board now."""
        known = self.boards.get(board)
        return known.window(starts_at) if known else Window(starts_at, starts_at)


class Tally:
    """What events add up to: for each score what is added to it, and the windows concerned.

    `boards` are those that are counted; left out, all.
    """

    def __init__(self, calendar: Calendar, *, region_level: int, boards: Iterable[Board] | None = None) -> None:
        self._calendar = calendar
        self._boards = list(calendar.boards.values() if boards is None else boards)
        self._region_level = region_level
        self._added: dict[tuple[Key, UUID], tuple[int, int]] = {}
        self._keys: dict[tuple[str, datetime, int], Key] = {}
        self.windows: set[tuple[str, datetime]] = set()

    def add(self, event: CollectibleCollected, at: datetime) -> None:
        """Counts an event that happened at a time."""
        at_us = to_us(at)
        for board in self._boards:
            if board.counts == EXPERIENCE:
                amount = event.experience
            else:
                amount = event.amount_minor if event.currency == board.counts else 0
            if amount > 0:
                region = cells.cell_of(event.lat_deg, event.lng_deg, self._region_level) if board.by_region else WORLD
                self._count(self._key(board.name, at, region), event.player_id, amount, at_us)

    def add_amount(self, player_id: UUID, currency: str, amount_minor: int, at: datetime) -> None:
        """Counts what is known of a collection from the books alone, on boards of the world that count currencies."""
        at_us = to_us(at)
        for board in self._boards:
            if board.counts == currency:
                self._count(self._key(board.name, at, WORLD), player_id, amount_minor, at_us)

    def scores(self) -> Iterator[tuple[Key, UUID, Score]]:
        """What is added, as scores that begin with it."""
        for (key, player_id), (added, at_us) in self._added.items():
            yield key, player_id, Score(added, at_us)

    def _count(self, key: Key, player_id: UUID, amount: int, at_us: int) -> None:
        where = (key, player_id)
        added, last_us = self._added.get(where, (0, at_us))
        self._added[where] = (min(added + amount, SCORE_MAX), max(last_us, at_us))

    def gains(self) -> list[Gain]:
        """What is added, in the order in which rows are locked."""
        gains = [Gain(key, player_id, *sums) for (key, player_id), sums in self._added.items()]
        return sorted(gains, key=lambda one: (one.player_id, one.key))

    def _key(self, board: str, at: datetime, region: int) -> Key:
        window = self._calendar.window(board, at)
        self.windows.add((board, window.starts_at))
        name = (board, window.starts_at, region)
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = Key(*name)
        return key
