"""Pure rules: what a window of movement, a row of claims or a sign-in says against a player.

Each rule gives a `Sighting` or nothing. One sighting never lowers a gate: what a glitch, an urban canyon, a tunnel, a
wrong clock, a flight or a resting phone looks like once is no evidence, and every kind but exact copies and told mock
positions has to be seen in several windows before it weighs anything (`scoring.Trait.needs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from uuid import UUID

from msgspec import Struct

from overworld.domains.trust import habits
from overworld.domains.trust.together import Alike, rooms_apart_m
from overworld.domains.trust.tracks import LIVE_US, Tracks, Walked
from overworld.domains.trust.types import Kind, PlayerState, TrustRules, Window

HOUR_US = 3_600_000_000
FIXES_MIN = 5
"""Fewer accepted fixes do not say how somebody moves."""

_MOVING_MIN_S = 20.0
_ON_FOOT_MAX_M_S = 4.0
_SMOOTH_NOISE_M = 1.0
_SMOOTH_SPEED_M_S = 1.0
_STRAIGHT_TURN_DEG = 20.0
_STRAIGHT_NOISE_M = 0.3
_STRAIGHT_MIN_M = 40.0
_STEPS_MIN = 3
_SMOOTH_SHARE = 0.5
_EQUAL_M_S = 0.15
_EQUAL_STEPS = 8
_ACCURACY_M = 10.0
_TELEPORTS_MIN = 5
_BREAKS_MIN = 2
_HOPPED = 1.6
_BROKEN_MIN = 3
_BROKEN_SHARE = 0.3
_FINE = 0.9
_HALF = 0.5
_LOST = 0.1
_BREAKS_KEPT = 16
_REFUSED_SHARE_MIN = 0.15
_REFUSED_MIN = 8
_MIXED_SHARE = 0.25
_MIXED_MIN = 3
_COPIES_MIN = 2
_COPIES_ALL = 4
_REPLAY_AFTER_US = 300_000_000
_RERUN_US = 5_000_000
_FAR_M = 500_000.0
_CLAIMS_GAP_MIN_S = 5.0
_REGULAR_BY_COUNT = ((20, 1.0), (12, 0.5), (8, 0.2))
_ACCOUNTS_FREE = 7
_SPEED_REASONS = ("too_fast", "too_accelerated", "teleport", "altitude")


class Sighting(Struct, frozen=True):
    """One look that found something: `strength` scales the weight of its kind."""

    kind: Kind
    strength: float
    reason: str
    figures: dict[str, float]


def sightings(window: Window, state: PlayerState, tracks: Tracks, *, rules: TrustRules) -> Iterator[Sighting]:
    """All that a window says by itself and by the player's recent past, in the order of the kinds."""
    yield from _refusals(window)
    yield from _breaks(window, state)
    yield from _two_places(window, state)
    yield from _mock(window)
    yield from _copies(window, tracks)
    yield from _shape(window, rules)
    yield from _clock(window, state)
    yield from _pace(window, state)


def is_clean(window: Window) -> bool:
    """Whether a window shows somebody who moves and is believed: such windows give trust back."""
    return window.moving_s >= _MOVING_MIN_S and window.accepted >= max(FIXES_MIN, 0.9 * window.fixes)


def remember(window: Window, state: PlayerState) -> None:
    """Notes in the state what later windows are compared with. Call it after `sightings`."""
    state.windows += 1
    habits.remember(window, state)
    recent = tuple(time_us for time_us in state.break_us if window.at_us - time_us < HOUR_US)
    state.break_us = (*recent, window.at_us)[-_BREAKS_KEPT:] if _breaks_off(window, state) else recent
    state.doubtful = state.broken and window.leaps > 0 and _LOST < window.accepted / max(1, window.fixes) <= _HALF
    is_off = _is_off(window, state)
    state.leapt = window.leaps > 0 and not is_off
    if is_off:
        state.broken = True
    elif window.accepted >= _HALF * window.fixes:
        state.broken = False
    is_fine = window.accepted >= _FINE * window.fixes
    state.cell, state.ended_us = (window.cell, window.ended_us) if is_fine else ("", state.ended_us)


def _breaks_off(window: Window, state: PlayerState) -> bool:
    """Whether the track breaks off in a window, or goes from one lost place to another.

    To come back is no break: a window that may be a return (`doubtful`) counts when the next one is not fine.
    """
    if state.doubtful and window.accepted < _FINE * window.fixes:
        return True
    if state.broken:
        return window.leaps > 0 and window.accepted <= _LOST * window.fixes
    return _is_off(window, state)


def _is_off(window: Window, state: PlayerState) -> bool:
    """Whether much of a window is too far from the track for any journey, which the one before may have begun."""
    fast = window.refused.get("teleport", 0) + window.refused.get("too_fast", 0)
    leapt = (window.leaps > 0 or state.leapt) and fast >= max(_BROKEN_MIN, _BROKEN_SHARE * window.fixes)
    return leapt or window.refused.get("teleport", 0) >= _TELEPORTS_MIN


def _refusals(window: Window) -> Iterator[Sighting]:
    """Many fixes at speeds nobody has, among others that are fine: a journey refuses all of a window, a glitch few."""
    count = sum(window.refused.get(reason, 0) for reason in _SPEED_REASONS)
    share = count / window.fixes if window.fixes else 0.0
    if count >= _REFUSED_MIN and _REFUSED_SHARE_MIN <= share <= 1 - _REFUSED_SHARE_MIN:
        yield Sighting(
            Kind.MANY_REFUSALS,
            min(1.0, 2 * share),
            f"{count} of {window.fixes} positions were at speeds that nobody travels at",
            {"refused": count, "fixes": window.fixes, "share": share},
        )


def _breaks(window: Window, state: PlayerState) -> Iterator[Sighting]:
    """The track broke off, far away, more than once in an hour. Once is a journey, or a receiver that starts cold."""
    if not _breaks_off(window, state):
        return
    breaks = 1 + sum(window.at_us - time_us < HOUR_US for time_us in state.break_us)
    if breaks >= _BREAKS_MIN:
        yield Sighting(
            Kind.TELEPORTS,
            _HOPPED if window.leaps or state.leapt else min(1.3, 0.7 + 0.3 * (breaks - _BREAKS_MIN)),
            f"jumped {breaks} times within an hour to places that could not be reached",
            {"jumps": breaks, "refused": window.refused.get("teleport", 0), "fixes": window.fixes},
        )


def _two_places(window: Window, state: PlayerState) -> Iterator[Sighting]:
    """Fixes from two places by turns, or overlapping windows of which each is fine in a far cell of its own."""
    teleports = window.refused.get("teleport", 0)
    least = max(_MIXED_MIN, _MIXED_SHARE * window.fixes)
    if teleports >= least and window.accepted >= least:
        figures: dict[str, float] = {"here": window.accepted, "there": teleports}
        yield Sighting(Kind.TWO_PLACES, 1.0, "positions came from two far places by turns", figures)
        return
    overlaps = window.began_us < state.ended_us and bool(state.cell) and bool(window.cell)
    if overlaps and state.cell[:4] != window.cell[:4] and window.accepted >= 0.9 * window.fixes:
        apart_m = rooms_apart_m(state.cell, window.cell)
        if apart_m > _FAR_M:
            reason = f"was in two places {apart_m / 1000:,.0f} km apart at the same time"
            yield Sighting(Kind.TWO_PLACES, 1.0, reason, {"apart_m": round(apart_m)})


def _mock(window: Window) -> Iterator[Sighting]:
    count = window.refused.get("mock", 0)
    if count:
        yield Sighting(
            Kind.MOCK_POSITIONS,
            1.0 if count >= _REFUSED_MIN else 0.3,
            f"the device itself said of {count} positions that they were made up",
            {"mock": count, "fixes": window.fixes},
        )


def stretches(window: Window) -> Iterator[tuple[int, Walked]]:
    """The exact stretches of a window, and that its player walked each when."""
    ages_s = window.shingle_ages_s or (0.0,) * len(window.shingles)
    for shingle, age_s in zip(window.shingles, ages_s, strict=True):
        yield shingle, Walked(window.player_id, window.began_us + int(age_s * 1e6), window.at_us)


def _copies(window: Window, tracks: Tracks) -> Iterator[Sighting]:
    """Exact stretches that were walked before, by the player long enough ago or by somebody else."""
    own = others = 0
    for shingle, walked in stretches(window):
        first = tracks.first(shingle, walked)
        if first.player_id != window.player_id:
            # A tester's track walked again, which its own time line says is the same walk.
            others += not window.own_timeline or walked.told_us - first.told_us <= _RERUN_US
        elif walked.at_us - first.at_us > _REPLAY_AFTER_US:
            own += 1
    whole = len(window.shingles)
    if own:
        figures: dict[str, float] = {"copied": own, "stretches": whole}
        yield Sighting(Kind.REPLAYED_TRACK, _copied(own), "walked an earlier track again, to the centimetre", figures)
    if others:
        figures = {"copied": others, "stretches": whole}
        yield Sighting(Kind.SHARED_TRACK, _copied(others), "walked another player's track to the centimetre", figures)


def leaders(window: Window, tracks: Tracks) -> dict[UUID, int]:
    """Who walked stretches of the window so shortly before that nobody can have copied them: how many each.

    Call it before `sightings`. Those players belong together with the one of the window.
    """
    found: dict[UUID, int] = {}
    for shingle, walked in stretches(window):
        first = tracks.known(shingle)
        if first is None or first.player_id == window.player_id or abs(walked.at_us - first.at_us) > LIVE_US:
            continue
        if not window.own_timeline or walked.told_us - first.told_us <= _RERUN_US:
            found[first.player_id] = found.get(first.player_id, 0) + 1
    return {player_id: count for player_id, count in sorted(found.items()) if count >= _COPIES_MIN}


def led(count: int) -> Sighting:
    """What it says against a player that another walked their track while they did."""
    return Sighting(
        Kind.SHARED_TRACK,
        _copied(count),
        "another player walked the same track to the centimetre at the same time",
        {"copied": count},
    )


def _copied(count: int) -> float:
    """A single stretch may be chance where receivers tell places coarsely; four are none."""
    return 1.0 if count >= _COPIES_ALL else 0.6 if count >= _COPIES_MIN else 0.3


def _shape(window: Window, rules: TrustRules) -> Iterator[Sighting]:
    """Movement that no receiver and no legs make: without noise, at exactly one speed, or along a ruler on foot."""
    if window.accepted < FIXES_MIN or window.moving_s < _MOVING_MIN_S or window.moved_m <= 0:
        return
    straight = _straightness(window)
    if straight > rules.pattern_min:
        yield Sighting(
            Kind.STRAIGHT_LINE,
            1.0,
            "moved along a perfectly straight line",
            {"pattern": straight, "turn_rms_deg": window.turn_rms_deg, "moved_m": window.moved_m},
        )
    smooth = _smoothness(window)
    if smooth > rules.pattern_min:
        yield Sighting(
            Kind.TOO_SMOOTH,
            1.0,
            "moved without the noise of a receiver, or at exactly one speed",
            {
                "pattern": smooth,
                "noise_m": window.noise_m,
                "smooth_share": window.smooth_share,
                "speed_spread_m_s": window.speed_cv * window.speed_mean_m_s,
            },
        )


def _straightness(window: Window) -> float:
    """Up to 1 for a ruler; 0 for who is quick, or has a receiver's noise: roads and rails are straight too."""
    long_enough = window.moved_m >= max(_STRAIGHT_MIN_M, _STEPS_MIN * _step_m(window))
    if not (long_enough and window.speed_mean_m_s < _ON_FOOT_MAX_M_S and 0 < window.noise_m < _STRAIGHT_NOISE_M):
        return 0.0
    return 1 - max(window.turn_rms_deg / _STRAIGHT_TURN_DEG, 100 * (1 - window.straight_m / window.moved_m))


def _smoothness(window: Window) -> float:
    """Up to 1 for places that lie evenly on lines, have next to no noise at one speed, or steps of equal speed."""
    spread_m_s = window.speed_cv * window.speed_mean_m_s
    even = min(1.0, window.smooth_share / _SMOOTH_SHARE)
    # Places that are sent twice tell no noise.
    still = 1 - max(window.noise_m / _SMOOTH_NOISE_M, spread_m_s / _SMOOTH_SPEED_M_S) if window.noise_m > 0 else 0.0
    equal = 1 - spread_m_s / _EQUAL_M_S if window.moved_m >= _EQUAL_STEPS * _step_m(window) else 0.0
    return max(even, still, equal)


def _step_m(window: Window) -> float:
    """How long a step is at least, as the world has them: out of twice the accuracy."""
    return 2 * (window.accuracy_mean_m or _ACCURACY_M)


def _clock(window: Window, state: PlayerState) -> Iterator[Sighting]:
    """A clock that keeps being set, or runs fast. A wrong one is nobody's fault, nor is one that is set right once."""
    changes = habits.clock_changes(window, state)
    past = sum(window.at_us - time_us < HOUR_US for time_us in state.clock_us)
    if changes and past + changes >= habits.CLOCK_CHANGES_MIN:
        yield Sighting(
            Kind.CLOCK_GAMES,
            1.0 if past + changes == habits.CLOCK_CHANGES_MIN else 1.6,
            f"the device's clock was changed {past + changes} times within an hour of play",
            {"changes": past + changes, "clock_jumps": window.clock_jumps, "clock_offset_s": window.clock_offset_s},
        )


def _pace(window: Window, state: PlayerState) -> Iterator[Sighting]:
    """For minutes on end one speed, one shake, and an accuracy that no receiver tells."""
    pace = habits.pace_of(window)
    if pace is None:
        return
    figures = habits.evenness((*state.paces, pace)[-habits.PACES_KEPT :])
    if figures is not None:
        reason = "went on for minutes at one speed, shaken evenly, with an accuracy that no receiver tells"
        yield Sighting(Kind.MACHINE_PACE, 1.0, reason, figures)


def of_alike(alike: Alike) -> Sighting:
    """What it says that accounts that signed in as one move as one."""
    return Sighting(
        Kind.MOVED_TOGETHER,
        1.0,
        f"moved like {alike.figures['alike']:.0f} other accounts that signed in at the same place within seconds",
        alike.figures,
    )


def of_claims(at_us: Iterable[int], *, rules: TrustRules) -> Sighting | None:
    """Whether the intervals of claims are a machine's: their variance over their squared mean is next to nothing.

    The fewer claims the less they may vary: 20 intervals are held to `rhythm_max`, 12 to half and 8 to a fifth of it.
    """
    gaps_s = [(after - before) / 1e6 for before, after in pairwise(at_us)]
    count = len(gaps_s)
    share = next((share for least, share in _REGULAR_BY_COUNT if count >= least), 0.0)
    mean_s = sum(gaps_s) / count if count else 0.0
    if not share or mean_s < _CLAIMS_GAP_MIN_S:
        return None
    relative = sum((gap_s - mean_s) ** 2 for gap_s in gaps_s) / count / mean_s**2
    if relative >= share * rules.rhythm_max:
        return None
    return Sighting(
        Kind.CLAIM_RHYTHM,
        1.6 if relative < _REGULAR_BY_COUNT[-1][1] * rules.rhythm_max else 1.0,
        f"collected {count + 1} times in a row as regularly as a machine, every {mean_s:.0f} s",
        {"variance": relative, "mean_s": mean_s, "intervals": count},
    )


def of_accounts(count: int) -> Sighting | None:
    """What it says that so many accounts sign in from one client at one address. Families share one."""
    if count <= _ACCOUNTS_FREE:
        return None
    reason = f"{count} accounts sign in from the same device or place"
    return Sighting(Kind.SHARED_DEVICE, min(1.0, count / 20), reason, {"accounts": count})
