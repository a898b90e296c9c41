"""The named cases of movement as data: who sends what, and what must become of the fix, the player and rewards.

Each case makes the fixes of its accounts from a seed. `play` runs them through an engine fix by fix, as a server would.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

import numpy as np

from overworld.domains.world.engine.engine import Engine, flags_of, pass_of
from overworld.domains.world.messages import MovementObserved
from overworld.domains.world.rules import FIX
from overworld.domains.world.service.observed import events_of
from overworld.domains.world.types import MovementRules, Reason, WorldSettings
from tests.domains.world.journeys import START_US

SEOUL, TOKYO, BERLIN = (37.5665, 126.9780), (35.6762, 139.6503), (52.5200, 13.4050)
NORMAL, MARKED = "normal", "marked"

_DEG_M = 111_195.0
_NOISE_LASTS_S = 20.0
_CLAIM_AGE_MAX_S = 60.0
_AGAIN_S = 1_800.0


class Track(NamedTuple):
    """What one account sends: columns, (n,). `told_s` is the device's time and `sent_s` the server's when it comes."""

    told_s: np.ndarray
    sent_s: np.ndarray
    lat_deg: np.ndarray
    lng_deg: np.ndarray
    accuracy_m: np.ndarray
    altitude_m: np.ndarray


class Case(NamedTuple):
    """`fix`, `player` and `rewards` are the words of the docs; the rest is what tests hold the code to.

    `refused` are all reasons that occur, `accepted` bounds the share of accepted fixes, `earns` is whether a claim at
    the end has a place to be judged by, `standing` what must become of every account of the case.
    """

    fix: str
    player: str
    rewards: str
    refused: frozenset[str]
    accepted: tuple[float, float]
    earns: bool
    standing: str
    tracks: Callable[[np.random.Generator], list[Track]]


class Played(NamedTuple):
    """What became of one account: the reason for each fix, the closed windows, and whether a claim could be judged."""

    reasons: list[str]
    observed: list[MovementObserved]
    earns: bool


def play(case: Case, *, seed: int = 1, movement: MovementRules | None = None) -> list[Played]:
    """What becomes of each account of a case."""
    engine = Engine(settings=WorldSettings(), movement=movement or MovementRules())
    tracks = case.tracks(np.random.default_rng(seed))
    ids = [UUID(int=1 + number) for number in range(len(tracks))]
    slots = [engine.players.admit(player_id, now_us=START_US) for player_id in ids]
    reasons: dict[int, list[str]] = {slot: [] for slot in slots}
    events: list[MovementObserved] = []
    sends = [(sent_s, number, row) for number, track in enumerate(tracks) for row, sent_s in enumerate(track.sent_s)]
    now_us = START_US
    for sent_s, number, row in sorted(sends):
        now_us = START_US + round(sent_s * 1e6)
        batch = engine.validate(pass_of(_record(tracks[number], row, slots[number]), now_us=now_us))
        engine.move(batch)
        reasons[slots[number]].append(Reason(int(batch.judged["reason"][0])).wire)
        events += events_of(engine.take_observed(), player_id=engine.players.id, mode_names=engine.mode_names)
    young = now_us - engine.players.at_us[slots] <= _CLAIM_AGE_MAX_S * 1e6
    earns = (young & engine.earning(slots)).tolist()
    return [
        Played(reasons[slot], [event for event in events if event.player_id == player_id], can)
        for slot, player_id, can in zip(slots, ids, earns, strict=True)
    ]


def _record(track: Track, row: int, slot: int) -> np.ndarray:
    record = np.zeros(1, FIX)
    record["slot"], record["time_us"] = slot, START_US + round(track.told_s[row] * 1e6)
    record["lat_deg"], record["lng_deg"] = track.lat_deg[row], track.lng_deg[row]
    record["accuracy_m"], record["altitude_m"] = track.accuracy_m[row], track.altitude_m[row]
    record["speed_m_s"], record["flags"] = math.nan, flags_of(own_timeline=False, mock=False)
    return record


def times(seconds: float, *, every_s: float = 1.0, since_s: float = 0.0) -> np.ndarray:
    """When fixes are made."""
    return since_s + np.arange(0.0, seconds, every_s)


def placed(
    random: np.random.Generator,
    told_s: np.ndarray,
    path_m: np.ndarray,
    *,
    noise_m: float = 3.0,
    accuracy_m: float = 6.0,
    home: tuple[float, float] = SEOUL,
) -> Track:
    """A receiver's fixes along a path, (n, 2) metres east and north of home: noise that lasts a while, and latency."""
    seen_m = path_m + noise(random, told_s, noise_m)
    wide_m = accuracy_m * np.exp(0.3 * noise(random, told_s, 1.0)[:, 0])
    return fixes(told_s, seen_m, accuracy_m=wide_m, delay_s=random.gamma(2.0, 0.05, told_s.size), home=home)


def fixes(
    told_s: np.ndarray,
    seen_m: np.ndarray,
    *,
    accuracy_m: np.ndarray | float = 5.0,
    delay_s: np.ndarray | float = 0.05,
    home: tuple[float, float] = SEOUL,
) -> Track:
    """Fixes exactly as told, to a centimetre as the wire has them."""
    lat_deg = home[0] + seen_m[:, 1] / _DEG_M
    lng_deg = home[1] + seen_m[:, 0] / (_DEG_M * math.cos(math.radians(home[0])))
    filled = np.zeros(told_s.size)
    return Track(told_s, told_s + delay_s, lat_deg.round(7), lng_deg.round(7), filled + accuracy_m, filled + math.nan)


def noise(random: np.random.Generator, at_s: np.ndarray, noise_m: float) -> np.ndarray:
    """What a receiver is off, (n, 2): it wanders about within `noise_m` on each axis."""
    off_m = np.zeros((at_s.size, 2))
    off_m[0] = noise_m * random.standard_normal(2)
    for k in range(1, at_s.size):
        kept = math.exp(-(at_s[k] - at_s[k - 1]) / _NOISE_LASTS_S)
        off_m[k] = kept * off_m[k - 1] + noise_m * math.sqrt(1 - kept * kept) * random.standard_normal(2)
    return off_m


def ride(
    random: np.random.Generator, at_s: np.ndarray, *, speed_m_s: float, turn_deg: float, sway: float = 0.15
) -> np.ndarray:
    """A way through streets, (n, 2) metres: speed that sways, small turns all the time and corners now and then."""
    path_m, heading, pace = np.zeros((at_s.size, 2)), random.uniform(0, 2 * math.pi), speed_m_s
    for k in range(1, at_s.size):
        span_s = at_s[k] - at_s[k - 1]
        pace += min(1.0, span_s / 5) * (speed_m_s - pace) + sway * speed_m_s * math.sqrt(span_s / 5) * random.normal()
        pace = min(max(pace, 0.0), 1.5 * speed_m_s)
        heading += math.radians(turn_deg) * math.sqrt(span_s) * random.normal()
        if random.random() < span_s / 45:
            heading += random.choice((-1, 1)) * math.pi / 2
        path_m[k] = path_m[k - 1] + pace * span_s * np.array((math.sin(heading), math.cos(heading)))
    return path_m


def joined(*tracks: Track) -> Track:
    """One after the other, as one account sends them."""
    return Track(*(np.concatenate(columns) for columns in zip(*tracks, strict=True)))


def _moves(speed_m_s: float, turn_deg: float, **receiver: float) -> Callable[[np.random.Generator], list[Track]]:
    def tracks(random: np.random.Generator) -> list[Track]:
        at_s = times(900)
        path_m = ride(random, at_s, speed_m_s=speed_m_s, turn_deg=turn_deg)
        return [placed(random, at_s, path_m, **receiver)]

    return tracks


def _train(random: np.random.Generator) -> list[Track]:
    """300 km/h, reached in four minutes, for a quarter of an hour; then the station."""
    at_s = times(2_400, every_s=5)
    speed_m_s = np.where(at_s < 1_200, np.minimum(at_s * 0.35, 83.0), 0.0)
    along_m = np.concatenate([[0.0], np.cumsum(speed_m_s[1:] * 5)])
    return [placed(random, at_s, np.stack([along_m, 0.2 * along_m], axis=1), accuracy_m=8)]


def _flight(random: np.random.Generator) -> list[Track]:
    """A walk to the gate in Seoul, two hours without a fix, and a walk in Tokyo."""
    walks = []
    for since_s, home in ((0.0, SEOUL), (600.0 + 7_200.0, TOKYO)):
        at_s = times(600 if home is SEOUL else 1_500, every_s=2, since_s=since_s)
        walks.append(placed(random, at_s, ride(random, at_s, speed_m_s=1.2, turn_deg=6), home=home))
    return [joined(*walks)]


def _tunnel(random: np.random.Generator) -> list[Track]:
    """A drive of which 110 s are missing."""
    at_s = times(900)
    track = placed(random, at_s, ride(random, at_s, speed_m_s=17, turn_deg=1, sway=0.05))
    seen = (at_s < 400) | (at_s > 510)
    return [Track(*(column[seen] for column in track))]


def _cold_start(random: np.random.Generator) -> list[Track]:
    """The first fixes are of the mast of a telephone cell; then the receiver finds its place in steps."""
    at_s = times(600)
    track = placed(random, at_s, ride(random, at_s, speed_m_s=1.4, turn_deg=5))
    accuracy_m = np.maximum(track.accuracy_m, 1_200 * np.exp(-at_s / 4))
    off_m = np.where(at_s < 10, 600.0, 0.7 * np.maximum(0.0, accuracy_m - 10))
    return [track._replace(accuracy_m=accuracy_m, lat_deg=(track.lat_deg + off_m / _DEG_M).round(7))]


def _urban_canyon(random: np.random.Generator) -> list[Track]:
    """A walk between towers: wide noise, and every half minute or so a reflection."""
    at_s = times(900)
    track = placed(random, at_s, ride(random, at_s, speed_m_s=1.3, turn_deg=5), noise_m=12, accuracy_m=18)
    reflected = random.random(at_s.size) < 1 / 40
    off_m = np.where(reflected, random.uniform(80, 400, at_s.size), 0.0)
    return [track._replace(lng_deg=(track.lng_deg + off_m / _DEG_M).round(7))]


def _lift(random: np.random.Generator) -> list[Track]:
    """Up and down a tower at 10 m/s, standing in steel."""
    at_s = times(600)
    track = placed(random, at_s, np.zeros((at_s.size, 2)), noise_m=15, accuracy_m=35)
    return [track._replace(altitude_m=30 + 250 * (1 + np.sin(at_s / 25)))]


def _teleport(random: np.random.Generator) -> list[Track]:
    """Somewhere else in the city every minute, and a walk there."""
    at_s = times(1_200, every_s=2)
    path_m = ride(random, at_s, speed_m_s=1.4, turn_deg=5)
    jumps_m = random.uniform(-15_000, 15_000, (20, 2))
    return [placed(random, at_s, path_m + jumps_m[(at_s // 60).astype(int)])]


def _joystick(random: np.random.Generator) -> list[Track]:
    """Eight directions, one speed, no noise, an accuracy that never changes."""
    at_s = times(900)
    heading = np.repeat(random.integers(0, 8, 60) * (math.pi / 4), 15)[: at_s.size]
    step_m = 2.5 * np.stack([np.sin(heading), np.cos(heading)], axis=1)
    return [fixes(at_s, np.cumsum(step_m, axis=0))]


def _straight(random: np.random.Generator) -> list[Track]:
    """One heading and one speed for a quarter of an hour."""
    at_s, heading = times(900), random.uniform(0, 2 * math.pi)
    return [fixes(at_s, np.outer(1.4 * at_s, (math.sin(heading), math.cos(heading))))]


def _regular(random: np.random.Generator) -> list[Track]:
    """A step of exactly 15 m every 10 s on the dot, whichever way."""
    at_s = times(1_200, every_s=10)
    heading = np.cumsum(random.uniform(-0.6, 0.6, at_s.size))
    return [fixes(at_s, np.cumsum(15.0 * np.stack([np.sin(heading), np.cos(heading)], axis=1), axis=0))]


def _replayed(random: np.random.Generator) -> list[Track]:
    """One recorded walk, sent again every half hour."""
    [walk] = CASES["walk"].tracks(random)
    later_s = _AGAIN_S * np.arange(3)
    return [joined(*(walk._replace(told_s=walk.told_s + s, sent_s=walk.sent_s + s) for s in later_s))]


def _clock_ahead(random: np.random.Generator) -> list[Track]:
    [walk] = CASES["walk"].tracks(random)
    return [walk._replace(told_s=walk.told_s + 600)]


def _clock_back(random: np.random.Generator) -> list[Track]:
    """In the middle of a walk the clock is set right, by a minute."""
    [walk] = CASES["walk"].tracks(random)
    return [walk._replace(told_s=walk.told_s - np.where(walk.told_s < 450, 0.0, 60.0))]


def _duplicate(random: np.random.Generator) -> list[Track]:
    """Everything is sent twice."""
    [walk] = CASES["walk"].tracks(random)
    twice = Track(*(column.repeat(2) for column in walk))
    return [twice._replace(sent_s=twice.sent_s + np.tile((0.0, 0.3), walk.told_s.size))]


def _frozen(random: np.random.Generator) -> list[Track]:
    """A telephone on a table: it repeats its place to the last digit."""
    return [fixes(times(900), np.zeros((900, 2)), accuracy_m=4.7, delay_s=random.gamma(2.0, 0.05, 900))]


def _two_accounts(random: np.random.Generator) -> list[Track]:
    [walk] = CASES["walk"].tracks(random)
    return [walk, walk._replace(sent_s=walk.sent_s + 0.4)]


def _two_continents(random: np.random.Generator) -> list[Track]:
    """Two devices on one account walk at the same time."""
    walks = []
    for since_s, home in ((0.0, SEOUL), (5.0, BERLIN)):
        at_s = times(1_200, every_s=10, since_s=since_s)
        walks.append(placed(random, at_s, ride(random, at_s, speed_m_s=1.3, turn_deg=5), home=home))
    both = joined(*walks)
    order = both.sent_s.argsort()
    return [Track(*(column[order] for column in both))]


FAST, HASTY, TELEPORT = "too_fast", "too_accelerated", "teleport"
_PAID = "as always"
_FALLS = "fall with the score: reduced, held, refused"
_ALL = "all accepted"


def _case(
    fix: str,
    player: str,
    rewards: str,
    tracks: Callable[[np.random.Generator], list[Track]],
    *refused: str,
    accepted: tuple[float, float] = (1.0, 1.0),
    earns: bool = True,
    standing: str = NORMAL,
) -> Case:
    return Case(fix, player, rewards, frozenset(refused), accepted, earns, standing, tracks)


CASES: dict[str, Case] = {
    "walk": _case(_ALL, "normal", _PAID, _moves(1.4, 5)),
    "run": _case(_ALL, "normal", _PAID, _moves(3.3, 5)),
    "bike": _case(_ALL, "normal", _PAID, _moves(6.0, 3)),
    "car": _case(
        _ALL, "normal", "as always, unless the game's mode for it does not earn", _moves(14.0, 1, noise_m=2.0)
    ),
    "train": _case(
        "above the game's speed refused as `too_fast`; at the station believed after 5 fixes over 10 min",
        "normal", "none on the ride, then as always", _train, FAST, accepted=(0.25, 0.4),
    ),
    "flight": _case(
        "refused as `too_fast` after landing, believed after 5 fixes over 10 min",
        "normal", "none until then, then as always", _flight, FAST, accepted=(0.6, 0.8),
    ),
    "tunnel": _case(
        "accepted on the other side: there was time to get there", "normal", "none inside, then as always", _tunnel,
    ),
    "cold start": _case(
        "`inaccurate` until the receiver knows better than 100 m", "normal", "as always from then on",
        _cold_start, "inaccurate", FAST, accepted=(0.9, 0.99),
    ),
    "urban canyon": _case(
        "reflections refused; the walk goes on from the last good fix",
        "normal", _PAID, _urban_canyon, FAST, HASTY, TELEPORT, accepted=(0.85, 0.99),
    ),
    "lift": _case("all accepted: height is no speed", "normal", _PAID, _lift),
    "teleport": _case(
        "refused as `teleport` or `too_fast`", "marked: refusals in a row", "none: the last good fix grows too old",
        _teleport, TELEPORT, FAST, accepted=(0.0, 0.5), earns=False, standing=MARKED,
    ),
    "joystick spoof": _case(_ALL, "marked: no noise, one speed", _FALLS, _joystick, standing=MARKED),
    "replayed track": _case(
        "all accepted: each is possible", "marked: exactly the same stretches", _FALLS, _replayed, standing=MARKED
    ),
    "straight-line bot": _case(_ALL, "marked: no bend, no noise", _FALLS, _straight, standing=MARKED),
    "regular-interval bot": _case(
        _ALL, "marked: every step the same; a fix each second alone is what devices do", _FALLS, _regular,
        standing=MARKED,
    ),
    "clock ahead": _case(
        "refused as `time_future`", "normal: told so by the reason, never branded", "none until the clock is right",
        _clock_ahead, "time_future", accepted=(0.0, 0.0), earns=False,
    ),
    "clock back": _case(
        "`time_order` until the time is later than the last good fix's", "normal: one clock that was set",
        "none meanwhile, then as always", _clock_back, "time_order", FAST, accepted=(0.9, 0.95),
    ),
    "duplicate": _case(
        "the first accepted, the second refused as `time_order`", "normal", _PAID, _duplicate, "time_order",
        accepted=(0.5, 0.5),
    ),
    "frozen": _case("all accepted: at rest places repeat", "normal", _PAID, _frozen),
    "two accounts on one track": _case(
        "all accepted: each is possible", "both marked: exactly the same stretches", _FALLS, _two_accounts,
        standing=MARKED,
    ),
    "one account on two continents": _case(
        "the place of the first device accepted, the other refused as `teleport`",
        "marked: refusals without end", _FALLS, _two_continents, TELEPORT, accepted=(0.4, 0.6), standing=MARKED,
    ),
}  # fmt: skip
