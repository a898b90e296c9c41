"""Leaderboards as players see them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.boards import store
from overworld.domains.gameplay.boards.errors import NoBoard
from overworld.domains.gameplay.boards.messages import LeaderboardPage, LeaderboardPlace
from overworld.domains.gameplay.boards.places import KeptPlaces, ListedPlaces, LivePlaces, Places
from overworld.domains.gameplay.boards.ports import Memberships
from overworld.domains.gameplay.boards.rules import Calendar
from overworld.domains.gameplay.boards.scoring import told
from overworld.domains.gameplay.boards.standings import Standings
from overworld.domains.gameplay.boards.types import ALWAYS, GLOBAL, REGION, WORLD, Board, Key, Placed, Score, Window
from overworld.geo import cells
from overworld.kernel.clock import EPOCH, Clock, from_us
from overworld.kernel.ports import Outbox
from overworld.platform.postgres import Database

_MEMBERS_AGE_MAX_S = 1.0


class Asked(Struct, frozen=True, kw_only=True):
    """What somebody wants to see of a board: places from `start` (0 is the first) on, or those around themselves.

    `at` names the window by any instant in it; None is now.
    """

    player_id: UUID
    board: str = GLOBAL
    around_me: bool = False
    start: int = 0
    limit: int = 50
    at: datetime | None = None


class Boards:
    """Answers who stands where. What is asked for now comes from memory, what is over from the table of results."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        outbox: Outbox,
        calendar: Calendar,
        standings: Standings,
        memberships: Memberships,
        region_level: int,
    ) -> None:
        self.standings = standings
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._calendar = calendar
        self._memberships = memberships
        self._region_level = region_level
        self._members: dict[str, tuple[float, ListedPlaces]] = {}

    async def load(self) -> None:
        """Reads what is asked for most: the boards of the world, in their windows of now."""
        for board in self._calendar.boards.values():
            if not board.by_region:
                await self.standings.hold(self._key(board, self._clock.now()))

    async def page(self, asked: Asked) -> tuple[LeaderboardPage, int | None]:
        """What somebody wants to see, with their own place, and where to go on. Raises: NoBoard; Fault, Busy."""
        now = self._clock.now()
        at = now if asked.at is None else max(EPOCH, min(asked.at, now))
        shown = await self._shown(asked.board, at)
        places, me = shown.places, await shown.places.of(asked.player_id)
        start, count = asked.start, asked.limit
        if asked.around_me:
            start = max(0, me.rank - 1 - (asked.limit - 1) // 2) if me else 0
            count = me.rank + asked.limit // 2 - start if me else 0
        items = await places.page(start, count)
        players = await places.count()
        page = LeaderboardPage(
            board=asked.board,
            counts=shown.board.counts,
            starts_at=None if shown.window == ALWAYS else shown.window.starts_at,
            ends_at=None if shown.window == ALWAYS else shown.window.ends_at,
            archived=shown.archived,
            players=players,
            me=None if me is None else _place(shown.board, me),
            items=[_place(shown.board, place) for place in items],
        )
        after = start + len(items)
        return page, after if not asked.around_me and items and after < players else None

    async def tidy(self) -> None:
        """Lets go of the ranked sets of windows that are over; from time to time."""
        now = self._clock.now()
        await self.standings.let_go(lambda key: self.window_of(key).ends_at < now)

    def window_of(self, key: Key) -> Window:
        """The window of a set."""
        return self._calendar.window_from(key.board, key.starts_at)

    async def forget(self, player_ids: Collection[UUID]) -> int:
        """Takes players off every board, for who wants nothing kept of them; from how many places."""
        async with self._database.transaction() as tx:
            gone = await store.forget(tx, player_ids)
            changed = [(key, player_id, Score(0, 0)) for key, player_id in gone]
            await self._outbox.append(tx, told(changed), at=self._clock.now())
        return len(gone)

    async def _shown(self, name: str, at: datetime) -> _Shown:
        """The board that a name stands for: a declared one, else a region, else a membership."""
        board, region = self._calendar.boards.get(name), WORLD
        if board is None or board.by_region:
            region = self._region(name)
            board = self._calendar.boards[REGION] if region else None
        if board is None:
            return await self._of_members(name)
        window = self._calendar.window(board.name, at)
        key = Key(board.name, window.starts_at, region)
        if window.ends_at <= self._clock.now():
            async with self._database.read() as tx:
                if await store.is_archived(tx, key):
                    return _Shown(board, window, KeptPlaces(self._database, key), archived=True)
        return _Shown(board, window, LivePlaces(await self.standings.hold(key), key))

    def _region(self, token: str) -> int:
        """The region of a token; `WORLD` when it is none."""
        try:
            cell = cells.from_token(token)
        except ValueError:
            return WORLD
        return cell if cells.level_of(cell) == self._region_level else WORLD

    async def _of_members(self, name: str) -> _Shown:
        """The members of a membership among themselves, by the board of everybody; at most a second old."""
        board = self._calendar.boards[GLOBAL]
        window = self._calendar.window(GLOBAL, self._clock.now())
        read_s, places = self._members.get(name, (float("-inf"), ListedPlaces([], [])))
        if self._clock.monotonic_s() - read_s >= _MEMBERS_AGE_MAX_S:
            player_ids = await self._memberships.players(name)
            if player_ids is None:
                raise NoBoard(board=name)
            key = Key(GLOBAL, window.starts_at)
            ranks = await self.standings.hold(key)
            places = ListedPlaces(player_ids, await ranks.scores(key, player_ids))
            self._members[name] = self._clock.monotonic_s(), places
        return _Shown(board, window, places)

    def _key(self, board: Board, at: datetime) -> Key:
        return Key(board.name, self._calendar.window(board.name, at).starts_at)


class _Shown(Struct, frozen=True):
    """What a name stands for."""

    board: Board
    window: Window
    places: Places
    archived: bool = False


def _place(board: Board, place: Placed) -> LeaderboardPlace:
    return LeaderboardPlace(
        rank=place.rank,
        player_id=place.player_id,
        score=board.formatted(place.score.score),
        reached_at=from_us(place.score.reached_us),
    )
