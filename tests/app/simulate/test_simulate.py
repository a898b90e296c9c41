"""Whole runs on a real PostgreSQL: the same seed gives the same, the sums are the ledger's, and a missed band fails."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from overworld.app.cli import main
from overworld.app.game import Game, check
from overworld.app.schemas import SCHEMAS
from overworld.app.simulate import told
from overworld.app.simulate.page import page
from overworld.app.simulate.profiles import city_for, people_of
from overworld.app.simulate.run import Options, simulate
from overworld.app.simulate.targets import EconomyRules, Targets
from overworld.app.simulate.turns import Calendar, stretches

SMALL = Options(players=20, days=2, seed=7)

pytestmark = pytest.mark.slow


async def report_of(database, game, options=SMALL):
    days: list[int] = []
    report = await simulate(game, options, database=database, told=lambda day, _: days.append(day))
    assert days == list(range(1, options.days + 1))
    return report


PLAIN = """
[game]
name = "field"
title = "The Field"

[currencies.coin]

[collectibles.types.bronze]
weight = 7
value = "1"
currency = "coin"

[collectibles.types.gold]
weight = 3
value = "20"
currency = "coin"

[progression]
experience_per_unit = 1
levels = [50, 190, 400, 700, 1060, 1500]
"""
WHOLE = """
[tools]
starter = "pick"

[tools.types.pick]
currency = "coin"
durability = 10
repair_cost = "40"
levels = [{ efficiency = "1.00" }, { efficiency = "1.50", cost = "20", chance = "0.5" }]

[items.types.tonic]
effects = { boost = { multiplier = "2", seconds = 1800 } }

[quests.first_steps]
title = "First steps"
objectives = [{ kind = "collect", count = 5 }]
rewards = { tokens = { coin = "50" }, experience = 20, items = { tonic = 1 } }

[quests.walk]
title = "Walk"
type = "daily"
objectives = [{ kind = "walk", metres = 900 }]
rewards = { tokens = { coin = "10" } }
"""


@pytest.fixture
def plain(tmp_path: Path) -> Game:
    """A game in which there is nothing to do but to collect."""
    return written(tmp_path, PLAIN)


@pytest.fixture
def whole(tmp_path: Path) -> Game:
    """A game with everything that people can do."""
    return written(tmp_path, PLAIN + WHOLE)


def written(folder: Path, text: str) -> Game:
    (folder / "game.toml").write_text(text)
    return check(folder)


async def test_people_quest_tend_their_tools_and_use_what_they_get(open_database, whole):
    """Each of them goes through the service that answers players, and shows in the ledger under its own code."""
    async with open_database(*SCHEMAS) as database:
        report = await report_of(database, whole)
    made, taken = ({one.code: one for one in some} for some in (report.flows.faucets, report.flows.sinks))
    quests = {one.quest: one for one in report.quests}
    assert report.faults == []
    assert set(made) == {"collect", "reward"} and set(taken) == {"upgrade", "repair"}
    assert quests["first_steps"].started >= quests["first_steps"].completed > 0
    assert quests["walk"].completed > 0 and quests["walk"].failed > 0
    assert made["reward"].amount_minor == 50 * quests["first_steps"].completed + 10 * quests["walk"].completed
    assert taken["upgrade"].amount_minor == 20 * taken["upgrade"].count
    assert report.events["events.item.used"] == report.asked["use"] - report.refused.get("gameplay.no_such_item", 0)
    assert 0 < (report.figures["sinks_share"] or 0) < 1
    assert report.figures["quest_completion"] == pytest.approx(
        sum(one.completed for one in report.quests) / sum(one.started for one in report.quests)
    )


CLUBS = """
[memberships.founders]
title = "Founders"
cap = 1
benefits = { reward_multiplier = "2" }

[memberships.patrons]
title = "Patrons"
price = "3"
currency = "coin"
duration_days = 1
"""


async def test_people_join_clubs_pay_for_them_and_are_paid_as_members(open_database, tmp_path):
    """A cap is a cap, a price goes back to the issuance, and a founder's coins are worth twice as much."""
    game = written(tmp_path, PLAIN + CLUBS)
    async with open_database(*SCHEMAS) as database:
        report = await report_of(database, game, replace(SMALL, days=3))
        async with database.read() as tx:
            founders = await tx.fetch("SELECT account_id FROM accounts.membership WHERE club = 'founders'")
            doubled = await tx.fetchval(
                "SELECT count(*) FROM ledger.transfer JOIN ledger.account ON account.id = credit_id"
                " WHERE transfer.code = 1 AND amount IN (2, 40) AND owner_id = $1",
                founders[0]["account_id"],
            )
            others = await tx.fetchval(
                "SELECT count(*) FROM ledger.transfer JOIN ledger.account ON account.id = credit_id"
                " WHERE transfer.code = 1 AND amount IN (2, 40) AND owner_id <> $1",
                founders[0]["account_id"],
            )
    [sink] = report.flows.sinks
    assert len(founders) == 1 and doubled > 0 == others
    assert (sink.code, sink.amount_minor) == ("membership", 3 * sink.count) and sink.count > 0
    assert report.faults == []


async def test_the_games_own_rule_for_claims_decides_what_they_pay(open_database, tmp_path):
    (tmp_path / "rules.py").write_text("def on_claim(claims):\n    return {'multiplier_bp': [30_000] * len(claims)}\n")
    game = written(tmp_path, PLAIN)
    async with open_database(*SCHEMAS) as database:
        report = await report_of(database, game)
        async with database.read() as tx:
            amounts = await tx.fetch("SELECT DISTINCT amount FROM ledger.transfer ORDER BY 1")
    assert [row["amount"] for row in amounts] == [3, 60]
    assert report.faults == []


async def test_the_same_seed_gives_the_same_figures_on_another_database(open_database, whole):
    reports = []
    for _ in range(2):
        async with open_database(*SCHEMAS) as database:
            reports.append(replace(await report_of(database, whole), took_s={}, disk_bytes={}))
    assert reports[0] == reports[1]
    assert reports[0].asked["collect"] > 100


async def test_every_sum_is_what_the_ledger_has(open_database, plain):
    async with open_database(*SCHEMAS) as database:
        report = await report_of(database, plain)
        async with database.read() as tx:
            transfers = await tx.fetchrow("SELECT count(*) AS n, sum(amount) AS minor FROM ledger.transfer")
            held = await tx.fetchval(
                "SELECT sum(credits_posted - debits_posted) FROM ledger.account WHERE code = 'wallet'"
            )
            rose = await tx.fetchval("SELECT sum(level - 1) FROM gameplay.player")
    collected = report.asked["collect"] - sum(report.refused.values())
    [faucet] = report.flows.faucets
    assert report.faults == []
    assert (faucet.code, faucet.count, faucet.amount_minor) == ("collect", collected, held)
    assert (transfers["n"], transfers["minor"]) == (faucet.count, faucet.amount_minor)
    assert report.supply_minor == {"coin": held} == {"coin": report.by_day[-1].supply_minor}
    assert sum(day.made_minor - day.taken_back_minor for day in report.by_day) == held
    assert report.events["events.level.reached"] <= rose


async def test_the_daily_cap_of_the_game_holds_its_players_back(open_database, plain):
    """The rules that decide are the game's: with a cap of 5 nobody has more than 5 a day, and is told so once."""
    capped = replace(plain, collectibles=replace(plain.collectibles, daily_cap=5))
    async with open_database(*SCHEMAS) as database:
        report = await report_of(database, capped)
        async with database.read() as tx:
            most = await tx.fetchval(
                "SELECT max(n) FROM (SELECT count(*) AS n FROM ledger.transfer"
                " GROUP BY credit_id, (at AT TIME ZONE 'UTC')::date) AS day"
            )
    assert most == 5
    assert report.refused["gameplay.cap_reached"] > 0


async def test_a_page_and_a_table_tell_the_report_and_load_nothing(open_database, whole):
    targets = Targets(gini=(0.0, 0.01), claims_per_player_day=(1, 500), inflation_per_day=(0, 1))
    game = replace(whole, economy=EconomyRules(targets=targets))
    async with open_database(*SCHEMAS) as database:
        report = await report_of(database, game)
    text = "\n".join(told.lines(report))
    assert re.search(r"^gini +0\.\d+ +0 to 0\.01 +missed$", text, re.MULTILINE)
    assert re.search(r"^claims_per_player_day +[\d.]+ +1 to 500 +met$", text, re.MULTILINE)
    assert re.search(r"^inflation_per_day +- +0 to 1 +open$", text, re.MULTILINE)
    assert text.endswith(f"Missed: gini should be 0 to 0.01: {report.missed[0].why}.")
    html = page(report)
    assert html.count("<svg") == 6
    assert not re.search(r"""(?:src|href)\s*=|url\(|@import|<script""", html)
    HTMLParser().feed(html)
    assert told.verdict(report)[0] in html


async def test_a_run_in_which_nobody_played_can_be_told(open_database, plain):
    """No figure has a value, and nothing is divided by nothing."""
    seeds = range(100)
    idle = next(seed for seed in seeds if not _plays(seed))
    async with open_database(*SCHEMAS) as database:
        report = await report_of(database, plain, Options(players=1, days=1, seed=idle))
    assert report.asked == {} and set(report.figures.values()) == {None}
    assert "<svg" in page(report)
    assert list(told.lines(report))[-1].startswith("The books add up")


def _plays(seed: int) -> bool:
    calendar = Calendar(people_of(city_for(1, lat_deg=46, lng_deg=14), players=1, seed=seed))
    return any(calendar.turn(*each).outings for each in stretches(days=1, window_s=1_800, offset_s=0))


def test_the_command_fails_when_a_band_is_missed_and_says_by_how_much(tmp_path, monkeypatch, capsys):
    written(tmp_path, f"{PLAIN}\n[economy.targets]\nclaims_per_player_day = [1000, 2000]\n")
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "report"
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "economy", "--players", "5", "--days", "1", "--game", ".", "--out", str(out), "--json"])
    assert ended.value.code == 1
    printed = msgspec.json.decode(capsys.readouterr().out)
    [target] = printed["targets"]
    assert target["is_missed"] and target["why"].endswith("below it")
    assert msgspec.json.decode((out / "economy.json").read_bytes()) == printed
    assert target["why"] in (out / "economy.html").read_text()
    assert not list(Path(tmp_path).glob("data"))
