"""Packed frames: fixes to bytes, and the server's verdicts and surroundings from bytes. `docs/protocol.md` tells them.

The layouts are those of `overworld.kernel.packed`. What comes from a server is never trusted: a frame that is not
exactly what it says it is raises Malformed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from msgspec import UNSET, Struct, UnsetType

from overworld.client.errors import Malformed
from overworld.client.messages import Fix, FixVerdict
from overworld.geo import cells
from overworld.kernel import packed
from overworld.kernel.clock import from_us, to_us

Records = np.ndarray[tuple[int], np.dtype[np.void]]

REASONS = (
    None,
    "too_fast",
    "too_accelerated",
    "teleport",
    "time_order",
    "time_future",
    "time_stale",
    "inaccurate",
    "out_of_range",
    "mock",
    "altitude",
)
"""Why a fix was refused, by the number in a packed verdict."""

_COUNT_MAX = 128
_KNOWN_MAX = packed.UNKNOWN - 1
_E7 = 1e7
_E7_MAX = 2**31 - 1
_TURN_DEG = 360.0
_FLAGS_KNOWN = packed.SECTION_WHOLE | packed.SECTION_GONE
# An offset in a cell of a coarser level could lead farther from its centre than the planet is wide.
_LEVEL_MIN = 2


class Section(Struct, frozen=True, eq=False):
    """What changed in one cell; `left` is a column of ids, the others are records of `kernel.packed`."""

    cell: int
    number: int
    is_whole: bool
    is_gone: bool
    left: np.ndarray[tuple[int], np.dtype[np.uint32]]
    entered: Records
    moved: Records


class SurroundingsFrame(Struct, frozen=True, eq=False):
    """A frame of kind 3. `clock_ms` is the server's clock, modulo 2**32."""

    clock_ms: int
    sections: tuple[Section, ...]


def kind_of(payload: bytes) -> int | None:
    """The kind of a packed frame, known here or not; None for a binary frame that is a MessagePack message."""
    return payload[0] if payload and 0 < payload[0] <= packed.KIND_MAX else None


def encode_fixes(fixes: Sequence[Fix], *, ack: bool = False) -> bytes:
    """A frame of fixes in the order of their times; `ack` asks for the verdicts also when they are accepted.

    Of a fix it leaves out the altitude, for which there is no room, and accuracies above 6.5 km or speeds above
    655 m/s become those. Raises: ValueError for no fixes or too many, and for numbers that no place on Earth has.
    """
    records = np.zeros(len(fixes), packed.POSITION)
    flags = packed.FLAG_ACK if ack else 0
    for i, fix in enumerate(fixes):
        records[i] = (
            to_us(fix.timestamp),
            _e7(fix.lat),
            _e7(fix.lng),
            _scaled(fix.accuracy_m, 10.0),
            _scaled(fix.speed_m_s, 100.0),
            _heading(fix.heading_deg),
            flags | (packed.FLAG_MOCK if fix.mock is True else 0),
        )
    return encode_records(records)


def encode_records(records: Records) -> bytes:
    """A frame of fixes that are columns already: an array of `kernel.packed.POSITION`, (n,).

    Raises: ValueError for no records or too many, or records of another kind.
    """
    if records.dtype != packed.POSITION or records.ndim != 1:
        raise ValueError(f"not records of fixes: {records.dtype}, {records.shape}")
    if not 0 < len(records) <= _COUNT_MAX:
        raise ValueError(f"a frame holds 1 to {_COUNT_MAX} fixes, not {len(records)}")
    return packed.HEADER.pack(packed.POSITIONS, packed.VERSION, len(records)) + records.tobytes()


def decode_verdicts(payload: bytes) -> list[FixVerdict]:
    """The verdicts in a frame of kind 2. Raises: Malformed."""
    reader = _Reader(payload)
    count = reader.header(packed.HEADER, packed.VERDICTS)[0]
    records = reader.records(packed.VERDICT, count)
    reader.end()
    return [_verdict(*record) for record in records.tolist()]


def decode_surroundings(payload: bytes) -> SurroundingsFrame:
    """The sections of a frame of kind 3. Raises: Malformed."""
    reader = _Reader(payload)
    count, clock_ms = reader.header(packed.SURROUNDINGS_HEADER, packed.SURROUNDINGS)
    sections = tuple(_section(reader) for _ in range(count))
    reader.end()
    return SurroundingsFrame(clock_ms, sections)


class _Reader:
    """Goes through a frame and never past its end."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    def header(self, layout: Any, kind: int) -> tuple[int, ...]:
        """What a header says after its kind and version."""
        if len(self._payload) < layout.size:
            raise Malformed(f"a frame of {len(self._payload)} bytes has no header of {layout.size}")
        found, version, *more = layout.unpack_from(self._payload)
        if (found, version) != (kind, packed.VERSION):
            raise Malformed(f"kind {found} version {version} is not kind {kind} version {packed.VERSION}")
        self._at = layout.size
        return tuple(more)

    def records(self, layout: np.dtype[np.void], count: int) -> Records:
        """The next records, read-only and without a copy."""
        end = self._at + count * layout.itemsize
        if end > len(self._payload):
            raise Malformed(f"{count} records would end at byte {end} of {len(self._payload)}")
        found = np.frombuffer(self._payload, layout, count, self._at)
        self._at = end
        return found

    def end(self) -> None:
        """Says that this was all."""
        if self._at != len(self._payload):
            raise Malformed(f"{len(self._payload) - self._at} bytes more than the frame says")


def _section(reader: _Reader) -> Section:
    cell, number, flags, entered, moved, left = reader.records(packed.SECTION, 1).tolist()[0]
    if not cells.is_valid(cell) or cells.level_of(cell) < _LEVEL_MIN:
        raise Malformed(f"{cell:#x} is no cell that players are in")
    if flags & ~_FLAGS_KNOWN:
        raise Malformed(f"a section with unknown flags {flags:#x}")
    return Section(
        cell=cell,
        number=number,
        is_whole=bool(flags & packed.SECTION_WHOLE),
        is_gone=bool(flags & packed.SECTION_GONE),
        left=reader.records(packed.LEFT, left)["id"],
        entered=reader.records(packed.ENTERED, entered),
        moved=reader.records(packed.MOVED, moved),
    )


def _verdict(time_us: int, accepted: int, reason: int, _spare: int, tick: int) -> FixVerdict:
    if accepted > 1 or (accepted == 1) != (reason == 0):
        raise Malformed(f"a verdict with accepted {accepted} and reason {reason}")
    name = REASONS[reason] if reason < len(REASONS) else f"reason_{reason}"
    return FixVerdict(at=_instant(time_us), accepted=accepted == 1, reason=name, tick=tick)


def _instant(time_us: int) -> datetime:
    try:
        return from_us(time_us)
    except OverflowError:
        raise Malformed(f"{time_us} us is no time") from None


def _e7(degrees: float) -> int:
    if not abs(degrees * _E7) <= _E7_MAX:
        raise ValueError(f"no place on Earth is at {degrees} degrees")
    return round(degrees * _E7)


def _scaled(value: float | UnsetType | None, scale: float) -> int:
    if value is UNSET or value is None:
        return packed.UNKNOWN
    if not value >= 0:
        raise ValueError(f"neither an accuracy nor a speed is {value}")
    return min(round(min(value, _KNOWN_MAX) * scale), _KNOWN_MAX)


def _heading(degrees: float | UnsetType) -> int:
    if degrees is UNSET:
        return packed.UNKNOWN
    if not math.isfinite(degrees):
        raise ValueError(f"no heading is {degrees} degrees")
    return round(degrees % _TURN_DEG * 100) % 36_000
