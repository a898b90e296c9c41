"""Windows turn when cron says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.gameplay.boards.cron import parse
from overworld.domains.gameplay.boards.rules import boards_of
from overworld.domains.gameplay.boards.types import ALWAYS, BoardRules, turns_of
from overworld.kernel.money import Currency


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "now", "last", "next_one"),
    [
        ("0 0 * * *", "2026-06-01 00:00", "2026-06-01 00:00", "2026-06-02 00:00"),
        ("0 0 * * *", "2026-05-31 23:59:59.999999", "2026-05-31 00:00", "2026-06-01 00:00"),
        ("0 0 * * mon", "2026-06-03 12:00", "2026-06-01 00:00", "2026-06-08 00:00"),
        ("0 0 * * 7", "2026-06-03 12:00", "2026-05-31 00:00", "2026-06-07 00:00"),
        ("0 0 1 * *", "2026-03-01 00:00", "2026-03-01 00:00", "2026-04-01 00:00"),
        ("0 0 31 * *", "2026-06-15 00:00", "2026-05-31 00:00", "2026-07-31 00:00"),
        ("0 0 29 2 *", "2026-01-01 00:00", "2024-02-29 00:00", "2028-02-29 00:00"),
        ("*/15 6-18/6 * * *", "2026-06-01 12:50", "2026-06-01 12:45", "2026-06-01 18:00"),
        ("30 4 1,15 * fri", "2026-06-06 00:00", "2026-06-05 04:30", "2026-06-12 04:30"),
        ("5/20 0 * jan-mar *", "2026-06-01 00:00", "2026-03-31 00:45", "2027-01-01 00:05"),
    ],
)
def test_the_instants_before_and_after_are_those_of_cron(expression, now, last, next_one):
    cron = parse(expression)
    assert (cron.last(at(now)), cron.next(at(now))) == (at(last), at(next_one))


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("", "has 0 fields"),
        ("0 0 * *", "has 4 fields"),
        ("60 0 * * *", "minute '60'"),
        ("0 24 * * *", "hour '24'"),
        ("0 0 0 * *", "day of month '0'"),
        ("0 0 * 13 *", "month '13'"),
        ("0 0 * * 8", "day of week '8'"),
        ("0 0 * * monday", "day of week 'monday'"),
        ("5-1 0 * * *", "runs backwards"),
        ("*/0 0 * * *", "minute '0'"),
        ("1,,2 0 * * *", "minute ''"),
        ("-1 0 * * *", "minute ''"),
        ("0 0 30 2 *", "never comes"),
        ("weekly", "has 1 fields"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(expression, problem):
    with pytest.raises(ValueError, match=problem):
        parse(expression)


instants = st.integers(0, 2_000_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))


@given(now=instants, expression=st.sampled_from(["7 3 * * *", "0 0 * * mon", "0 */5 13 * fri", "1-4 2,22 * 2-11 *"]))
def test_windows_join_without_gap_or_overlap(now, expression):
    cron = parse(expression)
    last, following = cron.last(now), cron.next(now)
    assert last <= now < following
    assert cron.next(last) == following
    assert cron.last(following - timedelta(microseconds=1)) == last
    assert cron.last(following) == following


def test_a_game_that_says_nothing_has_boards_of_its_first_currency():
    boards = boards_of({}, [Currency("coin"), Currency("gem", 2)])
    assert {name: board.counts for name, board in boards.items()} == dict.fromkeys(
        ("global", "daily", "weekly", "region"), "coin"
    )
    noon = at("2026-06-03 12:00")
    assert boards["global"].window(noon) == ALWAYS
    assert boards["weekly"].window(noon).starts_at == at("2026-06-01 00:00")


def test_a_game_adds_boards_and_replaces_some():
    declared = {
        "gems": BoardRules(counts="gem", resets="monthly"),
        "daily": BoardRules(counts="experience", resets="0 6 * * *"),
    }
    boards = boards_of(declared, [Currency("coin"), Currency("gem", 2)])
    assert boards["gems"].formatted(1234) == "12.34"
    assert boards["daily"].window(at("2026-06-03 05:59")).starts_at == at("2026-06-02 06:00")
    assert turns_of("never") is None
    with pytest.raises(ValueError, match="no currency"):
        boards_of({"x": BoardRules(counts="ruby")}, [Currency("coin")])
