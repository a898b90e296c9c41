"""Chance that pays can be replayed by whoever has the key, and is fair."""

from __future__ import annotations

import hmac
from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.kernel.chance import KeyedStream, keyed_digest

parts = st.lists(st.binary(max_size=6), max_size=4)


def test_a_digest_is_the_hmac_of_its_length_prefixed_parts():
    """Pinned: auditors recompute it with other tools."""
    expected = hmac.new(b"key", b"\0\0\0\2ab\0\0\0\0\0\0\0\1c", sha256).digest()
    assert keyed_digest(b"key", b"ab", b"", b"c") == expected


@given(parts, parts)
def test_two_lists_of_parts_never_share_a_digest(some, others):
    assert (keyed_digest(b"k", *some) == keyed_digest(b"k", *others)) == (some == others)


@given(st.binary(min_size=1, max_size=8), st.binary(min_size=1, max_size=8))
def test_another_key_gives_another_stream(key, other):
    same = KeyedStream(key, b"cell").take(32) == KeyedStream(other, b"cell").take(32)
    assert same == (key.rstrip(b"\0") == other.rstrip(b"\0")), "HMAC pads short keys with zeros"


@given(st.lists(st.integers(0, 80), max_size=10))
def test_a_stream_does_not_depend_on_how_it_is_read(sizes):
    pieces, whole = KeyedStream(b"key", b"cell"), KeyedStream(b"key", b"cell")
    assert b"".join(pieces.take(size) for size in sizes) == whole.take(sum(sizes))


def test_uniform_draws_fill_the_unit_interval_evenly():
    stream = KeyedStream(b"key", b"uniform")
    tenths = Counter(int(stream.uniform() * 10) for _ in range(10_000))
    assert set(tenths) == set(range(10))
    assert all(850 < count < 1_150 for count in tenths.values())


@given(st.integers(1, 2**32), st.binary(max_size=4))
def test_draws_below_a_bound_stay_below_it(bound, label):
    stream = KeyedStream(b"key", label)
    assert all(0 <= stream.below(bound) < bound for _ in range(5))


def test_draws_below_a_bound_are_even():
    stream = KeyedStream(b"key", b"below")
    counts = Counter(stream.below(7) for _ in range(7_000))
    assert set(counts) == set(range(7))
    assert all(850 < count < 1_150 for count in counts.values())


def test_a_draw_in_the_short_last_interval_is_thrown_away():
    class Scripted(KeyedStream):
        """Its first draw is above the largest multiple of three that 64 bits hold."""

        script = iter((b"\xff" * 8, b"\0" * 7 + b"\5"))

        def take(self, n: int) -> bytes:
            return next(self.script)

    assert Scripted(b"key").below(3) == 2


@pytest.mark.parametrize("bound", [0, -1, 2**32 + 1])
def test_a_bound_out_of_range_is_a_bug(bound):
    with pytest.raises(ValueError, match="out of range"):
        KeyedStream(b"key").below(bound)
