"""Avro of events turned into the JSON of their envelopes, many at once and without an object for each value.

Source: Apache Avro 1.12 specification, "Binary encoding".
"""

# ruff: noqa: PLR0911, PLR0912, PLR0917, PLR2004 - kernels call each other by position; a case for each kind of step

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from overworld.geo.compiled import inlined_kernel, threaded_kernel
from overworld.kernel.events import Envelope
from overworld.platform.avro.bytesteps import (
    CUT,
    ESCAPED_BYTES_MAX,
    FULL,
    INSTANT_BYTES_MAX,
    KEPT_BYTES_MAX,
    WRONG,
    is_id,
    put_bytes,
    put_instant,
    put_text,
    varint,
)
from overworld.platform.avro.decimals import NUMBER_BYTES_MAX, U64, powers_of_ten, real, whole
from overworld.platform.avro.errors import BadFrame
from overworld.platform.avro.programs import HEAD, I64, U8, Making, Program, Step, event_of
from overworld.platform.avro.schema import Schema

_json = msgspec.json.Encoder().encode
_envelopes = msgspec.json.Decoder(list[Envelope]).decode

_ID_BYTES = 36
_REST = -16

_END, _TEXT, _STRING, _ID, _LONG, _DOUBLE = (
    int(step) for step in (Step.END, Step.TEXT, Step.STRING, Step.ID, Step.LONG, Step.DOUBLE)
)
_BOOLEAN, _INSTANT, _ENUM, _OPTION = (int(step) for step in (Step.BOOLEAN, Step.INSTANT, Step.ENUM, Step.OPTION))
_BEGIN, _NEXT, _AGAIN = int(Step.BEGIN), int(Step.NEXT), int(Step.AGAIN)


class Reader:
    """Reads what was written with one schema. Not for several threads at once. Raises: Unsteady."""

    def __init__(self, topic: str, schema: Schema) -> None:
        self._topic = topic
        self._program = _program(topic, schema)
        self._powers = powers_of_ten()
        self._out = np.empty(1 << 16, dtype=np.uint8)

    def read(self, frames: Sequence[bytes], *, start: int) -> list[Envelope | BadFrame]:
        """The events of frames whose Avro begins at `start`, (n,), or why they are none."""
        ends = np.cumsum(np.fromiter(map(len, frames), dtype=np.int64, count=len(frames)))
        wrong = np.zeros(len(frames), dtype=np.int64)
        said = self._said(np.frombuffer(b"".join(frames) or b"\0", dtype=np.uint8), ends, wrong, start)
        events = _envelopes(said)
        if len(events) == len(frames):
            return list(events)
        rest = iter(events)
        return [BadFrame(self._reason(why)) if why else next(rest) for why in wrong.tolist()]

    def _said(self, raw: U8, ends: I64, wrong: I64, start: int) -> bytes:
        program = self._program
        room = program.text_bytes_max + INSTANT_BYTES_MAX + NUMBER_BYTES_MAX
        while True:
            filled = _read(
                raw,
                ends,
                start,
                program.steps,
                program.texts,
                program.words,
                program.left,
                self._powers,
                room,
                self._out,
                wrong,
            )
            if filled != FULL:
                said = self._out[:filled].tobytes()
                if len(self._out) > KEPT_BYTES_MAX:
                    self._out = np.empty(KEPT_BYTES_MAX, dtype=np.uint8)
                return said
            self._out = np.empty(2 * len(self._out), dtype=np.uint8)
            wrong[:] = 0

    def _reason(self, why: int) -> str:
        if why <= _REST:
            return f"{_REST - why} bytes follow an event of {self._topic}"
        return f"these bytes are no event of {self._topic}" + (": they are cut off" if why == CUT else "")


def _program(topic: str, schema: Schema) -> Program:
    event = event_of(schema)
    making = _Reading()
    making.text(raw=b'{"topic":' + _json(topic) + b',"id":')
    making.plain(Step.ID)
    for field in HEAD[1:]:
        making.text(raw=b"," + _json(field["name"]) + b":")
        making.value(field["type"])
    making.text(raw=b',"data":')
    making.value(event)
    making.text(raw=b"}")
    return making.made()


class _Reading(Making):
    """Steps from Avro to JSON."""

    def record(self, fields: list[Any]) -> int:
        length, between = 0, b"{"
        for field in fields:
            self.text(raw=between + _json(field["name"]) + b":")
            length += self.value(field["type"])
            between = b","
        self.text(raw=b"}" if fields else b"{}")
        return length

    def symbol(self, symbol: str) -> bytes:
        return _json(symbol)


@threaded_kernel
def _read(
    raw: U8,
    ends: I64,
    start: int,
    steps: I64,
    texts: U8,
    words: I64,
    left: I64,
    powers: U64,
    room: int,
    out: U8,
    wrong: I64,
) -> int:
    """Writes a JSON list of the envelopes; gives its length, or `FULL`. What is no event is left out and marked."""
    out[0] = 91  # [
    o, first = 1, True
    for n in range(len(ends)):
        begin = o
        if not first:
            out[o] = 44
            o += 1
        here = ends[n - 1] if n else 0
        o = _event(raw, here + start, ends[n], steps, texts, words, left, powers, room, out, o)
        if o == FULL:
            return FULL
        if o < 0:
            wrong[n], o = o, begin
        else:
            first = False
    out[o] = 93  # ]
    return o + 1


@inlined_kernel
def _event(
    raw: U8,
    i: int,
    end: int,
    steps: I64,
    texts: U8,
    words: I64,
    left: I64,
    powers: U64,
    room: int,
    out: U8,
    o: int,
) -> int:
    """Writes one envelope behind what is there; gives where the next byte goes, or why it goes nowhere."""
    here, depth = 0, -1
    while i >= 0:
        if len(out) - o < room:
            return FULL
        what, first, second = steps[here, 0], steps[here, 1], steps[here, 2]
        here += 1
        if what == _TEXT:
            o = put_bytes(texts[first : first + second], out, o)
        elif what == _STRING:
            i, o = _text(raw, i, end, room, out, o)
        elif what < _OPTION:
            if what == _END:
                return o if i == end else _REST - (end - i)
            i, o = _plain(what, first, second, raw, i, end, texts, words, powers, out, o)
        elif what == _AGAIN:
            here = first
        elif what == _OPTION:
            branch, i = varint(raw, i, end)
            if branch == first:
                o, here = _null(out, o), second
            elif branch != 1 - first:
                return WRONG
        elif what == _BEGIN:
            depth += 1
            left[depth] = 0
            out[o] = 123 if first else 91
            o += 1
        else:
            i, o, is_over = _next(raw, i, end, left, depth, second, room, out, o)
            if is_over:
                here = first
                depth -= 1
    return i


@inlined_kernel
def _next(
    raw: U8, i: int, end: int, left: I64, depth: int, is_map: int, room: int, out: U8, o: int
) -> tuple[int, int, bool]:
    """The next item of a list or a map begins: where to go on reading and writing, and whether there is none."""
    if left[depth] == 0:
        count, i = varint(raw, i, end)
        if i < 0:
            return i, o, False
        if count < 0:
            count = -count
            _bytes, i = varint(raw, i, end)
            if i < 0 or count < 0:
                return min(i, WRONG), o, False
        if count == 0:
            out[o] = 125 if is_map else 93
            return i, o + 1, True
        left[depth] = count
    left[depth] -= 1
    if out[o - 1] not in (123, 91):
        out[o] = 44
        o += 1
    if is_map:
        i, o = _text(raw, i, end, room, out, o)
        if i >= 0:
            out[o] = 58
            o += 1
    return i, o, False


@inlined_kernel
def _plain(
    what: int, first: int, second: int, raw: U8, i: int, end: int, texts: U8, words: I64, powers: U64, out: U8, o: int
) -> tuple[int, int]:
    """A value of a fixed length, or a number: where to go on reading and writing."""
    if what == _DOUBLE:
        if end - i < 8:
            return CUT, o
        return i + 8, real(out, o, _bits(raw, i), powers)
    if what == _BOOLEAN:
        if i >= end:
            return CUT, o
        value = int(raw[i])
        if value > 1:
            return WRONG, o
        return i + 1, _truth(out, o, value)
    number, i = varint(raw, i, end)
    if i < 0:
        return i, o
    if what == _LONG:
        return i, whole(out, o, number)
    if what == _INSTANT:
        o = put_instant(out, o, number)
        return (WRONG, 0) if o < 0 else (i, o)
    if what == _ENUM:
        if not 0 <= number < second:
            return WRONG, o
        word, length = words[first + number, 0], words[first + number, 1]
        return i, put_bytes(texts[word : word + length], out, o)
    if number != _ID_BYTES or end - i < _ID_BYTES or not is_id(raw, i):
        return WRONG, o
    return i + _ID_BYTES, put_text(raw, i, i + _ID_BYTES, out, o)


@inlined_kernel
def _text(raw: U8, i: int, end: int, room: int, out: U8, o: int) -> tuple[int, int]:
    """A string: where to go on reading and writing."""
    length, i = varint(raw, i, end)
    if i < 0:
        return i, o
    if length < 0:
        return WRONG, o
    if length > end - i:
        return CUT, o
    if len(out) - o < ESCAPED_BYTES_MAX * length + room:
        return FULL, o
    o = put_text(raw, i, i + length, out, o)
    return (WRONG, 0) if o < 0 else (i + length, o)


@inlined_kernel
def _bits(raw: U8, i: int) -> np.uint64:
    """Eight bytes as a number, the lowest first."""
    bits = np.uint64(0)
    for k in range(8):
        bits |= np.uint64(raw[i + k]) << np.uint64(8 * k)
    return bits


@inlined_kernel
def _null(out: U8, o: int) -> int:
    out[o], out[o + 1], out[o + 2], out[o + 3] = 110, 117, 108, 108
    return o + 4


@inlined_kernel
def _truth(out: U8, o: int, value: int) -> int:
    if value:
        out[o], out[o + 1], out[o + 2], out[o + 3] = 116, 114, 117, 101
        return o + 4
    out[o], out[o + 1], out[o + 2], out[o + 3], out[o + 4] = 102, 97, 108, 115, 101
    return o + 5
