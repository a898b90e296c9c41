"""The tree in tiles: appending in any portions gives one tree, and proofs come out of its tiles alone."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overworld.domains.ledger.audit import merkle, tiles
from overworld.domains.ledger.audit.tiles import TILE_BYTES, Edge

HASHES = [sha256(number.to_bytes(4, "big")).digest() for number in range(70_000)]


def grown(sizes: list[int]) -> tuple[Edge, dict[tuple[int, int], bytes]]:
    """A tree that was appended to until it had each of these sizes, and its tiles."""
    edge, kept = Edge(), {}
    for size in sizes:
        kept.update(edge.append(b"".join(HASHES[edge.size : size])))
    return edge, kept


@given(st.lists(st.integers(0, 1500), min_size=1, max_size=6).map(sorted))
@settings(max_examples=40)
def test_a_tree_does_not_depend_on_the_portions_it_was_appended_in(sizes):
    edge, kept = grown(sizes)
    at_once, same = grown([sizes[-1]])

    assert edge.root() == at_once.root() == merkle.root_of(HASHES[: sizes[-1]])
    assert kept == same


@given(st.lists(st.integers(0, 1500), min_size=2, max_size=4).map(sorted))
@settings(max_examples=40)
def test_an_edge_is_taken_up_again_from_the_last_tiles(sizes):
    edge, kept = grown(sizes[:-1])
    held = {tile: kept.get(tile, b"") for tile in tiles.edge_of(edge.size)}

    again = Edge(edge.size, held)
    again.append(b"".join(HASHES[edge.size : sizes[-1]]))

    assert set(tiles.kept_edge_of(edge.size)) == {tile for tile, data in held.items() if data}
    assert again.root() == merkle.root_of(HASHES[: sizes[-1]])


def test_a_full_tile_never_changes():
    edge, kept = grown([1000])
    full = {tile: data for tile, data in kept.items() if len(data) == TILE_BYTES}

    changed = edge.append(b"".join(HASHES[1000:3000]))

    assert set(full) == {(0, 0), (0, 1), (0, 2)}
    assert full.keys().isdisjoint(changed)
    assert set(changed) == {(0, number) for number in range(3, 12)} | {(1, 0)}


def test_an_edge_of_another_size_is_refused():
    edge, kept = grown([300])

    with pytest.raises(ValueError, match="level 0"):
        Edge(301, {tile: kept.get(tile, b"") for tile in tiles.edge_of(300)})
    assert edge.size == 300


@pytest.mark.parametrize("size", [65_536, 65_537, 70_000])
def test_a_tree_of_three_levels_is_the_tree_of_its_leaves(size):
    edge, kept = grown([30_000, size])

    assert edge.root() == merkle.root_of(HASHES[:size])
    assert (2, 0) in kept


@given(st.data(), st.integers(1, 3000))
@settings(max_examples=50)
def test_a_proof_at_any_size_comes_out_of_the_tiles_of_a_larger_tree(data, size):
    """And reads only the tiles that it says it needs."""
    index = data.draw(st.integers(0, size - 1))
    _, kept = grown([3000])
    spans = merkle.inclusion_spans(index, size)
    held = {tile: kept[tile] for tile in tiles.tiles_of(spans)}

    proof = merkle.path(spans, tiles.perfect_in(held))

    root = merkle.root_of(HASHES[:size])
    assert merkle.included(HASHES[index], index=index, size=size, proof=proof, root=root)
    assert len(held) <= 4


@given(st.data(), st.integers(1, 3000))
@settings(max_examples=50)
def test_consistency_comes_out_of_the_tiles_too(data, new):
    old = data.draw(st.integers(1, new))
    _, kept = grown([3000])
    spans = merkle.consistency_spans(old, new)

    proof = merkle.path(spans, tiles.perfect_in({tile: kept[tile] for tile in tiles.tiles_of(spans)}))

    roots = {"from_root": merkle.root_of(HASHES[:old]), "to_root": merkle.root_of(HASHES[:new])}
    assert merkle.consistent(from_size=old, to_size=new, proof=proof, **roots)


def test_hashes_that_a_tile_does_not_hold_yet_are_not_made_up():
    _, kept = grown([300])

    with pytest.raises(ValueError, match="ends before"):
        tiles.perfect_in(kept)(0, 300)
    with pytest.raises(KeyError):
        tiles.perfect_in(kept)(0, 512)
