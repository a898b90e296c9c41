"""Quests in PostgreSQL: sets in, sets out, rows in the order of (player, quest, run)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.quests.types import Assignment, State, Total
from overworld.kernel.ports import Tx

Key = tuple[UUID, str, int]


class Written(Struct, frozen=True, kw_only=True):
    """A definition as it is kept."""

    number: int
    name: str
    rules: bytes
    by_staff: bool
    made_at: datetime


_WRITE = """
INSERT INTO gameplay.quest (name, digest, rules, made_by, made_at)
SELECT name, digest, rules, $4, $5 FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS new (name, digest, rules)
ORDER BY name
ON CONFLICT (name, digest, by_staff) DO UPDATE SET made_at = excluded.made_at
WHERE quest.by_staff
RETURNING number"""
_NUMBERS = """
SELECT number FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS wanted (name, digest, n)
JOIN gameplay.quest USING (name, digest) WHERE by_staff = $3 ORDER BY n"""


async def write(
    tx: Tx,
    definitions: Sequence[tuple[str, bytes, bytes]],
    *,
    made_by: UUID | None,
    at: datetime,
) -> list[int]:
    """Keeps definitions (name, digest, rules) that are not kept yet; gives their numbers, aligned. Two round trips."""
    names, digests = [one[0] for one in definitions], [one[1] for one in definitions]
    await tx.execute(_WRITE, names, digests, [one[2] for one in definitions], made_by, at)
    return [row["number"] for row in await tx.fetch(_NUMBERS, names, digests, made_by is not None)]


_WRITTEN = """
SELECT number, name, rules, by_staff, made_at FROM gameplay.quest
WHERE number <> ALL($1::integer[]) OR by_staff ORDER BY number"""


async def written(tx: Tx, *, beside: Collection[int]) -> list[Written]:
    """The definitions beside those that are known, and all that staff made. One round trip."""
    return [Written(**row) for row in await tx.fetch(_WRITTEN, list(beside))]


_COLUMNS = """
player_id, quest, run, number, state, counts, counts_from, closes_at, made_at, started_at, met_at, ended_at"""
_LOCK_OPEN = f"""
SELECT {_COLUMNS} FROM gameplay.assignment
WHERE player_id = ANY($1::uuid[]) AND state = 1 AND met_at IS NULL
ORDER BY player_id, quest, run
FOR NO KEY UPDATE"""  # noqa: S608


async def lock_open(tx: Tx, player_ids: Sequence[UUID]) -> list[Assignment]:
    """What events may still count for, locked until the transaction ends. One round trip."""
    return [_assignment(row) for row in await tx.fetch(_LOCK_OPEN, player_ids)]


_LOCK_ACTIVE = f"""
SELECT {_COLUMNS} FROM gameplay.assignment
WHERE (player_id, quest) IN (SELECT * FROM unnest($1::uuid[], $2::text[])) AND state = 1
ORDER BY player_id, quest, run
FOR NO KEY UPDATE"""  # noqa: S608


async def lock_active(tx: Tx, wanted: Collection[tuple[UUID, str]]) -> list[Assignment]:
    """What players have in hand of some quests, locked until the transaction ends. One round trip."""
    rows = await tx.fetch(_LOCK_ACTIVE, [one[0] for one in wanted], [one[1] for one in wanted])
    return [_assignment(row) for row in rows]


_NEWEST = f"""
SELECT {_COLUMNS} FROM unnest($1::uuid[], $2::text[]) AS wanted (for_player, of_quest)
CROSS JOIN LATERAL (
    SELECT * FROM gameplay.assignment WHERE player_id = for_player AND quest = of_quest ORDER BY run DESC LIMIT 1
) AS newest"""  # noqa: S608


async def newest(tx: Tx, wanted: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], Assignment]:
    """The last run of quests, where players have any. One round trip."""
    rows = await tx.fetch(_NEWEST, [one[0] for one in wanted], [one[1] for one in wanted])
    return {(row["player_id"], row["quest"]): _assignment(row) for row in rows}


_ACTIVE = f"""
SELECT {_COLUMNS} FROM gameplay.assignment WHERE player_id = $1 AND state = 1 ORDER BY quest, run"""  # noqa: S608


async def active(tx: Tx, player_id: UUID) -> list[Assignment]:
    """Everything that a player has in hand. One round trip."""
    return [_assignment(row) for row in await tx.fetch(_ACTIVE, player_id)]


_EXISTING = """
SELECT player_id, quest, run, state = 1 AND met_at IS NULL AS is_open
FROM unnest($1::uuid[], $2::text[], $3::integer[]) AS wanted (player_id, quest, run)
JOIN gameplay.assignment USING (player_id, quest, run)"""


async def existing(tx: Tx, keys: Collection[Key]) -> dict[Key, bool]:
    """Which runs were begun, and whether events may still count for them. One round trip."""
    rows = await tx.fetch(_EXISTING, [key[0] for key in keys], [key[1] for key in keys], [key[2] for key in keys])
    return {(row["player_id"], row["quest"], row["run"]): row["is_open"] for row in rows}


_COMPLETED = """
SELECT DISTINCT player_id, quest FROM gameplay.assignment
WHERE player_id = ANY($1::uuid[]) AND quest = ANY($2::text[]) AND state = 2"""


async def completed(tx: Tx, player_ids: Collection[UUID], quests: Collection[str]) -> set[tuple[UUID, str]]:
    """Which of some quests players have completed, ever. One round trip."""
    rows = await tx.fetch(_COMPLETED, list(player_ids), list(quests))
    return {(row["player_id"], row["quest"]) for row in rows}


_HISTORY = f"""
SELECT {_COLUMNS} FROM gameplay.assignment
WHERE player_id = $1 AND quest = $2 AND run < $3 ORDER BY run DESC LIMIT $4"""  # noqa: S608


async def history(tx: Tx, player_id: UUID, quest: str, *, before_run: int, limit: int) -> list[Assignment]:
    """A player's runs of a quest, newest first. One round trip."""
    return [_assignment(row) for row in await tx.fetch(_HISTORY, player_id, quest, before_run, limit)]


_BEGIN = """
WITH made AS (
    INSERT INTO gameplay.assignment (player_id, quest, run, number, shared, state, counts, counts_from, closes_at,
        made_at, started_at, met_at)
    SELECT player_id, quest, run, number, shared, 1, counts::bigint[], counts_from, closes_at, made_at,
        started_at, met_at
    FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::integer[], $5::boolean[], $6::text[], $7::timestamptz[],
        $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[])
        AS new (player_id, quest, run, number, shared, counts, counts_from, closes_at, made_at, started_at, met_at)
    ORDER BY player_id, quest, run
    ON CONFLICT (player_id, quest, run) DO NOTHING
    RETURNING player_id, quest, run
)
SELECT * FROM made"""


async def begin(tx: Tx, new: Sequence[tuple[Assignment, bool]]) -> set[Key]:
    """Writes runs that begin, each with whether it is shared; gives the keys of those nobody else had begun."""
    ones = [one for one, _ in new]
    rows = await tx.fetch(
        _BEGIN,
        [one.player_id for one in ones],
        [one.quest for one in ones],
        [one.run for one in ones],
        [one.number for one in ones],
        [shared for _, shared in new],
        [_array(one.counts) for one in ones],
        [one.counts_from for one in ones],
        [one.closes_at for one in ones],
        [one.made_at for one in ones],
        [one.started_at for one in ones],
        [one.met_at for one in ones],
    )
    return {(row["player_id"], row["quest"], row["run"]) for row in rows}


_COUNT = """
UPDATE gameplay.assignment SET counts = new.counts::bigint[], met_at = new.met_at
FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::timestamptz[])
    AS new (player_id, quest, run, counts, met_at)
WHERE (assignment.player_id, assignment.quest, assignment.run) = (new.player_id, new.quest, new.run)"""


async def count(tx: Tx, changed: Sequence[Assignment]) -> None:
    """Writes counts, and which are met; the caller holds the locks. One round trip."""
    await tx.execute(
        _COUNT,
        [one.player_id for one in changed],
        [one.quest for one in changed],
        [one.run for one in changed],
        [_array(one.counts) for one in changed],
        [one.met_at for one in changed],
    )


_END = """
UPDATE gameplay.assignment SET state = $4, ended_at = $5, met_at = coalesce(assignment.met_at, new.met_at)
FROM unnest($1::uuid[], $2::text[], $3::integer[], $6::timestamptz[]) AS new (player_id, quest, run, met_at)
WHERE (assignment.player_id, assignment.quest, assignment.run) = (new.player_id, new.quest, new.run)"""


async def end(tx: Tx, ended: Sequence[Assignment], *, state: State, at: datetime) -> None:
    """Ends runs whose locks the caller holds. One round trip."""
    await tx.execute(
        _END,
        [one.player_id for one in ended],
        [one.quest for one in ended],
        [one.run for one in ended],
        state,
        at,
        [one.met_at for one in ended],
    )


_LOCK_TOTALS = """
SELECT number, run, counts, met_at FROM gameplay.quest_total
WHERE (number, run) IN (SELECT * FROM unnest($1::integer[], $2::integer[]))
ORDER BY number, run FOR NO KEY UPDATE"""
_MAKE_TOTALS = """
INSERT INTO gameplay.quest_total (number, run, counts)
SELECT number, run, array_fill(0::bigint, ARRAY[size])
FROM unnest($1::integer[], $2::integer[], $3::integer[]) AS new (number, run, size) ORDER BY number, run
ON CONFLICT (number, run) DO NOTHING"""


async def lock_totals(tx: Tx, wanted: Sequence[tuple[int, int, int]]) -> dict[tuple[int, int], Total]:
    """The totals of runs, made where missing with so many counts, locked until the transaction ends.

    One round trip; two more where some are missing.
    """
    numbers, runs = [one[0] for one in wanted], [one[1] for one in wanted]
    rows = await tx.fetch(_LOCK_TOTALS, numbers, runs)
    if len(rows) < len(wanted):
        await tx.execute(_MAKE_TOTALS, numbers, runs, [one[2] for one in wanted])
        rows = await tx.fetch(_LOCK_TOTALS, numbers, runs)
    return {(row["number"], row["run"]): _total(row) for row in rows}


_TOTALS = """
SELECT number, run, counts, met_at FROM gameplay.quest_total
WHERE (number, run) IN (SELECT * FROM unnest($1::integer[], $2::integer[]))"""


async def totals(tx: Tx, wanted: Collection[tuple[int, int]]) -> dict[tuple[int, int], Total]:
    """The totals of runs as they are; absent where nobody has done anything. One round trip."""
    rows = await tx.fetch(_TOTALS, [one[0] for one in wanted], [one[1] for one in wanted])
    return {(row["number"], row["run"]): _total(row) for row in rows}


_ADD_UP = """
UPDATE gameplay.quest_total SET counts = new.counts::bigint[], met_at = new.met_at
FROM unnest($1::integer[], $2::integer[], $3::text[], $4::timestamptz[]) AS new (number, run, counts, met_at)
WHERE (quest_total.number, quest_total.run) = (new.number, new.run)"""


async def add_up(tx: Tx, changed: Sequence[Total]) -> None:
    """Writes totals whose locks the caller holds. One round trip."""
    await tx.execute(
        _ADD_UP,
        [one.number for one in changed],
        [one.run for one in changed],
        [_array(one.counts) for one in changed],
        [one.met_at for one in changed],
    )


_FAIL_DUE = f"""
WITH due AS (
    SELECT player_id, quest, run FROM gameplay.assignment AS one
    WHERE state = 1 AND met_at IS NULL AND closes_at <= $1
      AND NOT (shared AND EXISTS (SELECT FROM gameplay.quest_total AS total
          WHERE (total.number, total.run) = (one.number, one.run) AND total.met_at IS NOT NULL))
    ORDER BY player_id, quest, run LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE gameplay.assignment SET state = 3, ended_at = $2 FROM due
WHERE (assignment.player_id, assignment.quest, assignment.run) = (due.player_id, due.quest, due.run)
RETURNING {_COLUMNS.replace("player_id, quest, run", "due.player_id, due.quest, due.run")}"""  # noqa: S608


async def fail_due(tx: Tx, *, closed_by: datetime, at: datetime, limit: int) -> list[Assignment]:
    """Ends what was not met when its time was up; rows that somebody holds are left for the next time."""
    return [_assignment(row) for row in await tx.fetch(_FAIL_DUE, closed_by, at, limit)]


_UNTOLD = """
SELECT number, run, counts, met_at FROM gameplay.quest_total
WHERE met_at IS NOT NULL AND NOT told ORDER BY number, run LIMIT 1"""
_TELL = f"""
WITH those AS (
    SELECT player_id, quest, run FROM gameplay.assignment
    WHERE number = $1 AND run = $2 AND shared AND state = 1 AND met_at IS NULL
    ORDER BY player_id, quest, run LIMIT $5 FOR NO KEY UPDATE
)
UPDATE gameplay.assignment
SET met_at = CASE WHEN 0 < ANY (counts) THEN $3::timestamptz END,
    state = CASE WHEN 0 < ANY (counts) THEN 1 ELSE 3 END,
    ended_at = CASE WHEN 0 < ANY (counts) THEN NULL ELSE $4::timestamptz END
FROM those
WHERE (assignment.player_id, assignment.quest, assignment.run) = (those.player_id, those.quest, those.run)
RETURNING {_COLUMNS.replace("player_id, quest, run", "those.player_id, those.quest, those.run")}"""  # noqa: S608
_TOLD = "UPDATE gameplay.quest_total SET told = true WHERE number = $1 AND run = $2"


async def tell_met(tx: Tx, *, at: datetime, limit: int) -> tuple[Total, list[Assignment]] | None:
    """Marks a run that all have met together as met for up to `limit` of its contributors.

    Who had begun it and has done nothing has failed. None when there is nobody to tell. Up to three round trips.
    """
    row = await tx.fetchrow(_UNTOLD)
    if row is None:
        return None
    total = _total(row)
    rows = await tx.fetch(_TELL, total.number, total.run, total.met_at, at, limit)
    if len(rows) < limit:
        await tx.execute(_TOLD, total.number, total.run)
    return total, [_assignment(row) for row in rows]


def _assignment(row: Any) -> Assignment:
    return Assignment(**(dict(row) | {"state": State(row["state"]), "counts": tuple(row["counts"])}))


def _total(row: Any) -> Total:
    return Total(number=row["number"], run=row["run"], counts=tuple(row["counts"]), met_at=row["met_at"])


def _array(counts: Sequence[int]) -> str:
    return f"{{{','.join(map(str, counts))}}}"
