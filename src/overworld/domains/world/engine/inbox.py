"""The inbox of the verdict pass: how fixes wait in it, and the kernels that read them and write their verdicts.

    entry   a head and `count` records; a multiple of 8 bytes long, so that every field lies aligned
    head    u32 slot, u32 generation, u32 reporter; then the four bytes that begin a packed frame: u8 kind, u8 version,
            u16 count
    record  of kind 1 as the client packed it (24 bytes, `kernel.packed`); of kind 0 one with the precision of JSON

A reporter is a number for whoever gets verdict frames; 0 is somebody who waits for the verdict on a single fix.
"""
# ruff: noqa: PLR0917 - kernels call each other by position, and offsets are counted in words

from __future__ import annotations

import math
import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from overworld.domains.world.engine.verdicts import GONE
from overworld.domains.world.rules import ACK, FIX, MOCK, OWN_TIMELINE
from overworld.geo.columns import F32, F64, I32, I64, U16, U32
from overworld.geo.compiled import inner_kernel, kernel
from overworld.kernel import packed
from overworld.kernel.clock import FIRST_US, LAST_US

SINGLE = 0
NOBODY = 0
REPORTERS_MAX = 2**31
_OWN_TIMELINE_BIT = 31

_HEAD = struct.Struct("<III")
_SINGLE = struct.Struct("<IIIBBHqddffffII")
_HEAD_WORDS, _POSITION_WORDS, _SINGLE_WORDS = 4, packed.POSITION.itemsize // 4, 12
_VERDICT_WORDS = packed.VERDICT.itemsize // 4
_UNKNOWN = packed.UNKNOWN
_FLAG_MOCK, _FLAG_ACK = packed.FLAG_MOCK, packed.FLAG_ACK
_VERDICTS_HEAD = packed.VERDICTS | packed.VERSION << 8


def head(*, slot: int, generation: int, reporter: int, own_timeline: bool) -> bytes:
    """What goes before each packed frame of a reporter."""
    return _HEAD.pack(slot, generation, reporter | own_timeline << _OWN_TIMELINE_BIT)


def single(
    *,
    slot: int,
    generation: int,
    time_us: int,
    lat_deg: float,
    lng_deg: float,
    accuracy_m: float | None,
    altitude_m: float | None,
    speed_m_s: float | None,
    heading_deg: float | None,
    flags: int,
) -> bytes:
    """The entry of one fix whose verdict somebody waits for."""
    return _SINGLE.pack(
        slot, generation, NOBODY, SINGLE, 0, 1, time_us, lat_deg, lng_deg,
        math.nan if accuracy_m is None else accuracy_m,
        math.nan if altitude_m is None else altitude_m,
        math.nan if speed_m_s is None else speed_m_s,
        math.nan if heading_deg is None else heading_deg,
        flags, 0,
    )  # fmt: skip


class Views(NamedTuple):
    """The bytes of an inbox, seen as each type that its fields have."""

    u16: U16
    u32: U32
    i32: I32
    i64: I64
    f32: F32
    f64: F64


def read(inbox: bytearray, *, count: int) -> NDArray[Any]:
    """The fixes in an inbox, in order, as rows of `FIX`, (count,)."""
    fix = np.empty(count, FIX)
    seen = np.frombuffer(inbox, np.uint8)
    views = Views(
        seen.view(np.uint16),
        seen.view(np.uint32),
        seen.view(np.int32),
        seen.view(np.int64),
        seen.view(np.float32),
        seen.view(np.float64),
    )
    unpack(views, fix)
    return fix


@kernel
def unpack(views: Views, fix: NDArray[Any]) -> None:
    """Writes every fix of every entry. A time that no calendar has is taken to its first or last instant."""
    at = row = entry = 0
    while row < fix.size:
        slot, generation = views.u32[at], views.u32[at + 1]
        reporter, begin = int(views.u32[at + 2]), int(views.u32[at + 3])
        own_timeline = OWN_TIMELINE * (reporter >> _OWN_TIMELINE_BIT)
        at += _HEAD_WORDS
        for _ in range(begin >> 16):
            one = fix[row]
            one.slot, one.generation, one.entry = slot, generation, entry
            one.reporter = reporter & (REPORTERS_MAX - 1)
            if begin & 255 == SINGLE:
                unpack_single(views, at, one)
                at += _SINGLE_WORDS
            else:
                unpack_position(views, at, one)
                one.flags |= own_timeline
                at += _POSITION_WORDS
            one.time_us = min(max(one.time_us, FIRST_US), LAST_US)
            row += 1
        entry += 1


@inner_kernel
def unpack_single(views: Views, at: int, fix: Any) -> None:
    fix.time_us = views.i64[at >> 1]
    fix.lat_deg, fix.lng_deg = views.f64[(at >> 1) + 1], views.f64[(at >> 1) + 2]
    fix.accuracy_m, fix.altitude_m = views.f32[at + 6], views.f32[at + 7]
    fix.speed_m_s, fix.heading_deg = views.f32[at + 8], views.f32[at + 9]
    fix.flags = views.u32[at + 10]


@inner_kernel
def unpack_position(views: Views, at: int, fix: Any) -> None:
    fix.time_us = views.i64[at >> 1]
    fix.lat_deg, fix.lng_deg = views.i32[at + 2] * 1e-7, views.i32[at + 3] * 1e-7
    accuracy, speed = int(views.u16[2 * at + 8]), int(views.u16[2 * at + 9])
    heading, flags = int(views.u16[2 * at + 10]), int(views.u16[2 * at + 11])
    fix.accuracy_m = math.nan if accuracy == _UNKNOWN else accuracy * 0.1
    fix.altitude_m = math.nan
    fix.speed_m_s = math.nan if speed == _UNKNOWN else speed * 0.01
    fix.heading_deg = math.nan if heading == _UNKNOWN else heading * 0.01
    fix.flags = MOCK * ((flags & _FLAG_MOCK) != 0) + ACK * ((flags & _FLAG_ACK) != 0)


class VerdictFrames:
    """Ready frames of kind 2, one after the other, and whose they are. The columns are used again by every pass."""

    def __init__(self) -> None:
        self._word: U32 = np.empty(0, np.uint32)
        self._reporter: U32 = np.empty(0, np.uint32)
        self._start: I64 = np.empty(1, np.int64)

    def fill(self, fix: NDArray[Any], judged: NDArray[Any], *, tick: int) -> list[tuple[int, bytes]]:
        """Reporters with what each is told, a frame for every frame of theirs with a refusal or an ack asked for."""
        if self._reporter.size < fix.size:
            room = max(1_024, 2 * self._reporter.size, fix.size)
            self._word = np.empty(room * (_VERDICT_WORDS + 1), np.uint32)
            self._reporter, self._start = np.empty(room, np.uint32), np.empty(room + 1, np.int64)
        count = fill_verdicts(fix, judged, tick, self._word, self._reporter, self._start)
        if count == 0:
            return []
        starts = self._start[: count + 1].tolist()
        told = self._word[: starts[-1] >> 2].tobytes()
        return [
            (reporter, told[start:end])
            for reporter, start, end in zip(self._reporter[:count].tolist(), starts[:-1], starts[1:], strict=True)
        ]


@kernel
def fill_verdicts(
    fix: NDArray[Any], judged: NDArray[Any], tick: int, word: U32, reporter: U32, start: I64
) -> int:  # fmt: skip
    """Writes the frames side by side; gives how many. `start` has their first bytes, and where the last one ends."""
    frames = at = row = 0
    while row < fix.size:
        entry, head_at, told = fix[row].entry, at, 0
        at += 1
        while row < fix.size and fix[row].entry == entry:
            one, reason = fix[row], int(judged[row].reason)
            if one.reporter != NOBODY and reason != GONE and (reason != 0 or one.flags & ACK):
                word[at] = one.time_us & 0xFFFFFFFF
                word[at + 1] = (one.time_us >> 32) & 0xFFFFFFFF
                word[at + 2] = (1 if reason == 0 else 0) | reason << 8
                word[at + 3] = tick & 0xFFFFFFFF
                at += _VERDICT_WORDS
                told += 1
            row += 1
        if told == 0:
            at = head_at
            continue
        word[head_at] = _VERDICTS_HEAD | told << 16
        reporter[frames] = fix[row - 1].reporter
        start[frames] = 4 * head_at
        frames += 1
    start[frames] = 4 * at
    return frames


ALL = (unpack, unpack_single, unpack_position, fill_verdicts)
