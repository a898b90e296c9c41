"""The JSON of events turned into Avro, many at once: msgspec reads it, typed, and writes MessagePack for a kernel.

Source: Apache Avro 1.12 specification, "Binary encoding"; MessagePack specification, "Formats".
"""

# ruff: noqa: PLR0912, PLR0917, PLR2004 - kernels call each other by position; a case for each kind of step

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from overworld.geo.compiled import inlined_kernel, inner_kernel, threaded_kernel
from overworld.kernel.events import Envelope
from overworld.platform.avro.bytesteps import CUT, FULL, KEPT_BYTES_MAX, WRONG, put_bytes, put_varint
from overworld.platform.avro.json_shape import shape_of
from overworld.platform.avro.programs import HEAD, I64, U8, Making, Program, Step, event_of
from overworld.platform.avro.schema import Schema

_packed = msgspec.msgpack.Encoder().encode

_VALUE_BYTES_MAX = 16
_SECOND_US = 1_000_000

_END, _TEXT, _SKIP, _STRING, _LONG, _DOUBLE = (
    int(step) for step in (Step.END, Step.TEXT, Step.SKIP, Step.STRING, Step.LONG, Step.DOUBLE)
)
_BOOLEAN, _INSTANT, _ENUM, _OPTION = (int(step) for step in (Step.BOOLEAN, Step.INSTANT, Step.ENUM, Step.OPTION))
_BEGIN, _NEXT, _AGAIN = int(Step.BEGIN), int(Step.NEXT), int(Step.AGAIN)
_NIL = 0xC0


class Writer:
    """Writes events of one schema, `head` before each. Not for several threads at once. Raises: Unsteady."""

    def __init__(self, schema: Schema, *, head: bytes) -> None:
        event = event_of(schema)
        self._program = _program(head, event)
        self._typed = msgspec.json.Decoder(shape_of(event)).decode
        self._out = np.empty(1 << 16, dtype=np.uint8)

    def write(self, envelopes: Sequence[Envelope]) -> list[bytes]:
        """The bytes of each event, (n,).

        Raises: msgspec.ValidationError for a damaged event; OverflowError for a number of more than 64 bits;
        TypeError for a time without a zone.
        """
        typed = self._typed
        said = [(one.id, one.at, one.key, one.game, typed(one.data)) for one in envelopes]
        raw = np.frombuffer(_packed(said), dtype=np.uint8)
        ends = np.zeros(len(said) + 1, dtype=np.int64)
        program = self._program
        while True:
            filled = _write(
                raw,
                program.steps,
                program.texts,
                program.words,
                program.left,
                program.text_bytes_max + _VALUE_BYTES_MAX,
                self._out,
                ends,
            )
            if filled >= 0:
                break
            if filled == WRONG:
                raise OverflowError(f"an event of {envelopes[0].topic} has a number of more than 64 bits")
            if filled == CUT:
                raise TypeError(f"an event of {envelopes[0].topic} has a time without a zone")
            self._out = np.empty(2 * len(self._out), dtype=np.uint8)
        out = self._out[:filled].tobytes()
        if len(self._out) > KEPT_BYTES_MAX:
            self._out = np.empty(KEPT_BYTES_MAX, dtype=np.uint8)
        return [out[begin:end] for begin, end in pairwise(ends.tolist())]


def _program(head: bytes, event: Schema) -> Program:
    making = _Writing()
    making.text(raw=head)
    making.skip(1)
    for field in HEAD:
        making.value(field["type"])
    making.value(event)
    return making.made()


class _Writing(Making):
    """Steps from MessagePack, as msgspec writes what `shape_of` made, to Avro."""

    def record(self, fields: list[Any]) -> int:
        self.skip(_map_head_bytes(len(fields)))
        length = 0
        for field in fields:
            self.skip(len(_packed(field["name"])))
            length += self.value(field["type"])
        return length

    def symbol(self, symbol: str) -> bytes:
        return symbol.encode()


def _map_head_bytes(count: int) -> int:
    return len(_packed(dict.fromkeys(range(count)))) - sum(len(_packed(number)) + 1 for number in range(count))


@threaded_kernel
def _write(raw: U8, steps: I64, texts: U8, words: I64, left: I64, room: int, out: U8, ends: I64) -> int:
    """Writes a list of events behind one another, `ends` apart; gives their length, or why they are not written."""
    _events, i = _count(raw, 0)
    o = 0
    for n in range(1, len(ends)):
        i, o = _event(raw, i, steps, texts, words, left, room, out, o)
        if i < 0:
            return i
        ends[n] = o
    return o


@inner_kernel
def _event(
    raw: U8, i: int, steps: I64, texts: U8, words: I64, left: I64, room: int, out: U8, o: int
) -> tuple[int, int]:
    """Writes one event: where to go on reading and writing; why it cannot be, in place of the first."""
    here, depth = 0, -1
    while i >= 0:
        if len(out) - o < room:
            return FULL, o
        what, first, second = steps[here, 0], steps[here, 1], steps[here, 2]
        here += 1
        if what == _SKIP:
            i += first
        elif what == _STRING:
            i, o = _text(raw, i, room, out, o)
        elif what < _OPTION:
            if what == _END:
                return i, o
            if what == _TEXT:
                o = put_bytes(texts[first : first + second], out, o)
            else:
                i, o = _plain(what, first, second, raw, i, texts, words, out, o)
        elif what == _AGAIN:
            here = first
        elif what == _OPTION:
            if raw[i] == _NIL:
                i, here = i + 1, second
                o = put_varint(out, o, first)
            else:
                o = put_varint(out, o, 1 - first)
        elif what == _BEGIN:
            depth += 1
            left[depth], i = _count(raw, i)
            if left[depth]:
                o = put_varint(out, o, left[depth])
        elif left[depth] == 0:
            o = put_varint(out, o, 0)
            here = first
            depth -= 1
        else:
            left[depth] -= 1
            if second:
                i, o = _text(raw, i, room, out, o)
    return i, o


@inlined_kernel
def _text(raw: U8, i: int, room: int, out: U8, o: int) -> tuple[int, int]:
    length, i = _length(raw, i)
    if len(out) - o < length + room:
        return FULL, o
    return i + length, put_bytes(raw[i : i + length], out, put_varint(out, o, length))


@inlined_kernel
def _plain(
    what: int, first: int, second: int, raw: U8, i: int, texts: U8, words: I64, out: U8, o: int
) -> tuple[int, int]:
    """A number, a time or a choice: where to go on reading and writing."""
    if what == _DOUBLE:
        for k in range(8):
            out[o + k] = raw[i + 8 - k]
        return i + 9, o + 8
    if what == _BOOLEAN:
        out[o] = raw[i] & 1
        return i + 1, o + 1
    if what == _LONG:
        number, i = _number(raw, i)
    elif what == _INSTANT:
        number, i = _instant(raw, i)
    else:
        length, i = _length(raw, i)
        number = _place(raw[i : i + length], first, second, texts, words)
        i += length
    return i, put_varint(out, o, number)


@inlined_kernel
def _place(symbol: U8, first: int, count: int, texts: U8, words: I64) -> int:
    """Which of its kind a symbol is. msgspec has seen to it that it is one."""
    for n in range(first, first + count):
        if words[n, 1] == len(symbol):
            known = texts[words[n, 0] : words[n, 0] + words[n, 1]]
            differing = 0
            for k in range(len(symbol)):
                differing |= symbol[k] ^ known[k]
            if differing == 0:
                return n - first
    return 0


@inlined_kernel
def _big_endian(raw: U8, i: int, length: int) -> int:
    number = 0
    for k in range(length):
        number = number << 8 | int(raw[i + k])
    return number


@inlined_kernel
def _number(raw: U8, i: int) -> tuple[int, int]:
    """A whole number, and where what follows begins: `WRONG` when it has more than 64 bits with its sign."""
    kind = int(raw[i])
    if kind < 0x80:
        return kind, i + 1
    if kind >= 0xE0:
        return kind - 256, i + 1
    length = 1 << (kind & 3)
    number = _big_endian(raw, i + 1, length)
    if kind >= 0xD0:
        spare = 64 - 8 * length
        return number << spare >> spare, i + 1 + length
    return (number, i + 1 + length) if number >= 0 else (0, WRONG)


@inlined_kernel
def _length(raw: U8, i: int) -> tuple[int, int]:
    """The length of a string, and where it begins."""
    kind = int(raw[i])
    if kind < 0xC0:
        return kind & 0x1F, i + 1
    length = 1 << (kind - 0xD9)
    return _big_endian(raw, i + 1, length), i + 1 + length


@inlined_kernel
def _count(raw: U8, i: int) -> tuple[int, int]:
    """How many items a list or a map has, and where they begin."""
    kind = int(raw[i])
    if kind < 0xC0:
        return kind & 0x0F, i + 1
    length = 4 if kind & 1 else 2
    return _big_endian(raw, i + 1, length), i + 1 + length


@inlined_kernel
def _instant(raw: U8, i: int) -> tuple[int, int]:
    """Microseconds since 1970, and where what follows begins: `CUT` when it is text, as a time without a zone is."""
    kind = int(raw[i])
    if kind == 0xD6:
        return _big_endian(raw, i + 2, 4) * _SECOND_US, i + 6
    if kind == 0xD7:
        both = _big_endian(raw, i + 2, 8)
        ns = (both >> 34) & 0x3FFFFFFF
        return (both & 0x3FFFFFFFF) * _SECOND_US + ns // 1_000, i + 10
    if kind != 0xC7:
        return 0, CUT
    return _big_endian(raw, i + 7, 8) * _SECOND_US + _big_endian(raw, i + 3, 4) // 1_000, i + 15
