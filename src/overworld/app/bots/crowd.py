"""All bots of a city as columns, on any clock. Pure: no sockets, and the same seed is the same crowd.

    bots = crowd(seed=7, players=10_000, cheaters=0.02, city=CITIES["seoul"], start_us=0)
    fixes = bots.step(now_us)   # everything that was to be sent up to then, in order of time
    fixes["bot"], fixes["time_us"], fixes["lat_deg"], fixes["accuracy_m"], ...
    bots.kind_names[bots.kind[i]], bots.is_cheat[i]   # the truth about bot i

How long the steps are changes nothing: each bot has dice and a beat of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from overworld.app.bots import emitting, groups
from overworld.app.bots.groups import SignIns
from overworld.app.bots.kinds import FARM_ACCOUNTS, KIND_NAMES, KINDS, Ticking, Way, counts, number_of
from overworld.app.bots.movers import BOT, NEVER_US, SECOND_US, Ground, gaits, rail, settle
from overworld.app.demo.city import City
from overworld.geo.columns import F64, I64

STEP_MAX_US = 60 * SECOND_US
_PERIOD_LEAST_S = 0.9
_WISH_LEAST_S = 1.5
_PERIODS_S = np.array([1.0, 2.0, 5.0])
_PERIOD_SHARES = {"walker": (0.4, 0.35, 0.25), "train": (0.6, 0.2, 0.2)}
_PERIOD_SHARES_ELSE = (0.7, 0.2, 0.1)
# How many phones: keep an exact beat, have the right time, tell their speed, repeat their place while they rest.
_STEADY, _ON_TIME, _TELL_SPEED, _HOLD_STILL = 0.5, 0.9, 0.8, 0.7
_LAG_S = (20.0, 90.0)
_HUMAN_EVERY_S = (40.0, 120.0)
_REGULAR_EVERY_S = (12.0, 30.0)
_BLOCK_M = 110.0
_SIDE_M = {"walker": 5.0, "runner": 4.0, "cyclist": 3.0, "driver": 2.5}
_SITTING, _SITS_S = 0.15, 600.0
_COMPANY, _COMPANY_MIN = 0.15, 2
# All that decides where a bot goes.
_WAY = (
    "way_dice", "x", "y", "speed_m_s", "heading", "cruise_m_s", "pace", "i", "j", "to_i", "to_j", "along_m", "side_m",
    "waits_there_s", "rests_until_us", "goal_x", "goal_y", "line", "forward", "underground",
    "bend",
)  # fmt: skip
_SAME_CLOCK_S, _OTHER_CLOCK_S = 0.3, 2.0
_DRAWS = 0.5
_WRONG_S = 6.0


def crowd(*, seed: int, players: int, cheaters: float, city: City, start_us: int = 0) -> Crowd:
    """So many bots in a city, of whom a share cheats. Their times begin at `start_us`, microseconds since 1970."""
    return Crowd(seed=seed, players=players, cheaters=cheaters, city=city, start_us=start_us)


class Crowd:
    """Bots and their truth. `kind` is the number of each in `kind_names`; `is_cheat` whether that is one; both (n,).

    `sign_ins` are from before `start_us`.
    """

    kind_names = KIND_NAMES

    def __init__(self, *, seed: int, players: int, cheaters: float, city: City, start_us: int) -> None:
        random = np.random.default_rng([seed, 0xB075])
        self.city = city
        self.kind: I64 = random.permutation(np.repeat(np.arange(len(KINDS)), counts(players, cheaters=cheaters)))
        self.is_cheat: NDArray[np.bool_] = np.array([kind.is_cheat for kind in KINDS])[self.kind]
        self._now_us = start_us
        self._gaits = gaits()
        self._ground = Ground(
            city.lat_deg, city.lng_deg, city.radius_m, _BLOCK_M,
            float(random.uniform(0, np.pi / 2)), int(random.integers(1, 2**31)),
        )  # fmt: skip
        self._bots, self.sign_ins = _born(self.kind, random=random, ground=self._ground, start_us=start_us)
        sources = _copied(self._bots, self.kind, random=random)
        self._rings = np.zeros((max(1, len(sources)), emitting.RING), emitting.FIX)
        self._heads = np.zeros(len(self._rings), np.int64)

    def __len__(self) -> int:
        return len(self._bots)

    def step(self, now_us: int) -> Any:
        """The fixes that are due after the last step and up to a time: an array of `emitting.FIX` in order of time.

        `time_us` is what the bot's own clock says, `due_us` when it sends the fix; NaN is what it does not tell.
        Raises: ValueError for a step of more than a minute.
        """
        span_us = now_us - self._now_us
        if span_us > STEP_MAX_US:
            raise ValueError(f"a step of {span_us / SECOND_US:.0f} s is longer than a minute")
        self._now_us = max(self._now_us, now_us)
        waits_us = np.maximum(span_us, self._now_us - self._bots["next_us"])
        room = np.zeros(int((2 + waits_us / SECOND_US / _PERIOD_LEAST_S).astype(np.int64).sum()), emitting.FIX)
        count = emitting.emit(self._bots, self._now_us, self._gaits, self._ground, self._rings, self._heads, room)
        fixes = room[:count]
        return fixes[np.lexsort((fixes["bot"], fixes["due_us"]))]

    def wishes(self) -> Any:
        """Who wanted to collect something up to the last step, and when: an array of `emitting.WISH`, by time."""
        least = int((self._now_us - self._bots["wish_us"].min(initial=self._now_us)) / SECOND_US / _WISH_LEAST_S)
        room = np.zeros(len(self._bots) * (2 + least), emitting.WISH)
        found = room[: emitting.wish(self._bots, self._now_us, self._gaits, room)]
        return found[np.lexsort((found["bot"], found["due_us"]))]

    def lead(self, bots: I64, lat_deg: F64, lng_deg: F64, within_s: F64) -> None:
        """Has programs that collect by the clock walk to places in a time; others go on as they like. Columns align."""
        places = [self.city.place(lat, lng) for lat, lng in zip(lat_deg, lng_deg, strict=True)]
        x, y = (np.array([place[axis] for place in places], np.float64) for axis in (0, 1))
        mine = self.kind[bots] == number_of("interval")
        emitting.lead(self._bots, bots[mine], x[mine], y[mine], within_s[mine])

    @property
    def place_m(self) -> F64:
        """Where everybody truly was at its last fix, metres east and north of the city's middle, (n, 2).

        Of those who copy others it says nothing.
        """
        return np.stack([self._bots["x"], self._bots["y"]], axis=1)

    @property
    def speed_m_s(self) -> F64:
        """How fast everybody truly went at its last fix, (n,)."""
        speed: F64 = self._bots["speed_m_s"].copy()
        return speed

    @property
    def wish_every_s(self) -> F64:
        """After how long each wants the next thing, about; programs exactly, (n,)."""
        every: F64 = self._bots["wish_every_s"].copy()
        return every


def _born(kind: I64, *, random: np.random.Generator, ground: Ground, start_us: int) -> tuple[Any, SignIns]:
    """Everybody at a place of its own, with its own habits and receiver; and where they signed in."""
    count = len(kind)
    bots = np.zeros(count, BOT)
    bots["kind"] = kind
    bots["way"] = np.array([one.way for one in KINDS])[kind]
    bots["dice"], bots["way_dice"], bots["wish_dice"] = random.integers(1, 2**63 - 1, (3, count))
    bots["at_us"] = bots["seen_us"] = bots["cold_us"] = start_us
    low, high = np.array([one.speed_m_s for one in KINDS])[kind].T
    bots["cruise_m_s"] = random.uniform(low, high)
    bots["side_m"] = random.uniform(0.6, 1.4, count) * np.array([_SIDE_M.get(name, 4.0) for name in KIND_NAMES])[kind]
    bots["side_m"] *= random.choice([-1.0, 1.0], count)
    bots["hop_us"] = NEVER_US
    _given_phones(bots, kind, random=random, start_us=start_us)
    _given_places(bots, random=random, ground=ground)
    _stays_first(bots, kind, random=random, start_us=start_us)
    families = _go_together(bots, kind, random=random)
    for name in ("teleporter", "hopper"):
        hops = np.flatnonzero(kind == number_of(name))
        bots["hop_us"][hops] = start_us + (random.uniform(10, 60, len(hops)) * SECOND_US).astype(np.int64)
    _given_programs(bots, kind, random=random)
    _given_clocks(bots, kind, random=random, start_us=start_us)
    came = groups.sign_ins(
        kind,
        of_squads=groups.squads(bots, kind, _WAY, random=random),
        of_classes=groups.classes(bots, kind, _WAY, random=random),
        families=families,
        random=random,
        start_us=start_us,
    )
    return bots, came


def _given_programs(bots: Any, kind: I64, *, random: np.random.Generator) -> None:
    """How programs shake their places, and what accuracy they tell: always one, or any."""
    low, high = np.array([one.whites_m for one in KINDS])[kind].T
    bots["white_m"] = random.uniform(low, high)
    draws = (high > 0) & (random.random(len(kind)) < _DRAWS)
    bots["accuracy_spread"] = np.where(draws, random.uniform(0.2, 0.7, len(kind)), 0.0)
    bends = (kind == number_of("squad")) & (random.random(len(kind)) < _DRAWS)
    bots["way"] = np.where(bends, Way.BEND, bots["way"])


def _given_clocks(bots: Any, kind: I64, *, random: np.random.Generator, start_us: int) -> None:
    """Clocks that change; what stays in one place; and what is sent in portions."""
    bots["ticking"] = np.array([one.ticking for one in KINDS])[kind]
    changes = bots["ticking"] != Ticking.PLAIN
    first_us = start_us + (random.uniform(20, 120, len(kind)) * SECOND_US).astype(np.int64)
    bots["clock_turn_us"] = np.where(changes, first_us, NEVER_US)
    bots["clock_since_us"] = start_us
    drifts = bots["ticking"] == Ticking.SYNCED
    bots["clock_rate"] = np.where(drifts, random.uniform(-2e-4, 2e-4, len(kind)), 0.0)
    wrong_us = (random.normal(0, _WRONG_S, len(kind)) * SECOND_US).astype(np.int64)
    bots["clock_us"] = np.where(drifts, wrong_us, np.where(changes, 0, bots["clock_us"]))
    indoor = kind == number_of("indoor")
    bots["rests_until_us"] = np.where(indoor, NEVER_US, bots["rests_until_us"])
    bots["holds"] = np.where(indoor, 0, bots["holds"])
    bots["accuracy_m"] = np.where(indoor, 2.5 * bots["accuracy_m"], bots["accuracy_m"])
    late_us = (random.uniform(5, 60, len(kind)) * SECOND_US).astype(np.int64)
    bots["batch_from_us"] = start_us
    bots["batch_us"] = np.where(kind == number_of("laggard"), late_us, 0)


def _given_phones(bots: Any, kind: I64, *, random: np.random.Generator, start_us: int) -> None:
    count = len(bots)
    shares = np.array([_PERIOD_SHARES.get(name, _PERIOD_SHARES_ELSE) for name in KIND_NAMES])[kind]
    drawn = (random.random(count)[:, None] > shares.cumsum(axis=1)).sum(axis=1).clip(max=2)
    bots["period_us"] = (_PERIODS_S[drawn] * SECOND_US).astype(np.int64)
    bots["jitter"] = np.where(random.random(count) < _STEADY, 0.0, random.uniform(0.005, 0.03, count))
    bots["next_us"] = start_us + (random.random(count) * bots["period_us"]).astype(np.int64) + 1
    spread_s = np.where(random.random(count) < _ON_TIME, _SAME_CLOCK_S, _OTHER_CLOCK_S)
    bots["clock_us"] = (np.clip(random.normal(0, spread_s), -3.5, 3.5) * SECOND_US).astype(np.int64)
    bots["accuracy_m"] = np.exp(random.normal(np.log(5.0), 0.35, count)).clip(3.0, 20.0)
    bots["drift"], bots["east"], bots["north"] = random.normal(size=(3, count))
    bots["tells"] = random.random(count) < _TELL_SPEED
    bots["holds"] = random.random(count) < _HOLD_STILL
    bots["ring"] = -1
    noiseless = np.array([one.is_noiseless for one in KINDS])[kind]
    bots["accuracy_m"] = np.where(noiseless, random.choice([3.0, 5.0, 10.0], count), bots["accuracy_m"])
    regular = kind == number_of("interval")
    bots["wish_every_s"] = np.where(
        regular, random.uniform(*_REGULAR_EVERY_S, count), random.uniform(*_HUMAN_EVERY_S, count)
    )
    bots["collects"] = random.random(count) < np.array([one.collects for one in KINDS])[kind]
    first_us = (random.random(count) * bots["wish_every_s"] * SECOND_US).astype(np.int64)
    bots["wish_us"] = np.where(bots["collects"] != 0, start_us + first_us, NEVER_US)


def _given_places(bots: Any, *, random: np.random.Generator, ground: Ground) -> None:
    """More of them near the middle, as in cities; riders somewhere on a line."""
    count = len(bots)
    angle, out_m = random.uniform(0, 2 * np.pi, count), ground.radius_m * 0.95 * random.random(count) ** 0.7
    line, along = random.integers(0, 9, count), random.uniform(-0.7, 0.7, count)
    for bot, a, m, number, share in zip(bots, angle, out_m, line, along, strict=True):
        settle(bot, m * np.sin(a), m * np.cos(a), ground)
        bot["heading"] = a
        if bot["way"] == Way.RAIL:
            bot["line"], bot["along_m"], bot["forward"] = number, share * ground.radius_m, 1 if a < np.pi else -1
            bot["x"], bot["y"] = rail(int(number), float(bot["along_m"]), ground)
        bot["goal_x"], bot["goal_y"] = bot["x"], bot["y"]


def _stays_first(bots: Any, kind: I64, *, random: np.random.Generator, start_us: int) -> None:
    """Some people on foot sit somewhere when it all begins, many of them for long."""
    stays = (kind == number_of("walker")) & (random.random(len(bots)) < _SITTING)
    bots["rests_until_us"] = np.where(stays, start_us + random.exponential(_SITS_S, len(bots)) * SECOND_US, 0)


def _go_together(bots: Any, kind: I64, *, random: np.random.Generator) -> list[I64]:
    """Some of the honest are in company: on one way with somebody of their kind, each with a receiver of its own.

    Gives who goes together.
    """
    found: list[I64] = []
    for number, one in enumerate(KINDS):
        of_kind = np.flatnonzero(kind == number)
        if one.is_cheat or len(of_kind) < _COMPANY_MIN:
            continue
        joins = of_kind[: int(_COMPANY * len(of_kind))]
        joined = random.choice(of_kind[len(joins) :], len(joins))
        for name in _WAY:
            bots[name][joins] = bots[name][joined]
        found += [np.append(joins[joined == leader], leader) for leader in np.unique(joined)]
    return found


def _copied(bots: Any, kind: I64, *, random: np.random.Generator) -> list[int]:
    """Says whose track each copying bot is on, and makes the first account of each farm walk; gives the sources."""
    farms = np.flatnonzero(kind == number_of("farm"))
    groups = np.array_split(farms, max(1, len(farms) // FARM_ACCOUNTS)) if len(farms) else []
    walks = [number_of(name) for name in ("walker", "runner", "cyclist")]
    models = np.flatnonzero(np.isin(kind, walks))
    sources: list[int] = []
    for group in groups:
        bots["way"][group[0]] = Way.STREET
        bots["ring"][group] = len(sources)
        bots["clock_us"][group] = bots["clock_us"][group[0]]
        sources.append(int(group[0]))
    for copier in np.flatnonzero(kind == number_of("replayer")):
        if not len(models):
            bots["way"][copier] = Way.STREET
            continue
        model = int(random.choice(models))
        if model not in sources:
            bots["ring"][model] = len(sources)
            sources.append(model)
        bots["ring"][copier] = sources.index(model)
        bots["lag_us"][copier] = int(random.uniform(*_LAG_S) * SECOND_US)
    return sources
