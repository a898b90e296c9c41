"""The tree as it is kept: tiles of 256 hashes side by side, one row of tiles for every eighth height.

Tile (level, number) holds the hashes of the perfect subtrees of height 8 * level whose numbers begin at 256 * number.
A tile that is full never changes; the last of each level grows. Those last ones, the edge, are all that appending
needs; whatever lies between two levels is hashed again from a tile when a proof asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from overworld.domains.ledger.audit.hashing import beside, hash_rows, rows_of
from overworld.domains.ledger.audit.merkle import EMPTY_ROOT, HASH_BYTES, Perfect, Span, perfect_parts, root_of

WIDTH = 256
LEVEL_HEIGHT = 8
TILE_BYTES = WIDTH * HASH_BYTES

TileId = tuple[int, int]
"""The level of a tile, and its number in the level."""


class Edge:
    """The right edge of a tree of `size` leaves: what has to be known to append to it."""

    def __init__(self, size: int = 0, tiles: Mapping[TileId, bytes] | None = None) -> None:
        """`tiles` holds the tiles that `edge_of(size)` names. Raises: ValueError when they are not those."""
        self.size = size
        self._last = [tiles[tile] if tiles else b"" for tile in edge_of(size)]
        for (level, _), last in zip(edge_of(size), self._last, strict=True):
            if len(last) != (size >> LEVEL_HEIGHT * level) % WIDTH * HASH_BYTES:
                raise ValueError(f"the last tile of level {level} is not that of a tree of {size} leaves")

    def append(self, leaf_hashes: bytes) -> dict[TileId, bytes]:
        """Appends leaves by their hashes, one behind the other; gives every tile that this changes, as it is then."""
        changed: dict[TileId, bytes] = {}
        new, level, number = leaf_hashes, 0, self.size // WIDTH
        while new:
            if level == len(self._last):
                self._last.append(b"")
            waiting = self._last[level] + new
            full = len(waiting) // TILE_BYTES
            for place in range(full):
                changed[level, number + place] = waiting[place * TILE_BYTES : (place + 1) * TILE_BYTES]
            self._last[level] = last = waiting[full * TILE_BYTES :]
            if last:
                changed[level, number + full] = last
            new, level, number = _roots(waiting[: full * TILE_BYTES]), level + 1, number // WIDTH
        self.size += len(leaf_hashes) // HASH_BYTES
        return changed

    def root(self) -> bytes:
        """The root of the whole tree."""
        found: list[bytes] = []
        for last in self._last:
            hashes = [last[at : at + HASH_BYTES] for at in range(0, len(last), HASH_BYTES)] + found
            found = [root_of(hashes)] if hashes else []
        return found[0] if found else EMPTY_ROOT


def edge_of(size: int) -> list[TileId]:
    """The last tile of each level of a tree, the empty ones included, which are kept nowhere."""
    levels = max(1, -(-size.bit_length() // LEVEL_HEIGHT))
    return [(level, size >> LEVEL_HEIGHT * (level + 1)) for level in range(levels)]


def kept_edge_of(size: int) -> list[TileId]:
    """Those of `edge_of` that hold anything."""
    return [(level, number) for level, number in edge_of(size) if (size >> LEVEL_HEIGHT * level) % WIDTH]


def tiles_of(spans: Iterable[Span]) -> set[TileId]:
    """The tiles that the hashes of these spans are made from."""
    return {_place(height, number)[0] for span in spans for height, number in perfect_parts(span)}


def perfect_in(tiles: Mapping[TileId, bytes]) -> Perfect:
    """Hashes of perfect subtrees out of tiles, which may hold more of the tree than is asked for.

    Asking for one that these tiles do not hold raises KeyError or ValueError.
    """

    def perfect(height: int, number: int) -> bytes:
        tile, first, count = _place(height, number)
        held = tiles[tile][first * HASH_BYTES : (first + count) * HASH_BYTES]
        if len(held) < count * HASH_BYTES:
            raise ValueError(f"tile {tile} ends before hash {first + count}")
        return root_of([held[at : at + HASH_BYTES] for at in range(0, len(held), HASH_BYTES)])

    return perfect


def _place(height: int, number: int) -> tuple[TileId, int, int]:
    """Where the hashes of a perfect subtree lie: the tile, the first hash in it, and how many."""
    level, above = divmod(height, LEVEL_HEIGHT)
    number <<= above
    return (level, number // WIDTH), number % WIDTH, 1 << above


def _roots(tiles: bytes) -> bytes:
    """The root of each of the full tiles, one behind the other."""
    hashes = tiles
    for _ in range(LEVEL_HEIGHT if tiles else 0):
        hashes = hash_rows(beside(b"\x01", rows_of(hashes, 2 * HASH_BYTES))).tobytes()
    return hashes
