"""A game's own rule multiplies and refuses claims, each for itself; what it fails on is not answered for good."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np

from overworld.domains.gameplay.claims import Claims
from overworld.domains.gameplay.hooked import ClaimColumns
from tests.domains.gameplay.field import LEVELS, RULES, code_of, spawns_of

ANNA, BEN, CARL = (UUID(int=i) for i in (1, 2, 3))


class Rule:
    """Says what a test tells it to, and keeps what it saw."""

    def __init__(self, *verdicts) -> None:
        self.verdicts = list(verdicts)
        self.seen: list[ClaimColumns] = []

    def __call__(self, claims):
        self.seen.append(claims)
        return self.verdicts[: len(claims)]


def claims_of(field, rule) -> Claims:
    return Claims(
        database=field.database,
        clock=field.clock,
        ids=field.ids,
        outbox=field.outbox,
        ledger=field.ledger,
        last_fix=field.fixes,
        trust=field.trust,
        spawns=spawns_of(RULES),
        rules=RULES,
        levels=LEVELS.levels,
        fix_age_max_s=60,
        rule=rule,
    )


async def test_each_claim_of_a_batch_has_its_own_verdict(field):
    one, two, three = field.shared()[:3]
    claims = claims_of(field, Rule(25_000, "closed_at_night", None))
    wanted = [field.claim(player, spawn) for player, spawn in ((ANNA, one), (BEN, two), (CARL, three))]
    outcomes: list[Any] = list(await claims.run(wanted))
    assert list(map(code_of, outcomes)) == ["ok", "refused_by_rule", "rule_failed"]
    assert outcomes[0].value.amount == "7", "two and a half times 3, parts dropped"
    assert outcomes[1].public_fields() == {"collectible_id": two.id, "reason": "closed_at_night"}
    assert [await field.balance(player) for player in (ANNA, BEN, CARL)] == [7, 0, 0]


async def test_whatever_it_multiplies_by_something_is_paid(field):
    [one] = field.shared()[:1]
    outcome: Any
    [outcome] = await claims_of(field, Rule(1)).run([field.claim(ANNA, one)])
    assert outcome.value.amount == "1"


async def test_a_refusal_is_the_answer_for_good_and_a_failure_is_not(field):
    one, two = field.shared()[:2]
    rule = Rule("closed", None)
    claims = claims_of(field, rule)
    refused, failed = field.claim(ANNA, one), field.claim(BEN, two)
    await claims.run([refused, failed])
    rule.verdicts = [10_000, 10_000]
    assert list(map(code_of, await claims.run([refused, failed]))) == ["refused_by_rule*", "ok"]


async def test_what_was_paid_once_is_the_answer_whatever_the_rule_says_later(field):
    [one] = field.shared()[:1]
    rule = Rule(20_000)
    claims, claim = claims_of(field, rule), field.claim(ANNA, one)
    await claims.run([claim])
    rule.verdicts = ["closed"]
    again: Any
    [again] = await claims.run([claim])
    assert code_of(again) == "ok*" and again.value.amount == "6"


async def test_it_sees_what_nothing_else_speaks_against_in_columns_nobody_writes_to(field):
    one, two = field.shared()[:2]
    rule = Rule(10_000)
    near, far = field.claim(ANNA, one), field.claim(BEN, two)
    field.stand(BEN, two, north_deg=1.0)
    await claims_of(field, rule).run([near, far])
    [seen] = rule.seen
    assert list(seen.player_id) == [ANNA] and list(seen.type) == ["copper"] and list(seen.value_minor) == [3]
    assert list(seen.memberships) == [()] and list(seen.at_us) == [field.clock.now_us()]
    assert seen.distance_m[0] < 0.01 and not seen.placed[0]
    assert not any(getattr(seen, name).flags.writeable for name in ("type", "distance_m", "value_minor"))
    assert isinstance(seen.lat_deg, np.ndarray)


async def test_another_rule_is_in_force_from_the_next_batch_on(field):
    one, two = field.shared()[:2]
    claims = claims_of(field, Rule("closed"))
    [first] = await claims.run([field.claim(ANNA, one)])
    claims.put_in_force(RULES, levels=LEVELS.levels, rule=None)
    [second] = await claims.run([field.claim(ANNA, two)])
    assert [code_of(first), code_of(second)] == ["refused_by_rule", "ok"]
