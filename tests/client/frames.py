"""Frames as a server makes them: kinds 2 and 3 from plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from overworld.kernel import packed


def verdicts(*records: tuple[int, int, int, int]) -> bytes:
    """A frame of (time_us, accepted, reason, tick)."""
    rows = np.array([(at, accepted, reason, 0, tick) for at, accepted, reason, tick in records], packed.VERDICT)
    return packed.HEADER.pack(packed.VERDICTS, packed.VERSION, len(records)) + rows.tobytes()


def section(
    cell: int,
    *,
    number: int = 0,
    flags: int = 0,
    left: Sequence[int] = (),
    entered: Sequence[tuple[int, int, int, int, int, bytes]] = (),
    moved: Sequence[tuple[int, int, int, int, int]] = (),
) -> bytes:
    """A section; records are (id, east, north, heading, speed), with the account behind them in `entered`."""
    head = np.array([(cell, number, flags, len(entered), len(moved), len(left))], packed.SECTION)
    parts = [
        head,
        np.array([(one,) for one in left], packed.LEFT),
        np.array(list(entered), packed.ENTERED),
        np.array(list(moved), packed.MOVED),
    ]
    return b"".join(part.tobytes() for part in parts)


def surroundings(sections: Iterable[bytes], *, clock_ms: int = 0) -> bytes:
    """A frame of kind 3."""
    told = list(sections)
    return packed.SURROUNDINGS_HEADER.pack(packed.SURROUNDINGS, packed.VERSION, len(told), clock_ms) + b"".join(told)
