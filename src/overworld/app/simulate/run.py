"""Plays a game's economy for some days and reads what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from overworld.app.demo.city import City
from overworld.app.demo.settings import DemoSettings
from overworld.app.game import Game
from overworld.app.simulate import books, figures
from overworld.app.simulate.activities import activities_of
from overworld.app.simulate.books import Flows, Standing
from overworld.app.simulate.chronicle import Chronicle
from overworld.app.simulate.figures import Day, ProfileFigures, Report
from overworld.app.simulate.profiles import PROFILES, Person, city_for, people_of
from overworld.app.simulate.stage import Stage, opened
from overworld.app.simulate.targets import judged
from overworld.app.simulate.turns import BEGINS, Calendar, Tally, stretches
from overworld.domains.ledger.audit import books as audited
from overworld.geo import cells
from overworld.kernel.clock import to_us
from overworld.platform.postgres import Database

_HOME = DemoSettings()
"""The city lies where that of the demo does."""

Told = Callable[[int, int], None]
"""Called after each day with how many are over, and how many there are."""


class Options(Struct, frozen=True, kw_only=True):
    """How many play for how long, and which people they are."""

    players: int
    days: int
    seed: int


async def simulate(game: Game, options: Options, *, database: Database, told: Told) -> Report:
    """The report of a run on a migrated database in which nothing has happened yet."""
    began_s = time.monotonic()
    cells.warm()
    city = city_for(options.players, lat_deg=_HOME.lat, lng_deg=_HOME.lng)
    people = people_of(city, players=options.players, seed=options.seed)
    tally = Tally()
    async with opened(game, database=database, seed=options.seed) as stage:
        await stage.admit([person.id for person in people])
        chronicle = Chronicle(database)
        await _play(stage, people, city=city, days=options.days, tally=tally, chronicle=chronicle, told=told)
        played_s = time.monotonic()
        report = await _report(stage, people, options=options, tally=tally, chronicle=chronicle)
    took_s = {"play": round(played_s - began_s, 1), "read": round(time.monotonic() - played_s, 1)}
    return replace(report, took_s=took_s)


async def _play(
    stage: Stage, people: Sequence[Person], *, city: City, days: int, tally: Tally, chronicle: Chronicle, told: Told
) -> None:
    activities = activities_of(stage, city=city, tally=tally)
    calendar = Calendar(people)
    window_s = stage.game.collectibles.window_s
    begins_s = to_us(BEGINS) // 1_000_000
    day = 0
    for turn in (
        calendar.turn(*each) for each in stretches(days=days, window_s=window_s, offset_s=begins_s % window_s)
    ):
        if turn.day > day:
            await chronicle.read_on()
            told(turn.day, days)
            day = turn.day
        for activity in activities:
            await activity.play(turn)
    await chronicle.read_on()
    told(days, days)


async def _report(
    stage: Stage, people: Sequence[Person], *, options: Options, tally: Tally, chronicle: Chronicle
) -> Report:
    game, ids = stage.game, [person.id for person in people]
    currency = game.economy.currency or game.currencies[0].code
    scale = next(one.scale for one in game.currencies if one.code == currency)
    async with stage.database.transaction() as tx:
        await books.prepare(tx)
        flows = await books.flows(tx)
        day_flows, collectors = await books.days(tx), await books.collectors(tx)
        held = await books.wallets(tx, currency, of=ids)
        standings = await books.standings(tx, of=ids)
        supplies = await books.supplies(tx)
        faults = [*await audited.faults(tx), *_unexplained(flows, supplies)]
        disk = await books.disk_bytes(tx)
    run = figures.by_day(day_flows, currency=currency, begins=BEGINS.date(), days=options.days, players=collectors)
    levels = figures.level_figures(chronicle.rose, [str(player_id) for player_id in ids], begins=BEGINS)
    quests = chronicle.quest_figures()
    collected = sum(one.collected for one in standings)
    values = _values(run, flows=flows, currency=currency, scale=scale, held=held, collected=collected)
    values |= {f"days_to_level_{one.level}": one.median_days for one in levels}
    started = sum(quest.started for quest in quests)
    values["quest_completion"] = sum(quest.completed for quest in quests) / started if started else None
    return Report(
        game=game.name,
        version=game.digest[:12],
        seed=options.seed,
        players=options.players,
        days=options.days,
        currency=currency,
        scale=scale,
        figures=values,
        targets=judged(game.economy.targets, values, days=options.days),
        flows=flows,
        supply_minor={code: owed for code, (owed, _) in sorted(supplies.items())},
        by_day=run,
        levels=levels,
        quests=quests,
        profiles=_profiles(people, held=held, standings=standings, scale=scale, days=options.days),
        lorenz=figures.lorenz(held),
        asked=dict(sorted(tally.asked.items())),
        refused=dict(tally.refused.most_common()),
        events=dict(sorted(chronicle.counts.items())),
        faults=faults,
        took_s={},
        disk_bytes=disk,
    )


def _values(
    run: Sequence[Day], *, flows: Flows, currency: str, scale: int, held: Sequence[int], collected: int
) -> dict[str, float | None]:
    player_days = sum(day.players for day in run)
    return {
        "inflation_per_day": figures.inflation_per_day(run),
        "growth_per_player_day": figures.growth_per_player_day(run, scale=scale),
        "sinks_share": figures.sinks_share(flows, currency),
        "gini": figures.gini(held),
        "top_1_percent": figures.top_share(held, 0.01),
        "claims_per_player_day": collected / player_days if player_days else None,
    }


def _unexplained(flows: Flows, supplies: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """Where what was made less what was taken back is not what there is."""
    for currency, (owed, held) in supplies.items():
        grown = figures.total(flows.faucets, currency) - figures.total(flows.sinks, currency)
        if not grown == owed == held:
            yield f"{currency}: {grown} was made and not taken back, issuance owes {owed}, {held} is held"


def _profiles(
    people: Sequence[Person], *, held: Sequence[int], standings: Sequence[Standing], scale: int, days: int
) -> list[ProfileFigures]:
    found = []
    for profile in PROFILES:
        numbers = [person.number for person in people if person.profile is profile]
        n = max(1, len(numbers))
        found.append(
            ProfileFigures(
                name=profile.name,
                players=len(numbers),
                claims_per_day=sum(standings[i].collected for i in numbers) / n / days,
                held=sum(held[i] for i in numbers) / n / 10**scale,
                level=sum(standings[i].level for i in numbers) / n,
            )
        )
    return found
