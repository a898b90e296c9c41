"""A player who is erased is nowhere any more, whatever is killed meanwhile, and everybody else is as before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from overworld.platform.columns import erasing, sealing
from overworld.platform.columns.archive import Archive, Objects
from overworld.platform.columns.events import NOBODY, PLATFORM
from overworld.platform.columns.keeping import Keeping
from overworld.platform.columns.store import Columns

from .conftest import SINCE, count, made, reopened

pytestmark = pytest.mark.slow
_TABLES = ("event", "presence", "newcomer")
_HASH = "($player::UHUGEINT >> 64)::UBIGINT"


def players_of(batches: Sequence[pa.RecordBatch]) -> list[bytes]:
    """Those with events, the ones with most of them first."""
    counted = pa.Table.from_batches(batches)["player"].drop_null().value_counts().to_pylist()
    return [one["values"] for one in sorted(counted, key=lambda one: (-one["counts"], one["values"]))]


def spread(*, events: int = 6_000) -> list[pa.RecordBatch]:
    """Events of every sixth of 45 days, the last one among them, in two hours of each: what costs is each file."""
    hour = pa.scalar(3_600_000_000)
    found = []
    for batch in made(events, days=45, players=300):
        hours = pc.divide(pc.cast(batch["at"], pa.int64()), hour)
        rest = pc.subtract(hours, pc.multiply(pc.divide(hours, 144), 144))
        found.append(batch.filter(pc.or_(pc.equal(rest, 72), pc.equal(rest, 84))))
    return [batch for batch in found if batch.num_rows]


def naming(batches: Sequence[pa.RecordBatch], player: bytes) -> list[pa.RecordBatch]:
    """The batches, the first event of each being one of the platform's that names the player as a receiver."""
    named = []
    for batch in batches:
        properties = batch["properties"].to_pylist()
        properties[0] = json.dumps({"to_id": player.hex(), "amount": 3})
        sources = batch["source"].cast(pa.string()).to_pylist()
        sources[0] = PLATFORM
        players = batch["player"].to_pylist()
        players[0] = b"\x01" * 16
        for name, values in (("properties", properties), ("source", sources), ("player", players)):
            field = batch.schema.field(name)
            batch = batch.set_column(  # noqa: PLW2901
                batch.schema.get_field_index(name),
                field,
                pa.array(values, pa.string()).dictionary_encode().cast(field.type)
                if pa.types.is_dictionary(field.type)
                else pa.array(values, field.type),
            )
        named.append(batch)
    return named


def alone_at_first(batches: Sequence[pa.RecordBatch], player: bytes) -> list[pa.RecordBatch]:
    """The batches without what others did on the player's first day: of its file nothing will be left."""
    first = min(
        pc.min(batch["at"].filter(pc.equal(batch["player"], player))).as_py() or batch["at"][-1].as_py()
        for batch in batches
    )
    begin = first.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    for batch in batches:
        on_day = pc.and_(pc.greater_equal(batch["at"], begin), pc.less(batch["at"], begin + timedelta(days=1)))
        theirs = pc.fill_null(pc.equal(batch["player"], player), False)
        found.append(batch.filter(pc.or_(theirs, pc.invert(on_day))))
    return found


async def traces(columns: Columns, player: bytes, *, blobs: Path) -> list[str]:
    """Where anything of a player is left."""
    who = UUID(bytes=player)
    values = {"player": who, "pattern": player.hex()}
    where = "WHERE player = $player OR contains(properties, $pattern) LIMIT 1"
    asked: dict[str, tuple[str, Any]] = {
        **{table: (f"FROM {table} WHERE player = $player LIMIT 1", {"player": who}) for table in _TABLES},
        "events": (f"SELECT event_id FROM {{events}} {where}", values),  # noqa: S608
        **{
            f"rollup_{span}": (f"FROM rollup_{span} WHERE list_contains(sketch, {_HASH}) LIMIT 1", {"player": who})
            for span in ("hour", "day")
        },
    }
    found = [place for place, (sql, given) in asked.items() if (await columns.read(sql, given)).num_rows]
    for path in _files([columns.folder / "events", blobs]):
        sql = f"SELECT event_id FROM read_parquet($path) {where}"  # noqa: S608
        if path.suffix == ".parquet":
            is_there = (await columns.read(sql, {**values, "path": str(path)})).num_rows > 0
        else:
            is_there = player in path.read_bytes()
        found += [str(path)] if is_there else []
    return found


def _files(folders: Sequence[Path]) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


async def of_others(columns: Columns, player: bytes) -> list[Any]:
    """What everybody else did."""
    sql = "SELECT event_id, name, value, player FROM {events} WHERE player IS DISTINCT FROM $player ORDER BY event_id"
    found: list[Any] = (await columns.read(sql, {"player": UUID(bytes=player)})).to_pylist()
    return found


async def rolled(columns: Columns) -> list[Any]:
    sql = "SELECT since, name, dimension, key, count, players, total FROM rollup_day ORDER BY ALL"
    found: list[Any] = (await columns.read(sql)).to_pylist()
    return found


async def finished(columns: Columns, keeping: Keeping, clock: Any) -> None:
    await keeping.keep()
    clock.advance(timedelta(minutes=6))
    await keeping.keep()


async def test_nothing_of_a_player_is_left_and_nothing_of_others_is_lost(columns, clock, keeping_of, tmp_path):
    """Hot rows, hours, compressed days, and days that left this machine, in one store."""
    batches = spread(events=24_000)
    last = [batch.filter(pc.greater(batch["at"], pa.scalar(SINCE + timedelta(days=44)))) for batch in batches]
    player = next(one for one in players_of(batches) if one in players_of(last))
    keeping = keeping_of(columns)
    await columns.append(naming(batches, player), place="a", at=1)
    clock.advance(timedelta(days=44))
    await keeping.keep()
    clock.advance(timedelta(minutes=6))
    await keeping.keep()
    assert {"hour", "day"} == set((await columns.read("SELECT span FROM file"))["span"].to_pylist())
    before, counts = await of_others(columns, player), await rolled(columns)
    places = await traces(columns, player, blobs=tmp_path / "blobs")
    assert {"event", "presence", "newcomer", "rollup_hour", "rollup_day"} <= set(places)
    assert any("blobs" in place for place in places)
    assert any("columns/events" in place for place in places)
    await columns.erase([player], at=clock.now())
    assert await columns.erased() == set()
    await finished(columns, keeping, clock)
    assert await traces(columns, player, blobs=tmp_path / "blobs") == []
    assert await columns.erased() == {player}
    assert await of_others(columns, player) == before
    assert await rolled(columns) == counts


async def test_who_was_erased_does_not_come_back_until_that_is_forgotten(columns, clock, keeping_of):
    batches = made(1_000, players=20)
    player = players_of(batches)[0]
    await columns.erase([player], at=clock.now())
    await columns.append(naming(batches, player), place="a", at=1)
    theirs = sum(batch["player"].to_pylist().count(player) for batch in naming(batches, player))
    assert (await count(columns), columns.figures.counts["kept_out"]) == (1_000 - theirs, theirs)
    named = await columns.read(
        "SELECT properties FROM {events} WHERE source = 'platform' AND contains(properties, $x)", {"x": NOBODY}
    )
    assert named.num_rows > 0
    await finished(columns, keeping_of(columns), clock)
    await columns.forget_erased(before=clock.now() + timedelta(seconds=1))
    await columns.append(made(1_000, players=20, seed=3), place="a", at=2)
    assert await columns.erased() == set()


async def test_a_file_of_which_nothing_is_left_is_gone(columns, clock, keeping_of, tmp_path):
    everything = spread()
    player = players_of(everything)[0]
    batches = [batch.filter(pc.equal(batch["player"], player)) for batch in everything]
    keeping = keeping_of(columns)
    await columns.append(batches, place="a", at=1)
    clock.advance(timedelta(days=44))
    await keeping.keep()
    await columns.erase([player], at=clock.now())
    await finished(columns, keeping, clock)
    assert await traces(columns, player, blobs=tmp_path / "blobs") == []
    assert await columns.erased() == {player}


async def test_sketches_tell_as_many_players_as_before_also_when_more_come(columns, clock, keeping_of):
    """Full sketches and small ones; what comes later is merged with them."""
    batches = made(20_000, players=9_000, rows=4_000)
    keeping = keeping_of(columns)
    await columns.append(batches[:4], place="a", at=1)
    await keeping.roll()
    before = await rolled(columns)
    await columns.erase(players_of(batches[:4])[:2_000], at=clock.now())
    await keeping.keep()
    assert await rolled(columns) == before
    await columns.append(batches[4:], place="a", at=2)
    await keeping.roll()
    [row] = (await columns.read("SELECT players FROM rollup_day WHERE name = '' AND dimension = ''")).to_pylist()
    assert row["players"] == pytest.approx(len(players_of(batches)), rel=0.16)


class Killed(Exception):
    """Stands for the end of the process."""


STEPS = [
    (erasing, "from_tables"),
    (erasing, "files_with"),
    (erasing, "write"),
    (sealing, "count_rest"),
    (Archive, "keep_up"),
    (Archive, "erase"),
    (Objects, "put"),
    (Objects, "delete"),
    (erasing, "mark"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name"), STEPS, ids=[name for _, name in STEPS])
async def test_an_erasure_that_was_killed_anywhere_is_finished_after_a_restart(  # noqa: PLR0917  # fixtures
    tmp_path, clock, keeping_of, monkeypatch, owner, name, after
):
    """Killed before or after each step, with the store opened anew: others are as before, then the player is gone."""
    batches = spread()
    player = players_of(batches)[0]
    async with reopened(tmp_path / "c") as columns:
        await columns.append(alone_at_first(naming(batches, player), player), place="a", at=1)
        clock.advance(timedelta(days=44, hours=12))
        await keeping_of(columns).keep()
        before = await of_others(columns, player)
        await columns.erase([player], at=clock.now())
        real = getattr(owner, name)
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, _dying(real, after=after))
            with pytest.raises(Killed):
                await finished(columns, keeping_of(columns), clock)
        assert await of_others(columns, player) == before
    async with reopened(tmp_path / "c") as columns:
        assert await of_others(columns, player) == before
        await finished(columns, keeping_of(columns), clock)
        assert await traces(columns, player, blobs=tmp_path / "blobs") == []
        assert await columns.erased() == {player}
        assert await of_others(columns, player) == before
        archived = list((tmp_path / "blobs").rglob("*.parquet"))
        found = await columns.read(
            "SELECT count(*) AS n, count(DISTINCT event_id) AS ids FROM read_parquet($paths)",
            {"paths": [str(path) for path in archived]},
        )
        [row] = found.to_pylist()
        assert row["n"] == row["ids"]


def _dying(real: Any, *, after: bool) -> Any:
    def sync(*given: Any, **named: Any) -> Any:
        if after:
            found = real(*given, **named)
            if hasattr(found, "__await__"):
                return _then_die(found)
        raise Killed

    return sync


async def _then_die(found: Any) -> None:
    await found
    raise Killed


def test_names_of_what_is_left_are_made_from_names():
    assert erasing.next_name("events/2026-06-01/05-17.parquet") == "events/2026-06-01/05-17-e1.parquet"
    assert erasing.next_name("events/2026-06-01/05-17-e9.parquet") == "events/2026-06-01/05-17-e10.parquet"
