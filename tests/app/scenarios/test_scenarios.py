"""Scenarios of a game: what is read, what is wrong with it and where, and that the server's rules decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from overworld.app.game import GameErrors, check, found
from overworld.app.scenarios.decided import differences
from overworld.app.scenarios.run import Compared, code_of, lines_of, run, summary
from overworld.app.scenarios.written import files, read

ORE = check(found("ore"))


def write(folder: Path, text: str, name: str = "a.toml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def errors(folder: Path, text: str) -> list[str]:
    with pytest.raises(GameErrors) as wrong:
        read(write(folder, text), game=ORE)
    return [str(error) for error in wrong.value.errors]


def different(folder: Path, text: str) -> list[str]:
    (_, scenario), *more = read(write(folder, text), game=ORE).scenarios()
    assert not more
    return differences(scenario, game=ORE)


@pytest.mark.slow
def test_the_shipped_game_does_what_its_tests_say():
    outcomes = list(run(files(ORE), game=ORE))
    assert [line for outcome in outcomes for line in lines_of(outcome)] == [
        f"{file.name}: {outcome.held} scenarios as expected"
        for file, outcome in zip(files(ORE), outcomes, strict=True)
        if isinstance(outcome, Compared)
    ]
    assert code_of(outcomes) == 0


WRONG = {
    "[colect.x]\n": "line 1: colect: unknown key; did you mean `collect`?",
    '[collect."a coin"]\ngiven.collectible.type = "golden"\nthen.level = 1\n': (
        "line 2: collect.a coin.given.collectible.type: ore has no collectible `golden`; did you mean `gold`?"
    ),
    '[collect.x]\ngiven.collectible.type = "gold"\ngiven.player.away = 3\nthen.level = 1\n': (
        "line 3: collect.x.given.player.away: unknown key; did you mean `away_m`?"
    ),
    '[collect.x]\ngiven.collectible.type = "gold"\nthen.refused = "too_far"\n': (
        "line 3: collect.x.then.refused: nothing is refused as `too_far`; did you mean `gameplay.too_far`?"
    ),
    '[collect.x]\ngiven.collectible.type = "gold"\nthen = { refused = "gameplay.too_far", level = 2 }\n': (
        "line 3: collect.x.then: a refusal brings no level"
    ),
    '[collect.x]\ngiven.collectible.type = "gold"\nthen = {}\n': (
        "line 3: collect.x.then: says nothing; it takes refused, amount, currency, experience, level"
    ),
    '[collect.x]\ngiven.collectible.type = "gold"\ngiven.player = {collected_today = 1, collected_yesterday = 1}\n'
    "then.level = 1\n": ("line 3: collect.x.given.player: collected_today hides collected_yesterday: give one of them"),
    "[move.x]\ngiven.fix.accuracy_m = 101\nwhen.away_m = 1\nthen.accepted = true\n": (
        "line 2: move.x.given.fix.accuracy_m: no fix of 101 m is accepted, so it cannot be the last one; "
        "allowed: at most 100"
    ),
    '[move.x]\nwhen.lat_deg = 1\nthen.refused = "mock"\n': "line 2: move.x.when: lat_deg and lng_deg go together",
    "[move.x]\nwhen.away_m = 1\nthen.accepted = false\n": (
        'line 3: move.x.then: is `accepted = true`, or `refused = "REASON"`'
    ),
    '[move.x]\nwhen.away_m = 1\nthen.refused = "fast"\n': (
        "line 3: move.x.then.refused: nothing is refused as `fast`; did you mean `too_fast`?"
    ),
    "[level.x]\nwhen.experience = -1\nthen.level = 1\n": (
        "line 2: level.x.when.experience: Expected `int` >= 0; allowed: a whole number from 0 to 9007199254740991"
    ),
    "": 'holds no scenario; allowed: [collect."..."], [move."..."] and [level."..."]',
    "[level.x\n": "line 1: Expected ']' at the end of a table declaration",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_told_with_its_line_and_key(tmp_path, text):
    assert errors(tmp_path, text) == [WRONG[text]]


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_the_lines(tmp_path):
    text = "[level.a]\nwhen.experience = 'x'\nthen.level = 0\n[level.b]\nthen.level = 1\n"
    assert [error.partition(":")[0] for error in errors(tmp_path, text)] == ["line 2", "line 3", "line 4"]


DIFFERENT = {
    '[collect.x]\ngiven.collectible.type = "gold"\nthen = { amount = "21", level = 3, currency = "coin" }\n': [
        "expected amount 21, got 20",
        "expected level 3, got 1",
    ],
    '[collect.x]\ngiven.collectible.type = "gold"\ngiven.player.away_m = 60\nthen.amount = "20"\n': [
        "expected amount 20, got refused gameplay.too_far"
    ],
    '[collect.x]\ngiven.collectible.type = "gold"\nthen.refused = "gameplay.too_far"\n': [
        "expected refused gameplay.too_far, got amount 20, currency coin, experience 20, level 1"
    ],
    "[level.x]\nwhen.experience = 50\nthen = { level = 1, experience = 50 }\n": ["expected level 1, got 2"],
}


@pytest.mark.slow
@pytest.mark.parametrize("text", DIFFERENT)
def test_what_comes_out_otherwise_is_told(tmp_path, text):
    assert different(tmp_path, text) == DIFFERENT[text]


@pytest.mark.slow
def test_a_verdict_that_differs_is_told(tmp_path):
    assert different(tmp_path, '[move.x]\nwhen.away_m = 1\nthen.refused = "mock"\n') == [
        "expected refused mock, got accepted"
    ]
    assert different(tmp_path, "[move.x]\nwhen.away_m = 9_000\nthen.accepted = true\n") == [
        "expected accepted, got refused teleport"
    ]


PERSONAL = """
[collect.x]
given.collectible = { type = "relic", taken_by = "%s" }
then.%s
"""


@pytest.mark.parametrize(
    ("taken_by", "then"), [("another", 'amount = "3"'), ("player", 'refused = "gameplay.already_collected"')]
)
def test_a_personal_collectible_is_there_for_everybody_once(tmp_path, taken_by, then):
    relic = '[collectibles.types.relic]\nweight = 1\nvalue = "3"\ncurrency = "coin"\nmode = "personal"\n'
    (tmp_path / "game.toml").write_text(f"{ORE.file.read_text()}\n{relic}")
    game = check(tmp_path)
    (_, scenario), *_ = read(write(tmp_path, PERSONAL % (taken_by, then)), game=game).scenarios()
    assert differences(scenario, game=game) == []


TERMS = {
    'memberships = ["guild", "gold"]': 'amount = "25"',
    "memberships = []": 'amount = "20"',
    "trust = 0.49": 'refused = "gameplay.low_trust"',
    "trust = 0.5": 'amount = "20"',
    "took_one_s = 59.9": 'refused = "gameplay.cooling_down"',
    "took_one_s = 60": 'amount = "20"',
    "collected_today = 500": 'refused = "gameplay.cap_reached"',
    "collected_yesterday = 500": 'amount = "20"',
    "has_fix = false\ngiven.player.collected_yesterday = 1": 'refused = "gameplay.stale_position"',
}


@pytest.mark.parametrize("given", TERMS)
def test_members_trust_waits_and_local_days_are_those_of_the_game(tmp_path, given):
    """At 174.8 degrees east it is the next day already when it is noon at Greenwich."""
    terms = 'day = "local"\ntrust_min = 0.5\nmember_bonus = { gold = "0.25" }\n'
    ore = ORE.file.read_text().replace('day = "utc"\ntrust_min = 0.3\n', terms)
    ore = ore.replace('value = "20"\n', 'value = "20"\ncooldown_s = 60\n')
    (tmp_path / "game.toml").write_text(ore)
    game = check(tmp_path)
    text = (
        '[collect.x]\ngiven.collectible = { type = "gold", lat_deg = -41.3, lng_deg = 174.8 }\n'
        f"given.player.{given}\nthen.{TERMS[given]}\n"
    )
    (_, scenario), *_ = read(write(tmp_path, text), game=game).scenarios()
    assert differences(scenario, game=game) == []


def test_the_rules_of_the_game_in_hand_decide(tmp_path):
    """The same scenario, another definition."""
    (tmp_path / "game.toml").write_text(ORE.file.read_text().replace("reach_m = 50.0", "reach_m = 100.0"))
    text = '[collect.x]\ngiven.collectible.type = "gold"\ngiven.player.away_m = 60\nthen.amount = "20"\n'
    file = write(tmp_path, text)
    outcomes = {name: list(run([file], game=game)) for name, game in {"ore": ORE, "wide": check(tmp_path)}.items()}
    assert {name: code_of(each) for name, each in outcomes.items()} == {"ore": 1, "wide": 0}
    assert summary(outcomes["ore"]) == "0 scenarios as expected, 1 not"


def test_a_file_with_errors_does_not_hide_the_others(tmp_path):
    good = write(tmp_path, "[level.x]\nwhen.experience = 0\nthen.level = 1\n", "good.toml")
    outcomes = list(run([write(tmp_path, "", "bad.toml"), good, tmp_path / "none.toml"], game=ORE))
    assert code_of(outcomes) == 2
    assert summary(outcomes) == "1 scenario as expected, 2 files with errors"
