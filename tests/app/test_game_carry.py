"""What a game has to carry is read whole, and everything that is wrong with it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from overworld.app.game import check
from tests.app.test_game import GOOD, errors_of, written

CARRY = """
[items.types.potion]
title = "Potion"
level_min = 2
effects = { boost = { multiplier = "1.50", seconds = 60 } }

[items.types.chest]
unique = true
supply = 10
[[items.types.chest.effects.open]]
weight = 3
reward = { tokens = { pearl = "0.25" }, items = { potion = 2 }, badges = ["lucky"] }

[tools]
starter = "net"

[tools.types.net]
currency = "pearl"
durability = 100
repair_cost = "1.50"
levels = [{ efficiency = "1.00" }, { efficiency = "1.20", cost = "0.50", chance = "0.75" }]

[badges.lucky]
kind = "luck"
name = "Lucky"
"""


def test_what_there_is_to_carry_is_worked_out(tmp_path: Path):
    kit = check(written(tmp_path, GOOD + CARRY)).kit
    assert kit.starter == "net" and kit.levels == (10, 20, 40)
    net = kit.tools["net"]
    assert [(one.efficiency_bp, one.cost_minor, one.chance_bp) for one in net.levels] == [
        (10_000, 0, 10_000),
        (12_000, 50, 7_500),
    ]
    assert (net.title, net.repair_minor) == ("net", 150)
    chest = kit.items["chest"]
    [drop] = chest.drops
    assert (chest.supply, chest.unique, chest.weights) == (10, True, (3,))
    assert ([(code.code, minor) for code, minor in drop.tokens], drop.items) == ([("pearl", 25)], (("potion", 2),))


def test_a_game_may_have_nothing_to_carry(tmp_path: Path):
    game = check(written(tmp_path, GOOD))
    assert (game.kit.items, game.kit.tools, game.kit.starter, game.badges) == ({}, {}, None, {})


@pytest.mark.parametrize(
    ("instead_of", "wrong", "told"),
    [
        ('starter = "net"', 'starter = "nett"', "tools.starter: there is no tool `nett`; did you mean `net`?"),
        ('currency = "pearl"\ndur', 'currency = "perl"\ndur', "tools.types.net.currency: there is no currency `perl`"),
        ('repair_cost = "1.50"', 'repair_cost = "1.555"', "tools.types.net.repair_cost: pearl has 2 decimal places"),
        ("durability = 100\n", "", "tools.types.net.repair_cost: it never wears"),
        ('cost = "0.50"', 'cost = "0.005"', "tools.types.net.levels.1.cost: pearl has 2 decimal places"),
        ('"1.20"', '"0.00"', "tools.types.net.levels.1: an efficiency is 0.01 to 9.99"),
        ('"0.75"', '"1.75"', "tools.types.net.levels.1.chance"),
        ("potion = 2", "poton = 2", "there is no item `poton`; did you mean `potion`?"),
        ("potion = 2", "chest = 101", "101 at once; allowed: at most 100"),
        ('pearl = "0.25"', 'pearl = "0"', "is worth nothing"),
        ('pearl = "0.25"', 'shell = "1"', "there is no currency `shell`"),
        ('badges = ["lucky"]', 'badges = ["luck"]', "there is no badge `luck`"),
        ('multiplier = "1.50"', 'multiplier = "0.50"', "a boost multiplies by more than 1.00"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, instead_of: str, wrong: str, told: str):
    assert instead_of in GOOD + CARRY
    errors = errors_of(tmp_path, (GOOD + CARRY).replace(instead_of, wrong))
    assert any(told in error for error in errors), errors
