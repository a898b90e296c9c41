"""Judges who must be left alone although they look odd, real tracks and a flight, and who flies too often."""

from __future__ import annotations

import numpy as np

from bench.prove.fairplay.crowd import Crowd
from bench.prove.fairplay.flights import BEFORE_S, FLOWN, GAP_S
from bench.prove.fairplay.judge import Judged, judge
from bench.prove.outcome import Outcome
from bench.stage import START_US
from overworld.kernel.standing import Gate

_LANDED_S = BEFORE_S + GAP_S
_SETTLED_S = _LANDED_S + 900  # ten minutes to settle, and what the first fix and a phone's silence take


async def prove_tracks(crowd: Crowd) -> Outcome:
    """Nobody on a real track falls below normal."""
    judged = await judge(crowd)
    accepted = float(judged.world.accepted.mean())
    faults = [
        f"player {number} on {crowd.kinds[number]} fell below normal: {judged.evidence[number]}"
        for number in sorted(judged.suspected_us)
    ]
    figures = {
        "tracks": len(crowd.kinds),
        "tracks_fixes": crowd.fixes.size,
        "tracks_accepted": round(accepted, 4),
        "tracks_windows": judged.facts["Window"],
        "tracks_suspected": len(faults),
    }
    return Outcome(figures, faults)


async def prove_flights(crowd: Crowd) -> Outcome:
    """Who flew once is normal, accepted where they landed, and earns there; who does so all the time is none of it."""
    judged = await judge(crowd)
    faults: list[str] = []
    settled, suspected = 0, 0
    for number, kind in enumerate(crowd.kinds):
        if kind == FLOWN:
            wrong = _flown_wrong(judged, number)
            faults += wrong
            settled += not wrong
        else:
            suspected += number in judged.suspected_us
            if number not in judged.suspected_us or judged.standings[number].gate is Gate.NORMAL:
                faults.append(f"player {number} was in Seoul and Tokyo every five minutes, and played on")
    figures = {"flown_play_on": settled, "flown_too_often_suspected": suspected, "flights_each": len(crowd.kinds) // 2}
    return Outcome(figures, faults)


def _flown_wrong(judged: Judged, number: int) -> list[str]:
    """What went wrong for somebody who flew once."""
    crowd = judged.crowd
    mine = crowd.fixes["player"] == number
    at_s = (crowd.fixes["arrives_us"][mine] - START_US) / 1e6
    accepted = judged.world.accepted[mine]
    wrong = []
    if number in judged.suspected_us:
        wrong.append(f"player {number} flew once and fell below normal: {judged.evidence[number]}")
    if accepted[(at_s > _LANDED_S) & (at_s < _LANDED_S + 500)].any():
        wrong.append(f"player {number} flew and was believed before settling")
    if accepted[at_s > _SETTLED_S].mean() < 0.95:
        wrong.append(f"player {number} flew and is not believed after settling")
    claims_s = (crowd.claims["at_us"][crowd.claims["player"] == number] - START_US) / 1e6
    paid_s = (np.array(judged.world.paid_us.get(number, [])) - START_US) / 1e6
    if np.any((paid_s > _LANDED_S + 60) & (paid_s < _LANDED_S + 500)):
        wrong.append(f"player {number} earned before settling")
    if np.any(claims_s > _SETTLED_S) and not np.any(paid_s > _SETTLED_S):
        wrong.append(f"player {number} flew, settled and earns nothing")
    return wrong
