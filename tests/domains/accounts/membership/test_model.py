"""Whatever comes in whatever batches, applications are answered as by a program that takes them one by one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.domains.accounts.membership.hall import RULES, code_of

PEOPLE = 4
CAP = 2
HELD_MINOR = 600
PRICE_MINOR = 250
KINDS = ("founders", "guild", "premium", "trial")
ELSEWHERE = {0: "same", 1: "same", 2: "other"}  # the last one has none

an_application = st.tuples(st.integers(0, PEOPLE - 1), st.sampled_from([*KINDS, "none"]), st.integers(0, 9))
some_batches = st.lists(
    st.tuples(st.lists(an_application, min_size=1, max_size=10), st.integers(0, 20)), min_size=1, max_size=4
)


class Model:
    """One application at a time: lists of members, days, purses and keys."""

    def __init__(self) -> None:
        self.day = 0
        self.keys: dict[tuple[int, int], tuple[str, str]] = {}
        self.numbers: dict[str, list[int]] = {kind: [] for kind in KINDS}
        self.ends: dict[tuple[str, int], int] = {}
        self.proofs: set[str] = set()
        self.purse = dict.fromkeys(range(PEOPLE), HELD_MINOR)

    def apply(self, one: int, kind: str, key: int) -> str:
        if kind == "none":
            return "no_such_membership"
        if kind == "guild" and one not in ELSEWHERE:
            return "proof_missing"
        if (one, key) in self.keys:
            asked, code = self.keys[one, key]
            return f"{code}*" if asked == kind else "key_reused"
        code = self._fresh(one, kind)
        self.keys[one, key] = (kind, code)
        return code

    def _fresh(self, one: int, kind: str) -> str:
        is_known = one in self.numbers[kind]
        runs = is_known and self.ends.get((kind, one), 10**6) > self.day
        if runs and kind != "premium":
            return "already_member"
        if not is_known and kind == "guild" and ELSEWHERE[one] in self.proofs:
            return "proof_used"
        if not is_known and kind in {"founders", "guild"} and len(self.numbers[kind]) >= CAP:
            return "membership_full"
        if kind == "premium":
            if self.purse[one] < PRICE_MINOR:
                return "price_not_held"
            self.purse[one] -= PRICE_MINOR
        if not is_known:
            self.numbers[kind].append(one)
        if kind == "guild":
            self.proofs.add(ELSEWHERE[one])
        if kind in {"premium", "trial"}:
            begins = self.ends[kind, one] if runs else self.day
            self.ends[kind, one] = begins + {"premium": 30, "trial": 7}[kind]
        return str(self.numbers[kind].index(one) + 1)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=some_batches)
async def test_applications_are_answered_as_if_they_came_one_by_one(hall, batches):
    """Each example has people, clubs and accounts elsewhere of its own."""
    people = await hall.people(PEOPLE)
    names = {kind: f"{kind}-{people[0]}" for kind in KINDS}
    service = hall.parts({names[kind]: replace(RULES[kind], cap=RULES[kind].cap and CAP) for kind in KINDS}).service
    for i, one in enumerate(people):
        await hall.fund(one, HELD_MINOR)
        if i in ELSEWHERE:
            hall.discord.of[one] = ELSEWHERE[i]
    model = Model()
    for batch, days in batches:
        outcomes = await service.run(
            [hall.apply(people[one], names.get(kind, "none"), f"key {key}") for one, kind, key in batch]
        )
        assert [code_of(outcome) for outcome in outcomes] == [model.apply(*one) for one in batch]
        hall.clock.advance(timedelta(days=days))
        model.day += days
    assert [await hall.held(one) for one in people] == [model.purse[i] for i in range(PEOPLE)]
