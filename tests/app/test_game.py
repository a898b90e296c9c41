"""A definition is read whole or refused whole, with every error named, placed and explained."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from overworld.app.game import GameErrors, check, found
from overworld.domains.ledger.rules import limits_of
from overworld.domains.ledger.types import SendLimits
from overworld.domains.world.types import InterestRules, TravelMode
from overworld.kernel.money import Currency

GOOD = """\
[game]
name = "pond"
title = "The Pond"

[routes]
collectibles = "shells"

[currencies.pearl]
scale = 2

[collectibles]
reach_m = 30

[collectibles.types.shell]
weight = 3
value = "0.25"
currency = "pearl"

[progression]
experience_per_unit = 4
levels = [10, 20, 40]
"""


def written(folder: Path, text: str) -> Path:
    (folder / "game.toml").write_text(text)
    return folder


def errors_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(GameErrors) as refused:
        check(written(folder, text))
    return [str(error) for error in refused.value.errors]


def test_a_game_names_its_travel_modes(tmp_path):
    modes = "[movement.modes.walk]\nspeed_max_km_h = 12\n[movement.modes.car]\nspeed_max_km_h = 130\nearns = false\n"
    game = check(written(tmp_path, GOOD.replace("[routes]", f"{modes}[routes]")))
    assert game.movement.modes == {
        "walk": TravelMode(speed_max_km_h=12),
        "car": TravelMode(speed_max_km_h=130, earns=False),
    }


def test_ore_has_the_documented_defaults():
    """spec/gameplay.md: half an hour, level 15, four a cell, 50 m, 500 a day; spec/wire.md: `coins`."""
    ore = check(found("ore"))
    rules = ore.collectibles
    assert (ore.name, ore.planet, ore.routes.collectibles) == ("ore", "earth", "coins")
    assert (rules.window_s, rules.cell_level, rules.mean_per_cell) == (1800, 15, 4)
    assert (rules.reach_m, rules.daily_cap) == (50, 500)
    assert ore.currencies == (Currency("coin"),) and len(ore.progression.levels) == 49


def test_a_game_says_what_players_see_of_each_other(tmp_path):
    """What it does not say stands in spec/world.md: 200 m around, 200 others, strangers coarse, half a metre."""
    written_out = '[interest]\nradius_m = 200\nvisible_max = 200\nstrangers = "coarse"\nerror_m = 0.5\n'
    silent, spoken = check(written(tmp_path, GOOD)), check(written(tmp_path, GOOD + written_out))
    assert silent.interest == spoken.interest == InterestRules()
    assert silent.digest == spoken.digest
    own = check(written(tmp_path, GOOD + '[interest]\nradius_m = 80\nstrangers = "exact"\nerror_m = 0\n'))
    assert own.interest == InterestRules(radius_m=80, strangers="exact", error_m=0)
    assert own.digest != silent.digest, "clients see that the rules have changed"


def test_a_good_definition_becomes_values(tmp_path):
    game = check(written(tmp_path, GOOD))
    assert game.file == tmp_path / "game.toml" and check(game.file) == game
    assert (game.title, game.currencies) == ("The Pond", (Currency("pearl", 2),))
    assert (game.collectibles.types["shell"].value, game.collectibles.reach_m) == ("0.25", 30.0)
    assert game.progression.levels == (10, 20, 40)


def test_nothing_can_be_sent_unless_the_game_says_so(tmp_path):
    assert check(written(tmp_path, GOOD)).transfers.currencies == {}
    limits = '[transfers.currencies.pearl]\nper_transfer_max = "1.50"\nper_day_max = "2"\n'
    spoken = check(written(tmp_path, GOOD + limits)).transfers
    assert limits_of(spoken, {"pearl": Currency("pearl", 2)}) == {"pearl": SendLimits(150, 200, 20)}


CLUB = """
[memberships.shoal]
title = "The Shoal"
founding = true
price = "2.50"
currency = "pearl"
benefits = { reward_multiplier = "1.5", token_life_min = 20 }
"""


def test_what_a_membership_multiplies_becomes_a_member_bonus(tmp_path):
    text = GOOD.replace('collectibles = "shells"', 'collectibles = "shells"\nmemberships = "shoal"') + CLUB
    game = check(written(tmp_path, text))
    assert (game.routes.memberships, game.memberships["shoal"].benefits.token_life_min) == ("shoal", 20)
    assert game.collectibles.member_bonus == {"shoal": "0.5"}
    assert game.digest != check(written(tmp_path, GOOD)).digest


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('price = "2.50"', 'price = "0"', "memberships.shoal.price: is worth nothing; allowed: a value above 0"),
        ('"pearl"\nben', '"gem"\nben', "memberships.shoal.currency: there is no currency `gem`; known here: pearl"),
        ('price = "2.50"\n', "", "memberships.shoal: price and currency go together"),
        ("token_life_min = 20", "token_life_min = 31", "memberships.shoal.benefits.token_life_min: "),
        ("founding = true\n", "", "line 7: routes.memberships: there is no founding club that this could stand for"),
        ('memberships = "pods"', 'memberships = "game"', "line 7: routes.memberships: `/v1/game` has another meaning"),
        ("reach_m = 30", 'reach_m = 30\nmember_bonus = { shoal = "0.1" }', "collectibles.member_bonus says already"),
    ],
)
def test_a_club_that_cannot_be_is_refused(tmp_path, old, new, error):
    text = GOOD.replace('collectibles = "shells"', 'collectibles = "shells"\nmemberships = "pods"') + CLUB
    assert old in text
    found_wrong = errors_of(tmp_path, text.replace(old, new))
    assert len(found_wrong) == 1 and error in found_wrong[0]


def test_one_club_at_most_is_the_founding_one(tmp_path):
    second = CLUB.replace("memberships.shoal", "memberships.school")
    assert errors_of(tmp_path, GOOD + CLUB + second) == [
        "line 32: memberships.school.founding: shoal is the founding club already"
    ]


def test_the_digest_is_of_the_content_not_of_its_writing(tmp_path):
    """Comments, order and spelled-out defaults change nothing; a value does."""
    digest = check(written(tmp_path, GOOD)).digest
    other = "# a comment\n" + GOOD.replace("weight = 3", "").replace('currency = "pearl"', 'currency="pearl"\nweight=3')
    assert check(written(tmp_path, other.replace("reach_m = 30", "reach_m = 30.0\nwindow_s = 1800"))).digest == digest
    assert check(written(tmp_path, GOOD.replace("weight = 3", "weight = 4"))).digest != digest


def test_everything_wrong_is_found_at_once_with_its_line(tmp_path):
    """Unknown keys, wrong types and bounds in five tables, in the order of the file."""
    text = (
        GOOD.replace('name = "pond"', 'name = "The Pond"')
        .replace("scale = 2", 'scale = "two"')
        .replace("reach_m = 30", "reach = 30\ndaily_cap = 0")
        .replace("weight = 3", "weight = -3")
        .replace("experience_per_unit = 4\n", "")
    )
    assert errors_of(tmp_path, text) == [
        "line 2: game.name: Expected `str` matching regex '^[a-z][a-z0-9_-]{0,31}$'; "
        "allowed: text of the form ^[a-z][a-z0-9_-]{0,31}$",
        "line 9: currencies.pearl.scale: Expected `int`, got `str`; allowed: a whole number from 0 to 18",
        "line 12: collectibles.reach: unknown key; did you mean `reach_m`?",
        "line 13: collectibles.daily_cap: Expected `int` >= 1; allowed: a whole number from 1 to 1000000",
        "line 16: collectibles.types.shell.weight: Expected `int` >= 0; allowed: a whole number from 0 to 1000000",
        "line 20: progression.experience_per_unit: is missing; allowed: a whole number from 0 to 1000000",
    ]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (
            'currency = "pearl"',
            'currency = "perl"',
            "line 17: collectibles.types.shell.currency: there is no currency `perl`; did you mean `pearl`?",
        ),
        (
            'value = "0.25"',
            'value = "0.125"',
            "line 16: collectibles.types.shell.value: pearl has 2 decimal places: '0.125'",
        ),
        (
            'value = "0.25"',
            'value = "0.00"',
            "line 16: collectibles.types.shell.value: is worth nothing; allowed: a value above 0",
        ),
        (
            "[10, 20, 40]",
            "[10, 20, 20]",
            "line 21: progression.levels.2: 20 does not grow: the level before begins at 20",
        ),
        ('"shells"', '"inventory"', "line 6: routes.collectibles: `inventory` already stands for inventory"),
        (
            "[10, 20, 40]",
            '[10, "x", -1]',
            "line 21: progression.levels.1: Expected `int`, got `str`; "
            "allowed: a whole number from 1 to 9007199254740992",
        ),
        (
            "[progression]",
            '[transfers.currencies.perl]\nper_transfer_max = "1"\nper_day_max = "1"\n[progression]',
            "line 19: transfers.currencies.perl: there is no currency `perl`; did you mean `pearl`?",
        ),
        (
            "[progression]",
            '[transfers.currencies.pearl]\nper_transfer_max = "0.001"\nper_day_max = "1"\n[progression]',
            "line 20: transfers.currencies.pearl.per_transfer_max: pearl has 2 decimal places: '0.001'",
        ),
        (
            "[progression]",
            '[transfers.currencies.pearl]\nper_transfer_max = "1"\nper_day_max = "0"\n[progression]',
            "line 21: transfers.currencies.pearl.per_day_max: is worth nothing; allowed: a value above 0",
        ),
        (
            "[progression]",
            '[leaderboards.best]\ncounts = "perl"\n[progression]',
            "line 20: leaderboards.best.counts: there is no currency `perl`; did you mean `pearl`?",
        ),
        (
            "[progression]",
            '[leaderboards.best]\nresets = "0 25 * * *"\n[progression]',
            "line 20: leaderboards.best.resets: hour '25' is not one of 0 to 23;"
            " allowed: never, daily, weekly, monthly, or a cron expression of five fields",
        ),
        (
            "[progression]",
            '[transfers.currencies.pearl]\nper_transfer_max = "2"\nper_day_max = "1.5"\n[progression]',
            "line 20: transfers.currencies.pearl.per_transfer_max: 2 at once is more than the 1.5 of a day",
        ),
        ("[progression]", "[progresion]", "line 19: progresion: unknown key; did you mean `progression`?"),
        ("[currencies.pearl]\nscale = 2", "[currencies]", "line 8: currencies: has 0 entries; allowed: at least 1"),
        ("[currencies.pearl]\nscale = 2", "[currencies]\npearl = 2", "line 9: currencies.pearl: must be a table"),
        ("[routes]", "[movement]\nspeed_max_km_h = 900\nteleport_km_h = 800\n[routes]", "line 5: movement: teleport_"),
        (
            "[routes]",
            "[movement.modes.car]\nspeed_max_km_h = 200\n[routes]",
            "line 5: movement: no mode's speed_max_km_h may be above that of all movement",
        ),
        (
            "[routes]",
            "[interest]\nvisible_max = 0\n[routes]",
            "line 6: interest.visible_max: Expected `int` >= 1; allowed",
        ),
        ("[routes]", "[interest]\nradius_m = 4_000\n[routes]", "line 6: interest.radius_m: Expected `float` <= 3000.0"),
        (
            "[routes]",
            "[interest]\nerror_m = -1\n[routes]",
            "line 6: interest.error_m: Expected `float` >= 0.0; allowed",
        ),
        (
            "[routes]",
            '[interest]\nstrangers = "exactly"\n[routes]',
            "line 6: interest.strangers: Invalid enum value 'exactly'; allowed: one of coarse",
        ),
        (
            "[routes]",
            "[interest]\nradius = 9\n[routes]",
            "line 6: interest.radius: unknown key; did you mean `radius_m`?",
        ),
        ("reach_m = 30", "reach_m = nan", "line 12: collectibles.reach_m: Expected `float` > 0.0; allowed: a number"),
        ("reach_m = 30", 'day = "moon"', "line 12: collectibles.day: Invalid enum value 'moon'; allowed: one of"),
        ("reach_m = 30", "trust_min = 1.1", "line 12: collectibles.trust_min: Expected `float` <= 1.0"),
        (
            "reach_m = 30",
            'member_bonus = { gold = "-0.25" }',
            "line 12: collectibles.member_bonus.gold: Expected `str` matching regex",
        ),
        (
            "weight = 3",
            "weight = 3\ncooldown_s = -1",
            "line 16: collectibles.types.shell.cooldown_s: Expected `int` >= 0",
        ),
        ("weight = 3", "weight = 3 4", "line 15: Expected newline or end of document after a statement"),
    ],
)
def test_each_fault_is_placed_and_explained(tmp_path, old, new, error):
    assert old in GOOD
    assert any(line.startswith(error) for line in errors_of(tmp_path, GOOD.replace(old, new)))


def test_a_text_within_quotes_is_not_taken_for_a_table(tmp_path):
    """The line of an error is that of the real key."""
    text = GOOD.replace('title = "The Pond"', 'title = """\n[collectibles]\nreach_m = 1\n"""')
    assert errors_of(tmp_path, text.replace("reach_m = 30", "reach_m = 0"))[0].startswith(
        "line 15: collectibles.reach_m"
    )


def test_the_list_is_printed_under_the_name_of_the_file(tmp_path):
    with pytest.raises(GameErrors) as refused:
        check(written(tmp_path, GOOD.replace("weight = 3", "weight = -1").replace("scale = 2", "scale = 19")))
    assert str(refused.value).splitlines() == [
        f"{tmp_path / 'game.toml'}: 2 errors",
        "  line 9: currencies.pearl.scale: Expected `int` <= 18; allowed: a whole number from 0 to 18",
        "  line 15: collectibles.types.shell.weight: Expected `int` >= 0; allowed: a whole number from 0 to 1000000",
    ]


@pytest.mark.parametrize(
    ("content", "error"),
    [(None, "cannot be read: No such file"), (b"\xff\xfe", "is not UTF-8"), (b"#" * 2**21, "is larger than")],
)
def test_a_file_that_cannot_be_read_is_an_error_like_any_other(tmp_path, content, error):
    file = tmp_path / "game.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(GameErrors) as refused:
        check(file)
    assert str(refused.value.errors[0]).startswith(error)


def test_a_pipe_or_a_folder_is_refused_and_not_waited_for(tmp_path):
    (tmp_path / "folder" / "game.toml").mkdir(parents=True)
    os.mkfifo(tmp_path / "game.toml")
    for place in (tmp_path / "folder", tmp_path):
        with pytest.raises(GameErrors, match="is not a file"):
            check(place)


def test_a_game_is_found_by_name_or_by_path(tmp_path):
    written(tmp_path, GOOD)
    assert found("ore").name == "ore" and check(found("ore")).name == "ore"
    assert found(str(tmp_path)) == found(str(tmp_path / "game.toml")) == tmp_path


@pytest.mark.parametrize("name", ["a" * 5_000, "~nobody-has-this-name/game"])
def test_a_path_that_cannot_be_looked_at_is_no_game(name):
    with pytest.raises(GameErrors):
        found(name)


@pytest.mark.parametrize(("name", "hint"), [("oar", "did you mean `ore`?"), ("zzzzzz", "ore")])
def test_a_game_that_is_not_there_is_told_from_those_that_are(name, hint):
    with pytest.raises(GameErrors, match="there is no game") as refused:
        found(name)
    assert hint in str(refused.value)
