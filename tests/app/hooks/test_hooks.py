"""A hook is declared as it has to be, costs what it fails on alone, and is switched off when it is slow."""

from __future__ import annotations

import json
from uuid import UUID

import numpy as np
import pytest
import structlog

from overworld.app.game import GameErrors, check
from overworld.app.hooks.loading import load
from overworld.app.hooks.work import BUDGET_S, Counted, OnClaim, rule_of, verdicts_of
from overworld.domains.gameplay.hooked import columns_of
from tests.app.test_game import GOOD


@pytest.fixture(autouse=True)
def logs():
    yield
    structlog.reset_defaults()


def game_with(folder, rules: str):
    (folder / "game.toml").write_text(GOOD)
    (folder / "rules.py").write_text(rules)
    return folder


def claims(*types, distance_m=1.0):
    rows = [(UUID(int=i), one, "pearl", 25, distance_m, 46.0, 14.5, 1.0, (), False, 0) for i, one in enumerate(types)]
    return columns_of(rows)


class Time:
    """A clock that a hook moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def watched(function, **options):
    counted = Counted()
    return OnClaim(function, counted=counted, **options), counted


def test_a_hook_is_part_of_the_definition_and_of_its_digest(tmp_path):
    (tmp_path / "game.toml").write_text(GOOD)
    plain = check(tmp_path)
    game = check(game_with(tmp_path, "def on_claim(claims):\n    return {'multiplier_bp': [20_000] * len(claims)}\n"))
    assert set(game.hooks.functions) == {"on_claim"} and game.digest != plain.digest
    rule = rule_of(game.hooks, counted=Counted())
    assert rule is not None and rule(claims("shell", "shell")) == [20_000, 20_000]
    assert rule_of(plain.hooks, counted=Counted()) is None


@pytest.mark.parametrize(
    ("rules", "error"),
    [
        ("def on_claim(", "line 1: rules.py: SyntaxError: '(' was never closed"),
        (
            "import nothing_of_this_name",
            "line 1: rules.py: ModuleNotFoundError: No module named 'nothing_of_this_name'",
        ),
        ("def on_clame(claims): ...", "there is no such hook; did you mean `on_claim`?"),
        ("def damage(hits): ...", "line 1: damage: nothing calls this hook yet"),
        ("\ndef on_claim(claims, now): ...", "line 2: on_claim: has another signature; allowed: def on_claim(claims)"),
        ("async def on_claim(claims): ...", "has another signature"),
        ("def on_claim(claims):\n    return 1", "TypeError: a hook returns a dict with multiplier_bp and refused"),
        ("def on_claim(claims):\n    return {'multiplier_bp': [1.5]}", "multiplier_bp are whole numbers"),
        ("def on_claim(claims):\n    return {'refused': []}", "1 claims, 0 in refused"),
        ("def on_claim(claims):\n    return {'refused': ['No!']}", "the verdict on shell is none"),
        ("def on_claim(claims):\n    return claims.level", "line 2: rules.py: on_claim: AttributeError"),
    ],
)
def test_what_is_wrong_with_a_hook_is_said_before_a_game_runs(tmp_path, rules, error):
    with pytest.raises(GameErrors) as refused:
        check(game_with(tmp_path, rules))
    assert error in str(refused.value)


def test_helpers_and_what_is_imported_are_no_hooks(tmp_path):
    rules = "from math import ceil\nfrom json import dumps\ndef _half(claims):\n    return ceil(len(claims) / 2)\n"
    assert load(game_with(tmp_path, rules)).functions == {}


def test_a_failure_costs_the_claims_it_is_about_and_no_others(capsys):
    def on_claim(seen):
        if "cursed" in seen.type:
            raise LookupError("cursed")
        return {"multiplier_bp": np.full(len(seen), 15_000)}

    rule, counted = watched(on_claim, monotonic_s=Time())
    kinds = ["shell"] * 40 + ["cursed"] + ["shell"] * 22 + ["cursed"]
    verdicts = rule(claims(*kinds))
    assert [verdict is None for verdict in verdicts] == [kind == "cursed" for kind in kinds]
    assert set(verdicts) == {None, 15_000} and counted.failed == 2 and counted.claims == len(kinds)


def test_narrowing_a_failure_down_ends_with_the_budget():
    now = Time()

    def on_claim(seen):
        now.now_s += BUDGET_S
        raise LookupError

    rule, counted = watched(on_claim, monotonic_s=now)
    assert rule(claims(*["shell"] * 64)) == [None] * 64
    assert now.now_s <= 3 * BUDGET_S and counted.failed == 64


def test_a_failing_hook_is_logged_with_its_line_but_not_for_every_batch(capsys):
    def on_claim(seen):
        raise LookupError("cursed")

    rule, _ = watched(on_claim)
    for _ in range(100):
        rule(claims("shell"))
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1 and "hook failed" in printed[0] and "LookupError: cursed" in printed[0]


def test_three_slow_calls_in_a_minute_switch_it_off_and_claims_go_on():
    now = Time()

    def on_claim(seen):
        now.now_s += BUDGET_S * 1.5
        return {"refused": ["closed"] * len(seen)}

    rule, counted = watched(on_claim, monotonic_s=now)
    for _ in range(3):
        assert rule(claims("shell")) == ["closed"]
    assert rule.is_off and (counted.slow, counted.off) == (3, 1)
    before_s = now.now_s
    assert rule(claims("shell", "shell")) == [10_000, 10_000] and now.now_s == before_s


def test_slow_calls_over_more_than_a_minute_do_not():
    now = Time()

    def on_claim(seen):
        now.now_s += BUDGET_S * 1.5
        return {}

    rule, counted = watched(on_claim, monotonic_s=now)
    for _ in range(9):
        assert rule(claims("shell")) == [10_000]
        now.now_s += 31
    assert not rule.is_off and counted.slow == 9


@pytest.mark.parametrize("bp", [0, -1, 1_000_001])
def test_a_multiplier_out_of_bounds_costs_its_claim(bp):
    assert verdicts_of({"multiplier_bp": [10_000, bp]}, 2) == [10_000, None]


def test_what_a_hook_sees_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        claims("shell").value_minor[0] = 1


def test_json_of_verdicts_is_plain_python():
    """Verdicts go into refusals and amounts: no NumPy type may get there."""
    verdicts = verdicts_of({"multiplier_bp": np.array([5, 6]), "refused": np.array(["", "no"])}, 2)
    assert json.dumps(verdicts) == '[5, "no"]' and all(type(one) in (int, str) for one in verdicts)
