"""Quests of a definition: read whole, and refused with the place and the reason where they name what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from overworld.app.game import check
from tests.app.test_game import GOOD, errors_of, written

QUESTS = """
[quests.first]
title = "First"
objectives = [{ kind = "collect", count = 2, type = "shell" }, { kind = "walk", metres = 100 }]
rewards = { tokens = { pearl = "0.25" }, experience = 5 }

[quests.second]
title = "Second"
type = "daily"
starts = "asked"
requires = { level = 2, quests = ["first"], zone = { lat = 46.0, lng = 14.5, radius_m = 500 } }

[[quests.second.objectives]]
kind = "event"
topic = "events.fight.won"
where = { ranked = true }
"""


def test_quests_are_read_as_they_are_written(tmp_path: Path):
    quests = check(written(tmp_path, GOOD + QUESTS)).quests
    assert list(quests) == ["first", "second"]
    assert (quests["first"].started, quests["second"].started, quests["second"].repeated) == ("asked", "asked", "daily")


def test_what_a_quest_says_is_part_of_the_digest(tmp_path: Path):
    first = check(written(tmp_path, GOOD + QUESTS)).digest
    assert check(written(tmp_path, GOOD + QUESTS.replace("metres = 100", "metres = 101"))).digest != first


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('type = "shell"', 'type = "shel"', "there is no type of collectible `shel`; did you mean `shell`?"),
        ('quests = ["first"]', 'quests = ["fist"]', "there is no quest `fist`; did you mean `first`?"),
        ('quests = ["first"]', 'quests = ["second"]', "it waits for `second`, which waits for it"),
        ("level = 2", "level = 5", "the highest level is 4"),
        ("metres = 100", "miles = 100", "objectives.1.miles: unknown key; known here: text, metres"),
        ('kind = "walk"', 'kind = "swim"', "objectives.1.kind: 'swim' is not known; known here: collect, walk"),
        ('pearl = "0.25"', 'perl = "0.25"', "there is no currency `perl`"),
        ("count = 2", 'value = "0.001", currency = "pearl"', "pearl has 2 decimal places"),
        ("count = 2, ", "", "needs a count or a value"),
        ('starts = "asked"', 'starts = "auto"', "cannot start by itself"),
        ("radius_m = 500", "radius_m = 5", "`float` >= 25"),
        ('topic = "events.fight.won"', 'topic = "events.quest.progressed"', "cannot count as progress of a quest"),
        ('kind = "event"\ntopic = "events.fight.won"\nwhere = { ranked = true }', 'kind = "reach"\nlevel = 9',
         "the highest level is 4"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, right: str, wrong: str, said: str):
    assert right in QUESTS
    errors = errors_of(tmp_path, GOOD + QUESTS.replace(right, wrong))
    assert any(said in error for error in errors), errors
