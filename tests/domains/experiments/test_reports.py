"""Reports: made of what was kept, with windows that have ended, and honest about what cannot be said."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from overworld.domains.experiments import store
from overworld.domains.experiments.errors import BadTable, NoSuchFlag, NotMeasured
from overworld.domains.experiments.report.analysing import analysed
from overworld.domains.experiments.report.types import Report
from overworld.domains.experiments.rules import drawn
from overworld.domains.experiments.statistics.columns import Outcome, Subjects
from overworld.domains.experiments.types import Exposure, Fact, Metric, Rule, Variant
from tests.domains.experiments.conftest import HALVES, STAFF, body, measured, unit

HOUR = timedelta(hours=1)


async def play(lab, facts):
    async with lab.database.transaction() as tx:
        await lab.parts.facts.apply(tx, [Fact(*one) for one in facts])


async def test_a_report_counts_what_players_did_in_their_window_and_before_it(lab):
    await lab.flag("map", experiment=measured())
    players = [UUID(int=i) for i in range(40)]
    now = lab.clock.now()
    await lab.parts.evaluating.many([unit(one) for one in players])
    await play(
        lab,
        [
            *(("coins", one, now + 2 * HOUR, 3.0) for one in players),
            *(("coins", one, now + 23 * HOUR, 1.0) for one in players),
            *(("coins", one, now + 24 * HOUR, 100.0) for one in players),  # the window has ended
            *(("coins", one, now - 5 * HOUR, float(one.int)) for one in players),
            *(("coins", one, now - 49 * HOUR, 100.0) for one in players),  # before the time before
            *(("metres", one, now + HOUR, 100.0) for one in players),  # something else
        ],
    )
    early = await lab.parts.reports.make("map")
    assert (early.metrics[0].waiting, early.metrics[0].arms[0].players) == (40, 0)
    lab.clock.advance(timedelta(hours=24))
    report = await lab.parts.reports.make("map")
    [metric] = report.metrics
    counts = {arm.variant: arm.players for arm in report.arms}
    assert counts == {
        name: sum(drawn(HALVES, salt="map", unit=str(p)).name == name for p in players) for name in counts
    }
    assert (metric.waiting, sum(arm.players for arm in metric.arms)) == (0, 40)
    assert [arm.mean for arm in metric.arms] == [4.0, 4.0]
    assert metric.effects[0].finding == "too_few"
    assert (report.crossed, report.named, report.is_cut) == (0, 0, False)
    assert report.days[-1].players == [arm.players for arm in report.arms]


async def test_nothing_is_counted_before_the_log_has_been_read_so_far(lab):
    await lab.flag("map", experiment=measured())
    await lab.parts.evaluating.one(unit(UUID(int=1)), flag="map")
    lab.clock.advance(timedelta(days=3))
    lab.counted.until = lab.clock.now() - timedelta(days=2, hours=1)
    assert (await lab.parts.reports.make("map")).metrics[0].waiting == 1
    lab.counted.until = lab.clock.now() - timedelta(days=2)
    assert (await lab.parts.reports.make("map")).metrics[0].waiting == 0


async def test_facts_of_one_hour_add_up_whatever_portions_they_come_in(lab):
    player, at = UUID(int=1), lab.clock.now()
    await play(lab, [("coins", player, at, 1.0), ("coins", player, at + 59 * HOUR / 60, 2.0)])
    await play(lab, [("coins", player, at, 0.5), ("coins", player, at + HOUR, 7.0)])
    async with lab.database.read() as tx:
        rows = await tx.fetch("SELECT hour, value FROM experiments.fact ORDER BY hour")
    assert [row["value"] for row in rows] == [3.5, 7.0]


async def test_players_who_met_two_variants_or_were_named_one_are_counted_and_not_compared(lab):
    await lab.flag("map", Rule(when=(), variant="on", rollout_pct=0), Rule(), experiment=measured())
    flag, at = lab.parts.book.flags["map"], lab.clock.now()

    def shown(player, variant, day=0, randomised=True):
        when = at + timedelta(days=day)
        return Exposure(
            flag_id=flag.id,
            flag="map",
            allocation=1,
            player_id=UUID(int=player),
            day=when.date(),
            variant=variant,
            randomised=randomised,
            at=when,
        )

    async with lab.database.transaction() as tx:
        await store.expose(
            tx,
            [
                shown(1, "on"),
                shown(1, "off", day=1),
                shown(2, "on"),
                shown(2, "on", day=1),
                shown(3, "on", randomised=False),
            ],
        )
    report = await lab.parts.reports.make("map")
    assert (report.crossed, report.named, [arm.players for arm in report.arms]) == (1, 1, [0, 1])
    assert not report.is_sound
    assert "met two variants" in report.verdict[0]


async def test_a_flag_that_is_not_there_or_measures_nothing_has_no_report(lab):
    await lab.flag()
    with pytest.raises(NotMeasured):
        await lab.parts.reports.make("map")
    with pytest.raises(NoSuchFlag):
        await lab.parts.reports.make("no")


def experiment_of(n, *, effect, seed=3, waiting=0, guard=0.0):
    """A flag, subjects, and outcomes whose effect is known; the covariate says two thirds of the variance."""
    chance = np.random.default_rng(seed)
    arm, past = chance.integers(0, 2, n), chance.normal(50, 10, n)
    at_us = 1_780_000_000_000_000 + np.arange(n) * 60_000_000
    value = past + chance.normal(0, 7, n) + effect * arm
    subjects = Subjects(player_id=(), arm=arm, at_us=at_us)
    outcome = Outcome(arm=arm, at_us=at_us, value=value, before=past, waiting=waiting)
    rail = Outcome(arm=arm, at_us=at_us, value=chance.normal(100, 5, n) + guard * arm, before=np.full(n, np.nan))
    return subjects, {"coins": outcome, "metres": rail}


def numbers(told, *names):
    """Some numbers of a report, all of which can be said."""
    found = [getattr(told, name) for name in names]
    assert None not in found
    return found


async def report_on(lab, n, *, guard_rail=False, variants=HALVES, **planted) -> Report:
    rails = (Metric(name="metres", harm_pct=1.0),) if guard_rail else ()
    experiment = measured(guard_rails=rails)
    await lab.parts.flags.make("map", body(Rule(), variants=variants, experiment=experiment), staff=STAFF)
    subjects, outcomes = experiment_of(n, **planted)
    return analysed(lab.parts.book.flags["map"], experiment, subjects, outcomes, at=lab.clock.now())


async def test_a_planted_effect_is_found_inside_its_interval_and_said_in_words(lab):
    report = await report_on(lab, 20_000, effect=1.0, guard_rail=True)
    [found] = report.metrics[0].effects
    assert found.finding == "better"
    low, fixed_low, fixed_high, high, p = numbers(found, "low", "fixed_low", "fixed_high", "high", "p_value")
    assert low < fixed_low < 1.0 < fixed_high < high
    assert p < 0.05
    assert 0.3 < report.metrics[0].variance_left < 0.36
    assert report.metrics[1].effects[0].finding == "safe"
    assert report.verdict[0].startswith("on is better than off at coins: +")
    assert "no harm that matters" in report.verdict[1]
    assert len(found.course) == 40
    early, late = (numbers(found.course[i], "low", "high") for i in (1, -1))
    assert late[1] - late[0] < early[1] - early[0]
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


async def test_harm_to_a_guard_rail_is_told_before_secondary_things(lab):
    report = await report_on(lab, 20_000, effect=0.0, guard_rail=True, guard=-1.0)
    assert report.metrics[0].effects[0].finding == "unclear"
    assert report.metrics[1].effects[0].finding == "harmed"
    assert "does harm" in report.verdict[1]


async def test_a_metric_that_should_be_low_is_worse_when_it_rises(lab):
    experiment = measured(primary=Metric(name="coins", higher_is_better=False))
    await lab.flag("map", experiment=experiment)
    subjects, outcomes = experiment_of(20_000, effect=1.0)
    report = analysed(lab.parts.book.flags["map"], experiment, subjects, outcomes, at=lab.clock.now())
    assert report.metrics[0].effects[0].finding == "worse"


async def test_players_that_do_not_divide_as_asked_make_every_number_doubtful(lab):
    heavier = (HALVES[0], Variant(name="on", value=True, weight=2))
    report = await report_on(lab, 20_000, effect=1.0, variants=heavier)
    assert not report.ratio.is_sound
    assert not report.is_sound
    assert "find out why" in report.verdict[0]


async def test_alpha_is_shared_among_variants_so_that_three_are_no_three_chances(lab):
    three = (*HALVES, Variant(name="maybe", value=True))
    await lab.flag("map", variants=three, experiment=measured())
    subjects, outcomes = experiment_of(2_000, effect=0.0)
    report = analysed(lab.parts.book.flags["map"], measured(), subjects, outcomes, at=lab.clock.now())
    assert [effect.alpha for effect in report.metrics[0].effects] == [0.025, 0.025]
    assert report.metrics[0].effects[1].finding == "too_few"


async def test_a_report_on_nobody_says_so(lab):
    await lab.flag("map", experiment=measured())
    report = await lab.parts.reports.make("map")
    assert report.metrics[0].effects[0].finding == "too_few"
    assert report.days == []
    assert report.ratio.is_sound


def table_of(subjects, outcomes, names=("off", "on")):
    rows = []
    for metric, outcome in outcomes.items():
        rows += [
            {
                "player": f"p{i}",
                "exposed_at": int(at),
                "variant": names[arm],
                "metric": metric,
                "value": float(value),
                "before": None if np.isnan(before) else float(before),
            }
            for i, (arm, at, value, before) in enumerate(
                zip(outcome.arm, outcome.at_us, outcome.value, outcome.before, strict=True)
            )
        ]
    table = pa.Table.from_pylist(rows)
    at = table["exposed_at"].cast(pa.timestamp("us", "UTC"))
    return table.set_column(table.column_names.index("exposed_at"), "exposed_at", at)


async def test_an_arrow_table_gives_the_same_report_as_the_columns_it_was_made_of(lab):
    experiment = measured(guard_rails=(Metric(name="metres"),))
    await lab.flag("map", experiment=experiment)
    subjects, outcomes = experiment_of(3_000, effect=1.0)
    table = table_of(subjects, outcomes)
    told = await lab.parts.reports.of_table("map", table.take(np.random.default_rng(1).permutation(len(table))))
    expected = analysed(lab.parts.book.flags["map"], experiment, subjects, outcomes, at=lab.clock.now())
    assert told == expected
    dictionary = table.set_column(2, "variant", table["variant"].dictionary_encode())
    assert await lab.parts.reports.of_table("map", dictionary) == expected


async def test_a_table_that_says_two_things_of_a_player_is_refused_or_leaves_them_out(lab):
    await lab.flag("map", experiment=measured())
    table = table_of(*experiment_of(500, effect=0.0))
    with pytest.raises(BadTable):
        await lab.parts.reports.of_table("map", pa.concat_tables([table, table.slice(0, 1)]))
    with pytest.raises(BadTable) as refused:
        await lab.parts.reports.of_table("map", table.drop_columns(["before"]))
    assert refused.value.fields["column"] == "before"
    first = table.slice(0, 1).to_pylist()[0]
    other = first | {"variant": "on" if first["variant"] == "off" else "off", "metric": "metres"}
    only = table.filter(pa.compute.equal(table["metric"], "coins"))
    crossed = pa.concat_tables([only, pa.Table.from_pylist([other], schema=table.schema)])
    report = await lab.parts.reports.of_table("map", crossed)
    assert (report.crossed, report.metrics[0].arms[0].players + report.metrics[0].arms[1].players) == (1, 499)
