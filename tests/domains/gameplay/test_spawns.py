"""What lies where: the same for everyone with the secret, unknowable without it, and spread as the table says."""

from __future__ import annotations

import math
import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from hashlib import sha256
from types import SimpleNamespace
from uuid import UUID

import pytest
from msgspec import structs

from overworld.domains.gameplay.errors import NotFound
from overworld.domains.gameplay.spawns import COUNT_MAX, Spawns, cells_at, placed_key
from overworld.domains.gameplay.types import Kind, Mode, SpawnTable
from overworld.geo import cells
from overworld.kernel.money import Currency

KEY = b"k" * 32
COIN = Currency("coin")
HOME = cells.cell_of(45.80, 14.36, 15)


def kind(name, value=1):
    return Kind(type=name, value_minor=value, currency=COIN, experience=value, mode=Mode.SHARED)


def table(mean=4.0, weights=(70, 25, 5)):
    kinds = tuple(kind(f"k{i}", 10**i) for i in range(len(weights)))
    return SpawnTable(cell_level=15, window_s=1800, mean_per_cell=mean, kinds=kinds, weights=weights)


def spawns(key=KEY, of=None, cached=100, **options):
    return Spawns(key=key, table=of or table(), cells_cached_max=cached, **options)


def some_cells(count, seed=1):
    draw = random.Random(seed)
    return [cells.cell_of(draw.uniform(-90, 90), draw.uniform(-180, 180), 15) for _ in range(count)]


def busy_cell(source, window=7):
    return next(cell for cell in some_cells(100) if len(source.in_cells([cell], window=window)) > 1)


def test_two_servers_with_one_secret_agree_and_forgetting_changes_nothing():
    """The cache of one cell is thrown out over and over."""
    wanted = some_cells(50)
    assert spawns(cached=1).in_cells(wanted * 2, window=7) == spawns().in_cells(wanted * 2, window=7)


@pytest.mark.parametrize("other", [{"key": b"l" * 32, "window": 7}, {"key": KEY, "window": 8}])
def test_another_secret_or_window_puts_other_things_elsewhere(other):
    wanted = some_cells(50)
    here = {(s.lat_deg, s.lng_deg) for s in spawns().in_cells(wanted, window=7)}
    there = {(s.lat_deg, s.lng_deg) for s in spawns(key=other["key"]).in_cells(wanted, window=other["window"])}
    assert here and there and not here & there


@pytest.mark.slow
def test_counts_are_poisson_and_kinds_follow_their_weights():
    """4,000 cells, seeded: mean and variance within four standard errors of 4, shares likewise."""
    source, wanted = spawns(), some_cells(4000)
    counts = [len(source.in_cells([cell], window=7)) for cell in wanted]
    mean = sum(counts) / len(counts)
    variance = sum((count - mean) ** 2 for count in counts) / (len(counts) - 1)
    assert abs(mean - 4) < 4 * math.sqrt(4 / 4000)
    assert abs(variance - 4) < 4 * math.sqrt((4 + 2 * 16) / 4000)
    found = Counter(spawn.kind.type for spawn in source.in_cells(wanted, window=7))
    for name, share in (("k0", 0.70), ("k1", 0.25), ("k2", 0.05)):
        assert abs(found[name] / found.total() - share) < 4 * math.sqrt(share * (1 - share) / found.total())


def test_everything_lies_in_the_cell_its_id_names_and_fills_it():
    source, wanted = spawns(), some_cells(500)
    for cell in wanted:
        for spawn in source.in_cells([cell], window=7):
            assert cells.cell_of(spawn.lat_deg, spawn.lng_deg, 15) == cell == spawn.cell
    everything = source.in_cells(wanted, window=7)
    quarters = Counter(cells_at(s.cell, 16).index(cells.cell_of(s.lat_deg, s.lng_deg, 16)) for s in everything)
    assert all(0.2 < quarters[i] / quarters.total() < 0.3 for i in range(4))


def test_a_window_starts_where_the_last_one_ends():
    source = spawns()
    [first] = {(s.opens_us, s.closes_us) for s in source.in_cells(some_cells(9), window=7)}
    [second] = {(s.opens_us, s.closes_us) for s in source.in_cells(some_cells(9), window=8)}
    assert first == (7 * 1800 * 10**6, 8 * 1800 * 10**6) and second[0] == first[1]
    assert [source.window_at(us) for us in (first[0] - 1, *first)] == [6, 7, 8]


def test_no_mean_makes_more_than_an_id_can_count():
    crowded = spawns(of=table(mean=64))
    counts = [len(crowded.in_cells([cell], window=7)) for cell in some_cells(300)]
    assert 55 < sum(counts) / len(counts) < 73 and max(counts) <= COUNT_MAX


def test_cells_that_are_not_open_hold_nothing():
    source = spawns(
        of=structs.replace(table(), near_land=True), land=SimpleNamespace(is_near=lambda cell: cell != HOME)
    )
    assert source.in_cells([HOME], window=7) == []
    assert source.in_cells(some_cells(20), window=7)


def test_an_id_leads_back_to_its_collectible():
    source = spawns()
    for spawn in source.in_cells(some_cells(100), window=7):
        assert len(spawn.id) == 32
        assert spawns().find(spawn.id) == spawn


@pytest.mark.parametrize(
    "text",
    ["", "A", "A" * 31, "A" * 32, "A" * 33, "é" * 32, "=" * 32, "A" * 31 + "\n", "A" * 100_000, "../" * 10 + "ab"],
)
def test_what_is_no_id_is_not_found(text):
    with pytest.raises(NotFound):
        spawns().find(text)


def test_every_changed_bit_of_an_id_is_noticed():
    source = spawns()
    raw = urlsafe_b64decode(source.in_cells([busy_cell(source)], window=7)[0].id)
    for bit in range(len(raw) * 8):
        forged = bytearray(raw)
        forged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NotFound):
            source.find(urlsafe_b64encode(forged).decode())


def test_an_id_is_proved_by_being_equal_to_one_made_here(monkeypatch):
    """No HMAC for a cell that is kept; forged ids of it are still held against one, and found out."""
    source = spawns(cached=2)
    first, other, third = [cell for cell in some_cells(100) if source.in_cells([cell], window=7)][:3]
    kept, gone = (source.in_cells([cell], window=7)[0] for cell in (first, other))
    asked: list[bytes] = []
    proof = source._proof

    def noted(key):
        asked.append(key)
        return proof(key)

    monkeypatch.setattr(source, "_proof", noted)
    assert source.find(kept.id) is kept and asked == []
    with pytest.raises(NotFound):
        source.find(kept.id[:-1] + ("A" if kept.id[-1] != "A" else "B"))
    assert asked == [kept.key]
    source.in_cells([first, third], window=7)
    asked.clear()
    assert source.find(gone.id) == gone and gone.key in asked


def test_what_is_kept_by_id_goes_with_its_cell():
    source = spawns(cached=3)
    for cell in some_cells(200):
        source.in_cells([cell], window=7)
    assert len(source._cells) == 3
    assert set(source._known) == {spawn.id for lying in source._cells.values() for spawn in lying}


def test_a_reference_tells_nothing_of_its_id_and_is_for_each_taker_of_a_personal_one():
    """Who holds the id can make the reference of a shared one, as the migration of the books did: by SHA-256."""
    everything = spawns().in_cells(some_cells(100), window=7)
    assert len({spawn.reference for spawn in everything}) == len(everything)
    ann, ben = UUID(int=1), UUID(int=2)
    for spawn in everything[:20]:
        assert spawn.reference.bytes == sha256(spawn.id.encode()).digest()[:16]
        shown = urlsafe_b64decode(spawn.id)
        assert all(spawn.reference.bytes[i : i + 4] not in shown for i in range(13))
        assert spawn.reference_for(ann) == spawn.reference_for(ben) == spawn.reference
        mine = structs.replace(spawn, kind=structs.replace(spawn.kind, mode=Mode.PERSONAL))
        assert len({mine.reference_for(ann), mine.reference_for(ben), mine.reference}) == 3
        assert mine.reference_for(ann) == mine.reference_for(UUID(int=1))


def test_an_id_of_something_placed_that_is_not_known_is_not_found():
    """The MAC alone makes nothing of it."""
    source = spawns()
    known_as, _ = source.named(placed_key(HOME, b"12345"))
    assert source.key_of(known_as) == placed_key(HOME, b"12345")
    with pytest.raises(NotFound):
        source.find(known_as)


def test_an_id_of_another_secret_is_not_found():
    other = spawns(key=b"l" * 32)
    with pytest.raises(NotFound):
        spawns().find(other.in_cells([busy_cell(other)], window=7)[0].id)


def test_an_id_that_the_table_no_longer_gives_is_not_found():
    """The game was changed between looking and claiming: fewer things lie there, or cells have another size."""
    source = spawns()
    last = source.in_cells([busy_cell(source)], window=7)[-1]
    thinner = spawns(of=table(mean=0.000001))
    coarser = spawns(of=SpawnTable(cell_level=14, window_s=1800, mean_per_cell=4, kinds=(kind("a"),), weights=(1,)))
    for changed in (thinner, coarser):
        with pytest.raises(NotFound):
            changed.find(last.id)


@pytest.mark.parametrize("finer", range(5))
def test_the_cells_at_a_finer_level_tile_the_cell(finer):
    inner = cells_at(HOME, 15 + finer)
    assert len(set(inner)) == 4**finer and inner == sorted(inner)
    assert {cells.parent(cell, 15) for cell in inner} == {HOME}
    assert {cells.level_of(cell) for cell in inner} == {15 + finer}


def test_the_cell_at_a_coarser_level_covers_the_cell():
    assert cells_at(HOME, 12) == [cells.parent(HOME, 12)]


def test_very_much_finer_cells_are_refused():
    with pytest.raises(ValueError, match="too fine"):
        cells_at(HOME, 20)


def test_a_table_begins_with_its_window_and_what_spawned_before_is_found_as_it_was():
    before, after = table(), table(weights=(0, 0, 5))
    source, plain = spawns(of=before), spawns(of=before)
    wanted = some_cells(50)
    old = source.in_cells(wanted, window=7)
    source.begin(after, window=8)
    assert source.in_cells(wanted, window=7) == old == plain.in_cells(wanted, window=7)
    assert [source.find(spawn.id) for spawn in old] == old
    new = source.in_cells(wanted, window=8)
    assert {spawn.kind.type for spawn in new} == {"k2"} and new == spawns(of=after).in_cells(wanted, window=8)


def test_of_two_tables_for_one_window_the_last_one_counts():
    source = spawns()
    source.begin(table(weights=(0, 5, 0)), window=8)
    source.begin(table(weights=(5, 0, 0)), window=8)
    wanted = some_cells(50)
    assert {spawn.kind.type for spawn in source.in_cells(wanted, window=9)} == {"k0"}
    assert source.in_cells(wanted, window=7) == spawns().in_cells(wanted, window=7)


def test_cells_and_windows_of_another_size_do_not_begin():
    source = spawns()
    for other in (structs.replace(table(), window_s=900), structs.replace(table(), cell_level=14)):
        with pytest.raises(ValueError, match="stay"):
            source.begin(other, window=8)
    assert source.in_cells(some_cells(20), window=9) == spawns().in_cells(some_cells(20), window=9)
