"""`script/prove fairplay`: whether cheaters are found in ten minutes of play, and honest players left alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from bench.prove.fairplay.crowd import HARD, Crowd, crowd, why_hard
from bench.prove.fairplay.flights import flights
from bench.prove.fairplay.journeys import prove_flights, prove_tracks
from bench.prove.fairplay.judge import Judged, judge
from bench.prove.fairplay.logged import alike, folded
from bench.prove.fairplay.report import by_kind, faults, split, table, told
from bench.prove.fairplay.tracks import variants
from bench.prove.fairplay.world import Occasion
from bench.prove.outcome import Outcome, conclude, say
from overworld.app.simulate.stage import own_database
from overworld.platform.postgres import Database

_HARD_EACH = 10
_LOGGED_CHEATERS = 0.3  # so that there is evidence of every kind to compare

Count = Annotated[int, Parameter(validator=Number(gte=0, lte=1_000_000))]
Share = Annotated[float, Parameter(validator=Number(gte=0, lte=1))]


def fairplay(
    *,
    players: Annotated[int, Parameter(validator=Number(gte=200, lte=1_000_000))] = 10_000,
    cheaters: Share = 0.02,
    logged: Count = 500,
    tracks: Count = 1_000,
    flyers: Count = 20,
    windows: Path | None = None,
    seed: int = 1,
) -> int:
    """Finds cheaters within ten minutes of play and leaves the honest alone, on virtual time.

    A crowd made from how receivers err and what tools do goes through the real engine and the real core of trust: 95 %
    of each kind of cheater must be found, 0.1 % of the honest at most suspected, and the same crowd judged twice alike.
    A part goes through the log and the fold on PostgreSQL, too, with the same verdicts. Nobody on a real track with
    noise falls below normal; who flies once plays on, who does so every five minutes does not.

    Parameters
    ----------
    players
        How many players.
    cheaters
        Share of them who cheat.
    logged
        How many players go through PostgreSQL as well; 0 leaves it out.
    tracks
        How many variants of real tracks; 0 leaves them out.
    flyers
        How many fly once, and how many again and again; 0 leaves them out.
    windows
        File to write what the windows of each kind look like to, as a table in Markdown.
    seed
        Makes the crowds.
    """
    outcome = asyncio.run(
        _prove(players, cheaters, logged=logged, tracks=tracks, flyers=flyers, windows=windows, seed=seed)
    )
    return conclude("fairplay", outcome, seed=seed)


async def _prove(
    players: int, cheaters: float, *, logged: int, tracks: int, flyers: int, windows: Path | None, seed: int
) -> Outcome:
    whole = crowd(players=players, cheaters_share=cheaters, seed=seed, hard_each=_HARD_EACH)
    judged = await judge(whole)
    if windows is not None:
        await asyncio.to_thread(windows.write_text, "\n".join(judged.features.lines()) + "\n")
    parts = [detected(judged, again=await judge(whole))]
    if logged:
        some = crowd(players=logged, cheaters_share=_LOGGED_CHEATERS, seed=seed + 1)
        async with own_database() as database:
            parts.append((await through_the_log(some, database=database))[1])
    if tracks:
        parts.append(await prove_tracks(variants(count=tracks, seed=seed)))
    if flyers:
        parts.append(await prove_flights(flights(each=flyers, seed=seed)))
    figures: dict[str, Any] = {}
    for part in parts:
        figures |= part.figures
    return Outcome(figures, [fault for part in parts for fault in part.faults])


def detected(judged: Judged, *, again: Judged) -> Outcome:
    """Who of a crowd was suspected, kind by kind, and that it was so both times."""
    honest, cheats, hard = split(by_kind(judged))
    for title, kinds in (("honest", honest), ("cheaters", cheats), ("hard kinds", hard)):
        for line in table(title, kinds):
            say(line)
    for kind in HARD:
        say(f"  {kind}: {why_hard(kind)}")
    found = faults(honest, cheats)
    if judged.digest != again.digest:
        found.append(f"the same crowd was judged twice, to {judged.digest} and to {again.digest}")
    alarms = sum(one.suspected for one in honest)
    figures = {
        "honest": sum(one.players for one in honest),
        "cheaters": sum(one.players for one in cheats),
        "false_alarms": alarms,
        "detected": sum(one.suspected for one in cheats),
        "facts": dict(judged.facts),
        "claims_unpaid": judged.world.claims_refused,
        "digest": judged.digest,
        "honest_kinds": told(honest),
        "cheating_kinds": told(cheats),
        "hard_kinds": told(hard),
    }
    return Outcome(figures, found)


async def through_the_log(part: Crowd, *, database: Database) -> tuple[Judged, Outcome]:
    """That the fold on a migrated, empty database finds what the core does: the same evidence at the same times.

    Weights may differ by a thousandth; how many do at all is told.
    """
    occasions: list[Occasion] = []
    judged = await judge(part, keep=occasions.append)
    kept = await folded(occasions, players=len(part.kinds), database=database)
    found, uneven = [], 0
    for number, kind in enumerate(part.kinds):
        cored, logged = judged.evidence.get(number, []), kept.get(number, [])
        uneven += cored != logged
        if not alike(cored, logged):
            found.append(f"player {number} ({kind}): the core found {cored}, the fold {logged}")
    figures = {
        "logged_players": len(part.kinds),
        "logged_evidence": sum(map(len, kept.values())),
        "logged_uneven": uneven,
    }
    return judged, Outcome(figures, found)
