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
from overworld.domains.gameplay.held.messages import RewardReleased
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
        self._open: dict[str, _Pile] = {}
        self._piles: dict[tuple[str, datetime], _Pile] = {}

    @property
    def windows(self) -> Iterable[tuple[str, datetime]]:
        """The windows concerned, by board and start."""
        return self._piles.keys()

    def add(self, event: CollectibleCollected | RewardReleased, at: datetime) -> None:
        """Counts what was given at a time."""
        at_us = to_us(at)
        for board in self._boards:
            if board.counts == EXPERIENCE:
                amount = event.experience
            else:
                amount = event.amount_minor if event.currency == board.counts else 0
            if amount > 0:
                region = cells.cell_of(event.lat_deg, event.lng_deg, self._region_level) if board.by_region else WORLD
                self._pile(board, at).add(region, event.player_id, amount, at_us)

    def add_amount(self, player_id: UUID, currency: str, amount_minor: int, at: datetime) -> None:
        """Counts what is known of a collection from the books alone, on boards of the world that count currencies."""
        at_us = to_us(at)
        for board in self._boards:
            if board.counts == currency:
                self._pile(board, at).add(WORLD, player_id, amount_minor, at_us)

    def scores(self) -> Iterator[tuple[Key, UUID, Score]]:
        """What is added, as scores that begin with it."""
        for pile in self._piles.values():
            for region, players in pile.regions.items():
                key = Key(pile.board, pile.window.starts_at, region)
                for player_id, (added, at_us) in players.items():
                    yield key, player_id, Score(added, at_us)

    def gains(self) -> list[Gain]:
        """What is added, in the order in which rows are locked."""
        gains = [Gain(key, player_id, score.score, score.reached_us) for key, player_id, score in self.scores()]
        place = {key: i for i, key in enumerate(sorted({gain.key for gain in gains}))}
        return sorted(gains, key=lambda gain: (gain.player_id.int, place[gain.key]))

    def _pile(self, board: Board, at: datetime) -> _Pile:
        pile = self._open.get(board.name)
        if pile is None or not pile.window.starts_at <= at < pile.window.ends_at:
            window = self._calendar.window(board.name, at)
            pile = self._piles.setdefault((board.name, window.starts_at), _Pile(board.name, window))
            self._open[board.name] = pile
        return pile


class _Pile:
    """What is added on one board in one window: by region and player the sum, and the time of the latest."""

    __slots__ = ("board", "regions", "window")

    def __init__(self, board: str, window: Window) -> None:
        self.board = board
        self.window = window
        self.regions: dict[int, dict[UUID, tuple[int, int]]] = {}

    def add(self, region: int, player_id: UUID, amount: int, at_us: int) -> None:
        players = self.regions.get(region)
        if players is None:
            players = self.regions[region] = {}
        had = players.get(player_id)
        if had is None:
            players[player_id] = amount, at_us
        else:
            players[player_id] = min(had[0] + amount, SCORE_MAX), max(had[1], at_us)
