"""The smallest steps of reading and writing, for kernels: whole numbers of Avro, text of JSON, times.

Source: Apache Avro 1.12 specification, "Binary encoding"; RFC 8259, section 7; RFC 3629, section 4; RFC 3339.
"""

# ruff: noqa: PLR2004 - kernels call each other by position, and characters keep their numbers

from __future__ import annotations

from overworld.geo.compiled import inlined_kernel, inner_kernel
from overworld.platform.avro.programs import U8

FULL = -1
"""There is no room for what would be written."""

CUT = -2
"""Bytes end before a value does."""

WRONG = -3
"""Bytes are no value of their type."""

KEPT_BYTES_MAX = 1 << 20
"""Of a place to write in, what is kept for the next batch."""

ESCAPED_BYTES_MAX = 6
INSTANT_BYTES_MAX = 32

_VARINT_BITS = 63
_POSITIVE = (1 << 63) - 1
_QUOTE, _BACKSLASH, _SPACE, _ASCII = 34, 92, 32, 128
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
_SECOND_US, _DAY_S = 1_000_000, 86_400
_ERA_DAYS, _CENTURY_DAYS, _LEAP_CYCLE_DAYS, _YEAR_DAYS = 146_097, 36_524, 1_460, 365
_EPOCH_DAY = 719_468
_MARCH = 10


@inlined_kernel
def varint(raw: U8, i: int, end: int) -> tuple[int, int]:
    """A whole number, and where what follows begins; `CUT` or `WRONG` there when it is none."""
    number, shift = 0, 0
    while i < end:
        byte = int(raw[i])
        i += 1
        if shift == _VARINT_BITS and byte > 1:
            return 0, WRONG
        number |= (byte & 0x7F) << shift
        if byte < _ASCII:
            return ((number >> 1) & _POSITIVE) ^ -(number & 1), i
        shift += 7
    return 0, CUT


@inlined_kernel
def put_varint(out: U8, o: int, number: int) -> int:
    """Writes a whole number; gives where the next byte goes."""
    rest = (number << 1) ^ (number >> _VARINT_BITS)
    while rest & ~0x7F:
        out[o] = rest & 0x7F | 0x80
        rest = (rest >> 7) & (_POSITIVE >> 6)
        o += 1
    out[o] = rest
    return o + 1


@inlined_kernel
def put_text(raw: U8, i: int, end: int, out: U8, o: int) -> int:
    """Writes UTF-8 as a string of JSON; gives where the next byte goes, or `WRONG` where it is no UTF-8."""
    text, special = raw[i:end], 0
    for k in range(len(text)):
        byte = int(text[k])
        special |= (byte < _SPACE) | (byte == _QUOTE) | (byte == _BACKSLASH) | (byte >= _ASCII)
    out[o] = _QUOTE
    o = put_bytes(text, out, o + 1) if special == 0 else _put_special(raw, i, end, out, o + 1)
    if o < 0:
        return o
    out[o] = _QUOTE
    return o + 1


@inlined_kernel
def put_bytes(raw: U8, out: U8, o: int) -> int:
    """Writes bytes as they are; gives where the next one goes."""
    room = out[o : o + len(raw)]
    for k in range(len(raw)):
        room[k] = raw[k]
    return o + len(raw)


@inner_kernel
def _put_special(raw: U8, i: int, end: int, out: U8, o: int) -> int:
    while i < end:
        byte = int(raw[i])
        if byte >= _ASCII:
            length = _utf8(raw, i, end)
            if length == 0:
                return WRONG
            for k in range(length):
                out[o + k] = raw[i + k]
            i += length
            o += length
            continue
        i += 1
        if byte in (_QUOTE, _BACKSLASH):
            out[o], out[o + 1] = _BACKSLASH, byte
            o += 2
        elif byte < _SPACE:
            o = _put_control(byte, out, o)
        else:
            out[o] = byte
            o += 1
    return o


@inner_kernel
def _put_control(byte: int, out: U8, o: int) -> int:
    """Writes a control character as msgspec does: by its letter if it has one, else by its number."""
    letter = 0
    if 8 <= byte <= 10:
        letter = 98 if byte == 8 else (116 if byte == 9 else 110)  # b, t, n
    elif 12 <= byte <= 13:
        letter = 102 if byte == 12 else 114  # f, r
    out[o] = _BACKSLASH
    if letter:
        out[o + 1] = letter
        return o + 2
    out[o + 1], out[o + 2], out[o + 3], out[o + 4] = 117, 48, 48, 48 + (byte >> 4)  # u00
    low = byte & 0xF
    out[o + 5] = (48 if low < 10 else 87) + low
    return o + 6


@inner_kernel
def _utf8(raw: U8, i: int, end: int) -> int:
    """How many bytes a character beyond ASCII has; 0 where there is none."""
    first = int(raw[i])
    length, low, high = 0, 0x80, 0xBF
    if 0xC2 <= first <= 0xDF:
        length = 2
    elif 0xE0 <= first <= 0xEF:
        length = 3
        low = 0xA0 if first == 0xE0 else low
        high = 0x9F if first == 0xED else high
    elif 0xF0 <= first <= 0xF4:
        length = 4
        low = 0x90 if first == 0xF0 else low
        high = 0x8F if first == 0xF4 else high
    if length == 0 or i + length > end or not low <= int(raw[i + 1]) <= high:
        return 0
    for k in range(2, length):
        if int(raw[i + k]) >> 6 != 0b10:
            return 0
    return length


@inlined_kernel
def is_id(raw: U8, i: int) -> bool:
    """Whether the next 36 bytes are a UUID as text."""
    for k in range(36):
        byte = int(raw[i + k])
        if k in (8, 13, 18, 23):
            if byte != 45:
                return False
        elif not (48 <= byte <= 57 or 97 <= byte <= 102 or 65 <= byte <= 70):
            return False
    return True


@inner_kernel
def put_instant(out: U8, o: int, since_us: int) -> int:
    """Writes microseconds since 1970 as a time of RFC 3339; gives where the next byte goes.

    `WRONG` outside of the years 1 to 9999. Source: H. Hinnant, "chrono-compatible low-level date algorithms".
    """
    if not _FIRST_US <= since_us <= _LAST_US:
        return WRONG
    seconds, us = since_us // _SECOND_US, since_us % _SECOND_US
    day, second = seconds // _DAY_S + _EPOCH_DAY, seconds % _DAY_S
    era, of_era = day // _ERA_DAYS, day % _ERA_DAYS
    year = (of_era - of_era // _LEAP_CYCLE_DAYS + of_era // _CENTURY_DAYS - of_era // (_ERA_DAYS - 1)) // _YEAR_DAYS
    of_year = of_era - (_YEAR_DAYS * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    out[o] = _QUOTE
    o = _two(out, o + 1, (year + era * 400 + (month >= _MARCH)) // 100)
    o = _two(out, o, (year + era * 400 + (month >= _MARCH)) % 100)
    o = _marked(out, o, 45, month + 3 if month < _MARCH else month - 9)
    o = _marked(out, o, 45, of_year - (153 * month + 2) // 5 + 1)
    o = _marked(out, o, 84, second // 3600)
    o = _marked(out, o, 58, second // 60 % 60)
    o = _marked(out, o, 58, second % 60)
    if us:
        o = _marked(out, o, 46, us // 10_000)
        o = _two(out, _two(out, o, us // 100 % 100), us % 100)
    out[o], out[o + 1] = 90, _QUOTE
    return o + 2


@inner_kernel
def _marked(out: U8, o: int, mark: int, number: int) -> int:
    out[o] = mark
    return _two(out, o + 1, number)


@inner_kernel
def _two(out: U8, o: int, number: int) -> int:
    out[o], out[o + 1] = 48 + number // 10, 48 + number % 10
    return o + 2
