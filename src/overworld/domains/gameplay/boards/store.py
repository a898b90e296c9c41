"""The tables of leaderboards. Every function is one round trip unless it says otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Hashable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from overworld.domains.gameplay.boards.types import SCORE_MAX, Gain, Key, Placed, Score, Window
from overworld.kernel.clock import from_us, to_us
from overworld.kernel.ports import Tx
from overworld.platform.postgres.arrays import numbers

H = TypeVar("H", bound=Hashable)

_ROWS_AT_ONCE = 1_000

# Players, sets and times come once each, and a gain says by numbers from 1 which are its own.
_ADD = f"""
INSERT INTO gameplay.board_score AS had (player_id, board, starts_at, region, score, reached_at)
SELECT ($1::uuid[])[player], ($2::text[])[key], ($3::timestamptz[])[key], ($4::bigint[])[key], added,
    ($5::timestamptz[])[reached]
FROM unnest($6::text::integer[], $7::text::integer[], $8::text::bigint[], $9::text::integer[])
    AS gain (player, key, added, reached)
ON CONFLICT (player_id, board, starts_at, region) DO UPDATE
SET score = least(had.score::numeric + excluded.score, {SCORE_MAX})::bigint,
    reached_at = greatest(had.reached_at, excluded.reached_at)
RETURNING score, reached_at"""  # noqa: S608 - a constant


async def add(tx: Tx, gains: Sequence[Gain]) -> list[tuple[Key, UUID, Score]]:
    """Adds to scores and gives what they are now, aligned, (n,).

    Gains come in the order in which rows are locked, which is the order in which they are inserted and come back.
    """
    if not gains:
        return []
    players = _places(gain.player_id.int for gain in gains)
    keys = _places(gain.key for gain in gains)
    times_us = _places(gain.at_us for gain in gains)
    rows = await tx.fetch(
        _ADD,
        [UUID(int=number) for number in players],
        [key.board for key in keys],
        [key.starts_at for key in keys],
        [signed(key.region) for key in keys],
        [from_us(at_us) for at_us in times_us],
        numbers([players[gain.player_id.int] for gain in gains]),
        numbers([keys[gain.key] for gain in gains]),
        numbers([gain.added for gain in gains]),
        numbers([times_us[gain.at_us] for gain in gains]),
    )
    return [
        (gain.key, gain.player_id, Score(row["score"], to_us(row["reached_at"])))
        for gain, row in zip(gains, rows, strict=True)
    ]


def _places(values: Iterable[H]) -> dict[H, int]:
    """Each value once, with its place among them, from 1."""
    return {value: place for place, value in enumerate(dict.fromkeys(values), 1)}


_OPEN_WINDOWS = """
INSERT INTO gameplay.board_window AS known (board, starts_at, ends_at)
SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[])
ON CONFLICT (board, starts_at) DO UPDATE
SET archived_at = CASE WHEN known.pruned_at IS NOT NULL THEN known.archived_at END
RETURNING board, starts_at, pruned_at IS NOT NULL AS pruned"""


async def open_windows(tx: Tx, windows: Sequence[tuple[str, Window]]) -> set[tuple[str, datetime]]:
    """Says that scores come into windows; gives those that can take none any more. Come in the order of their keys.

    One that was archived will be archived again. Whoever archives one now is waited for.
    """
    if not windows:
        return set()
    rows = await tx.fetch(
        _OPEN_WINDOWS,
        [board for board, _ in windows],
        [window.starts_at for _, window in windows],
        [window.ends_at for _, window in windows],
    )
    return {(row["board"], row["starts_at"]) for row in rows if row["pruned"]}


_SET = """
DECLARE board_set NO SCROLL CURSOR FOR
SELECT player_id, score, reached_at FROM gameplay.board_score
WHERE board = $1 AND starts_at = $2 AND region = $3
ORDER BY score DESC, reached_at, player_id"""
_FETCH = f"FETCH {_ROWS_AT_ONCE} FROM board_set"


async def ranked(tx: Tx, key: Key) -> AsyncIterator[tuple[list[UUID], list[Score]]]:
    """A whole set, best first, a few thousand players at a time; as it was when this began. Many round trips."""
    await tx.execute(_SET, key.board, key.starts_at, signed(key.region))
    while rows := await tx.fetch(_FETCH):
        yield [row["player_id"] for row in rows], [Score(row["score"], to_us(row["reached_at"])) for row in rows]
    await tx.execute("CLOSE board_set")


_DUE = """
SELECT board, starts_at, ends_at FROM gameplay.board_window
WHERE archived_at IS NULL AND ends_at <= $1
ORDER BY board, starts_at"""


async def due(tx: Tx, before: datetime) -> list[tuple[str, Window]]:
    """The windows that were over at a time and are not archived."""
    rows = await tx.fetch(_DUE, before)
    return [(row["board"], Window(row["starts_at"], row["ends_at"])) for row in rows]


_LOCK_DUE = """
SELECT true FROM gameplay.board_window WHERE board = $1 AND starts_at = $2 AND archived_at IS NULL
FOR UPDATE SKIP LOCKED"""
_FORGET_RESULTS = "DELETE FROM gameplay.board_result WHERE board = $1 AND starts_at = $2"
_ARCHIVE = """
INSERT INTO gameplay.board_result (board, starts_at, region, rank, player_id, score, reached_at)
SELECT $1, $2, region, rank, player_id, score, reached_at
FROM (
    SELECT region, player_id, score, reached_at,
        row_number() OVER (PARTITION BY region ORDER BY score DESC, reached_at, player_id) AS rank
    FROM gameplay.board_score WHERE board = $1 AND starts_at = $2
) AS ranked
WHERE rank <= $3"""
_IS_ARCHIVED = "UPDATE gameplay.board_window SET archived_at = $3 WHERE board = $1 AND starts_at = $2"


async def lock_due(tx: Tx, board: str, starts_at: datetime) -> bool:
    """Takes a window to archive it; False when it is archived, or somebody else has it."""
    return bool(await tx.fetchval(_LOCK_DUE, board, starts_at))


async def archive(tx: Tx, board: str, starts_at: datetime, *, places_max: int, at: datetime) -> int:
    """Keeps the first places of a window, of each region, in place of those kept before; how many they are.

    Three round trips.
    """
    await tx.execute(_FORGET_RESULTS, board, starts_at)
    kept = await tx.execute(_ARCHIVE, board, starts_at, places_max)
    await tx.execute(_IS_ARCHIVED, board, starts_at, at)
    return int(kept.rpartition(" ")[2])


_LOCK_OLD = """
UPDATE gameplay.board_window SET pruned_at = $2
WHERE (board, starts_at) = (
    SELECT board, starts_at FROM gameplay.board_window
    WHERE archived_at < $1 AND pruned_at IS NULL
    ORDER BY board, starts_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING board, starts_at"""
_PRUNE = "DELETE FROM gameplay.board_score WHERE board = $1 AND starts_at = $2"


async def prune(tx: Tx, *, archived_before: datetime, at: datetime) -> tuple[str, datetime] | None:
    """Drops the scores of one window that was archived so long ago, and gives it; two round trips."""
    row = await tx.fetchrow(_LOCK_OLD, archived_before, at)
    if row is None:
        return None
    await tx.execute("SET LOCAL statement_timeout = 0")
    await tx.execute(_PRUNE, row["board"], row["starts_at"])
    return row["board"], row["starts_at"]


_IS_KEPT = """
SELECT archived_at IS NOT NULL FROM gameplay.board_window WHERE board = $1 AND starts_at = $2"""


async def is_archived(tx: Tx, key: Key) -> bool:
    """Whether the results of a window are kept."""
    return bool(await tx.fetchval(_IS_KEPT, key.board, key.starts_at))


_RESULTS = """
SELECT rank, player_id, score, reached_at FROM gameplay.board_result
WHERE board = $1 AND starts_at = $2 AND region = $3 AND rank > $4::bigint AND rank <= $4::bigint + $5::bigint
ORDER BY rank"""


async def results(tx: Tx, key: Key, *, start: int, count: int) -> list[Placed]:
    """The places that are kept of a window that is over, from `start` (0 is the first) on."""
    rows = await tx.fetch(_RESULTS, key.board, key.starts_at, signed(key.region), start, count)
    return [_placed(row) for row in rows]


_RESULT_OF = """
SELECT rank, player_id, score, reached_at FROM gameplay.board_result
WHERE board = $1 AND starts_at = $2 AND region = $3 AND player_id = $4"""
_RESULTS_COUNT = """
SELECT count(*) FROM gameplay.board_result WHERE board = $1 AND starts_at = $2 AND region = $3"""


async def result_of(tx: Tx, key: Key, player_id: UUID) -> Placed | None:
    """A player's place in a window that is over, if it is kept."""
    row = await tx.fetchrow(_RESULT_OF, key.board, key.starts_at, signed(key.region), player_id)
    return None if row is None else _placed(row)


async def results_count(tx: Tx, key: Key) -> int:
    """How many places are kept of a window that is over."""
    count: int = await tx.fetchval(_RESULTS_COUNT, key.board, key.starts_at, signed(key.region))
    return count


_FORGET = """
DELETE FROM gameplay.board_score WHERE player_id = ANY($1::uuid[]) RETURNING player_id, board, starts_at, region"""
_FORGET_PLACES = """
DELETE FROM gameplay.board_result WHERE player_id = ANY($1::uuid[])"""


async def forget(tx: Tx, player_ids: Collection[UUID]) -> list[tuple[Key, UUID]]:
    """Takes players off every board, also of windows that are over; where they stood. Two round trips."""
    rows = await tx.fetch(_FORGET, list(player_ids))
    await tx.execute(_FORGET_PLACES, list(player_ids))
    return [(Key(row["board"], row["starts_at"], unsigned(row["region"])), row["player_id"]) for row in rows]


_PLAYERS = "SELECT id FROM gameplay.player"
_PRUNED = "SELECT board, starts_at FROM gameplay.board_window WHERE pruned_at IS NOT NULL"


async def players(tx: Tx) -> set[UUID]:
    """Everybody who has ever played."""
    return {row["id"] for row in await tx.fetch(_PLAYERS)}


async def pruned(tx: Tx) -> set[tuple[str, datetime]]:
    """The windows whose scores are gone."""
    return {(row["board"], row["starts_at"]) for row in await tx.fetch(_PRUNED)}


_EVERYTHING = """
DECLARE board_scores NO SCROLL CURSOR FOR
SELECT player_id, board, starts_at, region, score, reached_at FROM gameplay.board_score"""


async def everything(tx: Tx) -> AsyncIterator[tuple[Key, UUID, Score]]:
    """Every score there is; many round trips."""
    await tx.execute(_EVERYTHING)
    while rows := await tx.fetch(f"FETCH {_ROWS_AT_ONCE} FROM board_scores"):
        for row in rows:
            key = Key(row["board"], row["starts_at"], unsigned(row["region"]))
            yield key, row["player_id"], Score(row["score"], to_us(row["reached_at"]))
    await tx.execute("CLOSE board_scores")


_ALL_RESULTS = """
SELECT board, starts_at, rank, player_id, score, reached_at
FROM gameplay.board_window LEFT JOIN gameplay.board_result USING (board, starts_at)
WHERE archived_at IS NOT NULL AND coalesce(region, 0) = 0
ORDER BY board, starts_at, rank"""


async def all_results(tx: Tx) -> dict[Key, list[Placed]]:
    """What is kept of every window of the world that is archived."""
    kept: dict[Key, list[Placed]] = {}
    for row in await tx.fetch(_ALL_RESULTS):
        places = kept.setdefault(Key(row["board"], row["starts_at"]), [])
        if row["rank"] is not None:
            places.append(_placed(row))
    return kept


_CORRECT = """
INSERT INTO gameplay.board_score (player_id, board, starts_at, region, score, reached_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::timestamptz[])
ON CONFLICT (player_id, board, starts_at, region) DO UPDATE
SET score = excluded.score, reached_at = excluded.reached_at"""
_TAKE_AWAY = """
DELETE FROM gameplay.board_score AS had
USING unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::bigint[]) AS gone (player_id, board, starts_at, region)
WHERE had.player_id = gone.player_id AND had.board = gone.board AND had.starts_at = gone.starts_at
  AND had.region = gone.region"""


async def correct(tx: Tx, scores: Sequence[tuple[Key, UUID, Score | None]]) -> None:
    """Makes scores what they should be; None takes one away. Two round trips for some thousand."""
    for start in range(0, len(scores), _ROWS_AT_ONCE):
        part = sorted(scores[start : start + _ROWS_AT_ONCE], key=lambda one: (one[1], one[0]))
        right = [(key, player_id, score) for key, player_id, score in part if score is not None]
        await tx.execute(
            _CORRECT,
            *_names((key, player_id) for key, player_id, _ in right),
            [score.score for _, _, score in right],
            [from_us(score.reached_us) for _, _, score in right],
        )
        await tx.execute(_TAKE_AWAY, *_names((key, player_id) for key, player_id, score in part if score is None))


def _names(rows: Iterable[tuple[Key, UUID]]) -> tuple[list[UUID], list[str], list[datetime], list[int]]:
    named = list(rows)
    return (
        [player_id for _, player_id in named],
        [key.board for key, _ in named],
        [key.starts_at for key, _ in named],
        [signed(key.region) for key, _ in named],
    )


_KEEP = """
INSERT INTO gameplay.board_result (board, starts_at, region, rank, player_id, score, reached_at)
SELECT $1, $2, 0, * FROM unnest($3::integer[], $4::uuid[], $5::bigint[], $6::timestamptz[])"""


async def correct_results(tx: Tx, key: Key, places: Sequence[Placed]) -> None:
    """Keeps these places of a window of the world in place of those that were kept. Two round trips."""
    await tx.execute(_FORGET_RESULTS, key.board, key.starts_at)
    await tx.execute(
        _KEEP,
        key.board,
        key.starts_at,
        [place.rank for place in places],
        [place.player_id for place in places],
        [place.score.score for place in places],
        [from_us(place.score.reached_us) for place in places],
    )


def signed(cell: int) -> int:
    """A cell as PostgreSQL holds it: the same 64 bits."""
    return cell - (1 << 64) if cell >> 63 else cell


def unsigned(bits: int) -> int:
    """The cell of what PostgreSQL holds."""
    return bits & ((1 << 64) - 1)


def _placed(row: Any) -> Placed:
    return Placed(row["rank"], row["player_id"], Score(row["score"], to_us(row["reached_at"])))
