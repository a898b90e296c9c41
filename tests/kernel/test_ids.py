"""Ids are UUIDv7: ordered by time, unique in one process whatever the clock does, and derivable."""

from __future__ import annotations

import copy
import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import RFC_4122, UUID

from hypothesis import example, given
from hypothesis import strategies as st

from overworld.kernel.ids import IdSource, derived_id, text_of, uuid7_ms, uuid_of

NOON_US = 1_780_315_200_000_000
names = st.lists(st.text(max_size=5), max_size=4)


def seeded(now_us: int) -> IdSource:
    return IdSource(lambda: now_us, random.Random(1).randbytes)


def test_an_id_is_a_uuid7_of_its_millisecond():
    made = seeded(NOON_US + 1_999)()
    assert (made.version, made.variant) == (7, RFC_4122)
    assert uuid7_ms(made) == NOON_US // 1000 + 1


@given(st.lists(st.integers(-3_000, 3_000), min_size=1, max_size=200))
def test_ids_strictly_grow_while_the_clock_stands_still_or_goes_back(steps):
    now_us = NOON_US

    def clock() -> int:
        return now_us

    source = IdSource(clock, random.Random(1).randbytes)
    made = []
    for step in steps:
        now_us += step
        made.append(source())
    assert all(earlier < later for earlier, later in pairwise(made))


def test_ids_of_a_clock_that_stands_still_run_on_into_the_next_millisecond():
    source = seeded(NOON_US)
    made = [source() for _ in range(4097)]
    assert [uuid7_ms(made[n]) - uuid7_ms(made[0]) for n in (4095, 4096)] == [0, 1]


@given(st.integers(0, 2**47 * 1000), st.integers(1, 10_000_000))
def test_a_later_microsecond_never_sorts_before_an_earlier_one(now_us, later_us):
    early, late = seeded(now_us)(), seeded(now_us + later_us)()
    assert early.int >> 64 <= late.int >> 64


def test_many_ids_at_once_are_those_that_come_one_by_one():
    def source():
        return IdSource(lambda: 1_000_000, random.Random(5).randbytes)

    one_by_one, at_once = source(), source()
    ones = [one_by_one() for _ in range(5)]
    assert [at_once(), *at_once.many(3), *at_once.many(0), at_once()] == ones


def test_threads_never_get_the_same_id():
    source = IdSource(lambda: NOON_US, bytes)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: source(), range(2_000)))
    assert len(set(made)) == 2_000


@given(st.uuids(), names)
def test_a_derived_id_is_a_repeatable_uuid7_beside_its_parent(parent, parts):
    derived = derived_id(parent, *parts)
    assert derived == derived_id(parent, *parts)
    assert (derived.version, derived.variant) == (7, RFC_4122)
    assert uuid7_ms(derived) == uuid7_ms(parent)


@given(st.uuids(), names, names)
@example(UUID(int=0), ["a", "b"], ["ab"])
@example(UUID(int=0), ["a", "b"], ["a\x00b"])
@example(UUID(int=0), [], [""])
def test_other_names_give_other_ids(parent, some, others):
    assert (derived_id(parent, *some) == derived_id(parent, *others)) == (some == others)


@given(st.uuids(), st.uuids())
def test_other_parents_give_other_ids(parent, other):
    assert (derived_id(parent, "claim") == derived_id(other, "claim")) == (parent == other)


@given(number=st.integers(0, 2**128 - 1))
def test_the_uuid_of_a_number_is_what_python_makes_of_it(number):
    made, python = uuid_of(number), UUID(int=number)
    assert (made, hash(made), made.is_safe, repr(made)) == (python, hash(python), python.is_safe, repr(python))
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == python  # noqa: S301 - our own
    assert text_of(made) == str(python)
