"""Collectibles, computed: what lies in a cell during a window follows from a secret, so nothing is stored until taken.

An id is base64url of 24 bytes, always 32 characters:

    kind u8 = 1 | cell u64 | window u32 | index u8 | MAC 10 bytes      (big-endian): it spawned
    kind u8 = 2 | cell u64 |        number 5 bytes | MAC 10 bytes: it was placed

The first 14 bytes are the collectible's key, as collections store it. The MAC is HMAC-SHA-256 cut to 80 bits: the
only way to test a guess is to ask this server, and 10,000 guesses a second for a year hit one id in 2**80 with
probability 3e-13, so ids of windows to come, and of places nobody has looked at, cannot be made up. The first 16
bytes of the SHA-256 of an id are the collectible's reference in the ledger: who holds the id can find it there again.
Source: HMAC truncation, RFC 2104 section 5 and NIST SP 800-107r1 section 5.3.
"""

from __future__ import annotations

import hmac
import math
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable
from itertools import accumulate
from uuid import UUID

from overworld.domains.gameplay.biomes import Biomes
from overworld.domains.gameplay.errors import NotFound
from overworld.domains.gameplay.land import Land
from overworld.domains.gameplay.placed import Placed
from overworld.domains.gameplay.types import BiomeTable, Spawn, SpawnTable, reference_of
from overworld.geo import cells
from overworld.kernel.chance import KeyedStream, keyed_digest

COUNT_MAX = 255
KEY_BYTES = 14
_KIND_COMPUTED = 1
_KIND_PLACED = 2
_KEY = struct.Struct(">BQIB")
_PLACED_KEY = struct.Struct(">BQ5s")
NUMBER_BYTES = 5
_MAC_BYTES = 10
_ID = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)
_FINER_MAX = 4
_PERIODS_MAX = 16


class Period:
    """A spawn table that is in force from one window on, until the table of a later period is."""

    def __init__(self, table: SpawnTable, *, key: bytes, land: Land | None, first_window: int) -> None:
        self.table = table
        self.first_window = first_window
        self._land = land if table.near_land else None
        self._biomes = Biomes(key=key, tables=table.biomes, land=land)
        # The last of each is that of places in no biome: they are asked for by -1.
        here: list[SpawnTable | BiomeTable] = [*table.biomes, table]
        self._count_up_to = [_poisson_cumulative(one.mean_per_cell) for one in here]
        self._weight_up_to = [tuple(accumulate(one.weights)) for one in here]

    def at(self, cell: int) -> tuple[tuple[float, ...], tuple[int, ...]] | None:
        """How many spawn in a cell, and of which weight, both added up; None where nothing does."""
        if self._land and not self._land.is_near(cell):
            return None
        place = self._biomes.at(cell)
        weight_up_to = self._weight_up_to[place]
        return (self._count_up_to[place], weight_up_to) if weight_up_to[-1] else None


class Spawns:
    """What lies where, for one secret and the tables of a game. Pure: equal inputs give equal collectibles everywhere.

    A table is in force until another begins; what spawned under it can still be found, by the window in its id. Where
    a table says `near_land`, nothing spawns off `land`. The cells last asked for are kept, at most `cells_cached_max`.
    What is in `placed` is found too.
    """

    def __init__(
        self,
        *,
        key: bytes,
        table: SpawnTable,
        cells_cached_max: int,
        land: Land | None = None,
        placed: Placed | None = None,
    ) -> None:
        self._key = key
        self._land = land
        self.cell_level = table.cell_level
        """The S2 level of the cells that collectibles are computed for."""
        self._window_us = table.window_s * 1_000_000
        self._place_key = keyed_digest(key, b"gameplay.spawns")
        self._id_key = keyed_digest(key, b"gameplay.ids")
        self._cells_cached_max = cells_cached_max
        self._cells: OrderedDict[tuple[int, int], tuple[Spawn, ...]] = OrderedDict()
        self._known: dict[str, Spawn] = {}
        self.placed = Placed(cell_level=table.cell_level) if placed is None else placed
        """What was placed, as far as this server knows."""
        self._periods: tuple[Period, ...] = (Period(table, key=key, land=land, first_window=0),)

    @property
    def mean_per_cell(self) -> float:
        """How many collectibles a cell has on average, where they lie closest."""
        table = self._periods[-1].table
        return max([table.mean_per_cell, *(one.mean_per_cell for one in table.biomes)])

    def begin(self, table: SpawnTable, *, window: int) -> None:
        """Lets a table be in force from a window on, instead of those that were to begin then or later.

        Raises: ValueError for a table with other cells or windows: ids would mean other things.
        """
        if (table.cell_level, table.window_s * 1_000_000) != (self.cell_level, self._window_us):
            raise ValueError("cells and windows stay as long as a server runs")
        before = [one for one in self._periods if one.first_window < window]
        self._periods = (
            *before[-_PERIODS_MAX + 1 :],
            Period(table, key=self._key, land=self._land, first_window=window if before else 0),
        )
        self._cells.clear()
        self._known.clear()

    def window_at(self, at_us: int) -> int:
        """The number of the window that is open at an instant."""
        return at_us // self._window_us

    def _period_of(self, window: int) -> Period:
        found = (one for one in reversed(self._periods) if one.first_window <= window)
        return next(found, self._periods[0])

    def in_cells(self, wanted: Iterable[int], *, window: int) -> list[Spawn]:
        """Everything that spawns in some cells of the spawn level during a window, taken or not."""
        return [spawn for cell in wanted for spawn in self._in_cell(cell, window)]

    def open_in(self, wanted: Iterable[int], *, at_us: int) -> list[Spawn]:
        """Everything that spawned or was placed in some cells of the spawn level and is open at an instant."""
        window = at_us // self._window_us
        lying: list[Spawn] = []
        for cell in wanted:
            lying += self._in_cell(cell, window)
            lying += self.placed.open_in(cell, at_us=at_us)
        return lying

    def find(self, id: str) -> Spawn:
        """The collectible of an id; of a window of any time, also one to come.

        Raises: NotFound for a text that is no id, for a forged id, and for one that the table no longer gives.
        """
        # An id that equals one made here needs no other proof, and nearly every id is of a cell that is kept.
        known = self._known.get(id) or self.placed.find(id)
        if known is not None:
            return known
        key = self.key_of(id)
        if is_placed(key):
            raise NotFound
        cell, window, index = (int(number) for number in _KEY.unpack(key)[1:])
        if cells.is_valid(cell) and cells.level_of(cell) == self.cell_level:
            spawned = self._in_cell(cell, window)
            if index < len(spawned):
                return spawned[index]
        raise NotFound

    def key_of(self, id: str) -> bytes:
        """The key in an id that was made with this secret, whether or not there is such a collectible.

        Raises: NotFound.
        """
        if not _ID.fullmatch(id):
            raise NotFound
        raw = urlsafe_b64decode(id)
        key, mac = raw[:KEY_BYTES], raw[KEY_BYTES:]
        if not hmac.compare_digest(mac, self._proof(key)[:_MAC_BYTES]):
            raise NotFound
        return key

    def placed_key_of(self, id: str) -> bytes | None:
        """The key of an id of something placed, whether or not it is known here; None for any other text."""
        try:
            key = self.key_of(id)
        except NotFound:
            return None
        return key if is_placed(key) else None

    def named(self, key: bytes) -> tuple[str, UUID]:
        """The id and the reference of a key."""
        known_as = urlsafe_b64encode(key + self._proof(key)[:_MAC_BYTES])
        return known_as.decode(), reference_of(known_as)

    def _proof(self, key: bytes) -> bytes:
        return hmac.digest(self._id_key, key, "sha256")

    def _in_cell(self, cell: int, window: int) -> tuple[Spawn, ...]:
        place = (cell, window)
        kept = self._cells.get(place)
        if kept is not None:
            self._cells.move_to_end(place)
            return kept
        if len(self._cells) >= self._cells_cached_max:
            for spawn in self._cells.popitem(last=False)[1]:
                del self._known[spawn.id]
        computed = self._cells[place] = self._computed(cell, window)
        for spawn in computed:
            self._known[spawn.id] = spawn
        return computed

    def _computed(self, cell: int, window: int) -> tuple[Spawn, ...]:
        period = self._period_of(window)
        drawn_by = period.at(cell)
        if drawn_by is None:
            return ()
        count_up_to, weight_up_to = drawn_by
        stream = KeyedStream(self._place_key, cell.to_bytes(8, "big"), window.to_bytes(4, "big"))
        drawn: list[Spawn] = []
        for index in range(bisect_right(count_up_to, stream.uniform())):
            kind_i = bisect_right(weight_up_to, stream.below(weight_up_to[-1]))
            lat_deg, lng_deg = cells.uniform_point_in(cell, stream.uniform(), stream.uniform())
            key = _KEY.pack(_KIND_COMPUTED, cell, window, index)
            known_as, reference = self.named(key)
            drawn.append(
                Spawn(
                    id=known_as,
                    key=key,
                    reference=reference,
                    kind=period.table.kinds[kind_i],
                    cell=cell,
                    lat_deg=lat_deg,
                    lng_deg=lng_deg,
                    opens_us=window * self._window_us,
                    closes_us=(window + 1) * self._window_us,
                )
            )
        return tuple(drawn)


def placed_key(cell: int, number: bytes) -> bytes:
    """The key of a placed collectible: its spawn cell and 5 bytes that tell it from the others there."""
    return _PLACED_KEY.pack(_KIND_PLACED, cell, number)


def is_placed(key: bytes) -> bool:
    """Whether a key is of a placed collectible."""
    return key[0] == _KIND_PLACED


def cell_in(key: bytes) -> int:
    """The spawn cell that a key names."""
    return int.from_bytes(key[1:9], "big")


def cells_at(cell: int, level: int) -> list[int]:
    """The cells of a level that a cell covers, or the one that covers it; in id order.

    Raises: ValueError when `level` is more than four levels finer, which would be over 256 cells.
    """
    finer = level - cells.level_of(cell)
    if finer <= 0:
        return [cells.parent(cell, level)]
    if finer > _FINER_MAX:
        raise ValueError(f"level {level} is too fine for a cell of level {cells.level_of(cell)}")
    size = cell & -cell
    step = size >> (2 * finer)
    return list(range(cell - size + step, cell + size, 2 * step))


def _poisson_cumulative(mean: float) -> tuple[float, ...]:
    """P(count <= k) for k = 0 ... COUNT_MAX - 1; a uniform draw's place in it is a Poisson count, at most COUNT_MAX.

    Source: inversion, L. Devroye, Non-Uniform Random Variate Generation (1986), section X.3.
    """
    terms = [math.exp(-mean)]
    for count in range(1, COUNT_MAX):
        terms.append(terms[-1] * mean / count)
    return tuple(accumulate(terms))
