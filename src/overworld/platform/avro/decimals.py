"""Numbers as the shortest decimal text that reads back as the same number.

Source: R. Giulietti, "The Schubfach way to render doubles" (2020); its integer logarithms are those of A. Neumann,
"Drachennest" (2020).
"""

# ruff: noqa: PLR2004 - kernels call each other by position, and characters keep their numbers

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import numpy.typing as npt

from overworld.geo.compiled import inlined_kernel, inner_kernel

U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]

NUMBER_BYTES_MAX = 32
"""No number is written longer than that."""

_FIRST, _LAST = -292, 324
_ZERO, _ONE, _TWO, _FOUR, _TEN = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(10)
_HALF, _LOW_HALF = np.uint64(32), np.uint64(0xFFFFFFFF)
_SIGNIFICAND_BITS, _SIGNIFICAND = np.uint64(52), np.uint64((1 << 52) - 1)
_HIDDEN = np.uint64(1 << 52)
_EXPONENT, _SIGN = np.uint64(0x7FF), np.uint64(63)
_BIAS = 1075
_PLAIN_MAX = 16
_PLAIN_MIN = -5
_DIGITS_MAX = 20


@cache
def powers_of_ten() -> U64:
    """10**k as 128 bits, rounded up, high half and low half, uint64 (617, 2), for k from -292 to 324."""
    return np.array([_power(k) for k in range(_FIRST, _LAST + 1)], dtype=np.uint64)


def _power(k: int) -> tuple[int, int]:
    scaled = Fraction(10) ** k
    shift = 127 - ((k * 1_741_647) >> 19)
    whole = -((-scaled * Fraction(2) ** shift) // 1)
    return int(whole) >> 64, int(whole) & (1 << 64) - 1


@inlined_kernel
def whole(out: U8, at: int, number: int) -> int:
    """Writes an integer; gives where the next byte goes."""
    rest = np.uint64(number)
    if number < 0:
        out[at] = 45  # -
        at += 1
        rest = _ZERO - rest
    return _digits(out, at, rest, _count(rest))


@inner_kernel
def real(out: U8, at: int, bits: np.uint64, powers: U64) -> int:
    """Writes the double of these bits, with a point or an exponent; gives where the next byte goes.

    What is no number, or infinite, is `null`, as JSON has neither.
    """
    exponent, fraction = (bits >> _SIGNIFICAND_BITS) & _EXPONENT, bits & _SIGNIFICAND
    if exponent == _EXPONENT:
        out[at], out[at + 1], out[at + 2], out[at + 3] = 110, 117, 108, 108
        return at + 4
    if bits >> _SIGN:
        out[at] = 45
        at += 1
    if exponent == _ZERO and fraction == _ZERO:
        out[at], out[at + 1], out[at + 2] = 48, 46, 48
        return at + 3
    digits, power = _shortest(fraction, exponent, powers)
    while digits % _TEN == _ZERO:
        digits //= _TEN
        power += 1
    return _placed(out, at, digits, power)


@inlined_kernel
def _placed(out: U8, at: int, digits: np.uint64, power: int) -> int:
    """`digits` times ten to `power`, plainly where that is not long."""
    count = _count(digits)
    point = count + power
    if 0 < point <= _PLAIN_MAX:
        if power >= 0:
            at = _digits(out, at, digits, count)
            for k in range(power):
                out[at + k] = 48
            out[at + power], out[at + power + 1] = 46, 48
            return at + power + 2
        end = _digits(out, at, digits, count)
        for k in range(end, at + point, -1):
            out[k] = out[k - 1]
        out[at + point] = 46
        return end + 1
    if _PLAIN_MIN < point <= 0:
        out[at], out[at + 1] = 48, 46
        for k in range(-point):
            out[at + 2 + k] = 48
        return _digits(out, at + 2 - point, digits, count)
    end = _digits(out, at, digits, count)
    if count > 1:
        for k in range(end, at + 1, -1):
            out[k] = out[k - 1]
        out[at + 1] = 46
        end += 1
    out[end] = 101  # e
    return whole(out, end + 1, point - 1)


@inlined_kernel
def _count(number: np.uint64) -> int:
    """How many decimal digits it has."""
    count, bound = 1, _TEN
    while count < _DIGITS_MAX and number >= bound:
        bound *= _TEN
        count += 1
    return count


@inlined_kernel
def _digits(out: U8, at: int, number: np.uint64, count: int) -> int:
    for k in range(at + count - 1, at - 1, -1):
        out[k] = 48 + np.int64(number % _TEN)
        number //= _TEN
    return at + count


@inlined_kernel
def _shortest(fraction: np.uint64, exponent: np.uint64, powers: U64) -> tuple[np.uint64, int]:
    """The digits and the power of ten of a finite double above zero."""
    c, q = fraction, 1 - _BIAS
    if exponent != _ZERO:
        c, q = _HIDDEN | fraction, int(exponent) - _BIAS
        if -53 < q <= 0 and c & ((_ONE << np.uint64(-q)) - _ONE) == _ZERO:
            return c >> np.uint64(-q), 0
    odd = c & _ONE
    closer = fraction == _ZERO and exponent > _ONE
    k = (q * 1_262_611 - (524_031 if closer else 0)) >> 22
    h = np.uint64(q + ((-k * 1_741_647) >> 19) + 1)
    high, low = powers[-k - _FIRST, 0], powers[-k - _FIRST, 1]
    lower = _rounded_to_odd(high, low, (_FOUR * c - (_ONE if closer else _TWO)) << h) + odd
    middle = _rounded_to_odd(high, low, (_FOUR * c) << h)
    upper = _rounded_to_odd(high, low, (_FOUR * c + _TWO) << h) - odd
    s = middle // _FOUR
    if s >= _TEN:
        tens = s // _TEN
        below, above = lower <= tens * np.uint64(40), (tens + _ONE) * np.uint64(40) <= upper
        if below != above:
            return (tens + _ONE if above else tens), k + 1
    below, above = lower <= s * _FOUR, (s + _ONE) * _FOUR <= upper
    if below != above:
        return (s + _ONE if above else s), k
    half = s * _FOUR + _TWO
    up = middle > half or (middle == half and s & _ONE != _ZERO)
    return (s + _ONE if up else s), k


@inlined_kernel
def _rounded_to_odd(high: np.uint64, low: np.uint64, factor: np.uint64) -> np.uint64:
    """The upper 64 bits of 192, the last of them set where anything below is."""
    carried = _upper(low, factor)
    lower = high * factor
    upper = _upper(high, factor)
    total = lower + carried
    if total < lower:
        upper += _ONE
    return upper | (_ONE if total > _ONE else _ZERO)


@inlined_kernel
def _upper(one: np.uint64, other: np.uint64) -> np.uint64:
    """The upper half of a product of 128 bits."""
    one_low, one_high = one & _LOW_HALF, one >> _HALF
    other_low, other_high = other & _LOW_HALF, other >> _HALF
    low = one_low * other_low
    first = one_high * other_low + (low >> _HALF)
    second = one_low * other_high + (first & _LOW_HALF)
    return one_high * other_high + (first >> _HALF) + (second >> _HALF)
