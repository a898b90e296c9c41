"""The cheaters: one function for each kind of them, which gives what they send."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.random import Generator
from numpy.typing import NDArray

from bench.prove.fairplay import cheats, life
from bench.prove.fairplay.group import Group, Place, with_usual_life
from bench.prove.fairplay.phone import report
from bench.prove.fairplay.receiver import STREET, sense
from bench.prove.fairplay.travel import CYCLE, WALK, Path, travel
from bench.stage import START_US

_M_E7 = 1e7 / 111_195.0
_LATER_S = (30.0, 900.0)


def teleporters(place: Place) -> Group:
    """They hop between hot spots every minute or so, from 700 m to 250 km, and take what lies there."""
    return _hopping(place, patient=False)


def patient_teleporters(place: Place) -> Group:
    """They hop a few kilometres and wait as their lists tell them to before they claim; the app is open all along."""
    return _hopping(place, patient=True)


def joysticks(place: Place) -> Group:
    """A stick or a route at one speed; places exactly on the line."""
    return _steered(place, jitter_m=(0.0, 0.0), varied=0.0)


def noisy_joysticks(place: Place) -> Group:
    """The same with noise that is new for each fix; half of the tools vary the accuracy as well."""
    return _steered(place, jitter_m=(0.3, 2.5), varied=0.5)


def replayers(place: Place) -> Group:
    """They play back what honest players of the crowd recorded, place for place, half a minute to 15 minutes later."""
    return _playing(place, paces=(1.0, 1.0))


def warped_replayers(place: Place) -> Group:
    """The same places, slower or quicker than they were recorded."""
    return _playing(place, paces=(0.7, 1.4))


def noisy_replayers(place: Place) -> Group:
    """What others recorded with 1 to 5 m of fresh noise on each fix."""
    group = _playing(place, paces=(1.0, 1.0))
    spread_m = place.chance.uniform(1, 5, place.count)[group.fixes["player"].astype(np.int64) - place.first]
    for name in ("lat_e7", "lng_e7"):
        group.fixes[name] += np.rint(_M_E7 * spread_m * place.chance.standard_normal(spread_m.size)).astype(np.int32)
    return group


def interpolating_replayers(place: Place) -> Group:
    """A file with a point every eight fixes, walked on straight lines from point to point."""
    records = _records(place)
    parts = [
        cheats.between(place.chance, record, player, later_s=_later_s(place.chance))
        for player, record in zip(place.players.tolist(), records, strict=True)
    ]
    return _played(place, parts)


def interval_bots(place: Place) -> Group:
    """They walk really, or leave the phone at home; a program claims for them by the clock, off by up to 12 %."""
    group, starts_s = _walked(place)
    claims = [
        life.claims_by_clock(place.chance, place.players[[row]], starts_s[[row]], place.seconds, spread=spread)
        for row, spread in enumerate(place.chance.uniform(0, 0.12, place.count).tolist())
    ]
    return replace(group, claims=np.concatenate(claims))


def random_bots(place: Place) -> Group:
    """They walk really; a program claims for them after waits drawn at random."""
    group, starts_s = _walked(place)
    return replace(group, claims=life.claims_at_random(place.chance, place.players, starts_s, place.seconds))


def mock_apps(place: Place) -> Group:
    """Their phone says of each place that an app made it up; half of them switch the app on now and then."""
    phone = place.tools()
    path = _steps(place)
    fixes = report(place.chance, phone, path, cheats.pretended(place.chance, path), mock=True)
    at_times = (fixes["player"] % 2 == 0) & ((fixes["time_us"] // 90_000_000) % 2 == 0)
    fixes["flags"] = np.where(at_times, 0, fixes["flags"])
    return with_usual_life(place, fixes, phone.starts_s)


def clock_movers(place: Place) -> Group:
    """They set the clock: to and fro by seconds or minutes, or let it run quicker so that ways look slower."""
    phone = place.phones()
    phone = replace(phone, clock_s=np.zeros(place.count), step_at_s=np.full(place.count, np.inf))
    path = travel(place.chance, place.count, place.seconds, CYCLE)
    fixes = report(place.chance, phone, path, sense(place.chance, path, STREET))
    for row, player in enumerate(place.players.tolist()):
        mine = np.flatnonzero(fixes["player"] == player)
        if mine.size:
            first_us = int(fixes["time_us"][mine[0]])
            age_s = (fixes["time_us"][mine] - first_us) / 1e6
            ahead_s = _fast_s(place.chance, age_s) if row % 2 else _jumps_s(place.chance, age_s)
            fixes["time_us"][mine] += np.rint(ahead_s * 1e6).astype(np.int64)
    return with_usual_life(place, fixes, phone.starts_s)


def farms(place: Place) -> Group:
    """Accounts on one phone, five to twenty of them, that go one way: in one another's steps, or seconds apart."""
    chance = place.chance
    sizes: list[int] = []
    while sum(sizes) < place.count:
        sizes.append(int(chance.integers(5, 21)))
    sizes[-1] -= sum(sizes) - place.count
    if len(sizes) > 1 and sizes[-1] < 5:
        sizes[-2:] = [sizes[-2] + sizes[-1]]
    fixes, firsts = [], np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)
    for number, size in enumerate(sizes):
        at = sum(sizes[:number])
        own = Place(chance=chance, first=place.first + at, count=size, seconds=place.seconds)
        fixes.append(_same_fixes(own) if number % 2 == 0 else _same_way(own))
    group = with_usual_life(place, np.concatenate(fixes), np.full(place.count, 30.0))
    life.on_one_phone(group.logins, firsts)
    return group


def teleporters_unseen_on_the_way(place: Place) -> Group:
    """They close the app, hop, and open it when the way could have been driven at 100 km/h."""
    chance, phone = place.chance, place.tools()
    path, number = cheats.hops(chance, place.count, place.seconds, patient=True)
    sensed = cheats.pretended(chance, path, jitter_m=(0.0, 1.0))
    for row in range(place.count):
        for at in (np.flatnonzero(np.diff(number[row])) + 1).tolist():
            before = max(0, at - 1)
            away_m = np.hypot(*(axis[row, at] - axis[row, before] for axis in (path.east_m, path.north_m)))
            sensed.seen[row, at : at + int(away_m / (100 / 3.6))] = False
    fixes = report(chance, phone, path, sensed)
    claims = life.claims_in_passing(chance, place.players, phone.starts_s, place.seconds)
    return Group(fixes, claims, life.logins(chance, place.players, phone.starts_s))


def _hopping(place: Place, *, patient: bool) -> Group:
    chance, phone = place.chance, place.tools()
    path, number = cheats.hops(chance, place.count, place.seconds, patient=patient)
    fixes = report(chance, phone, path, cheats.pretended(chance, path, jitter_m=(0.0, 1.0), varied=0.3))
    claims = life.claims_after_hops(chance, place.players, phone.starts_s, number)
    return Group(fixes, claims, life.logins(chance, place.players, phone.starts_s))


def _steered(place: Place, *, jitter_m: tuple[float, float], varied: float) -> Group:
    phone = place.tools()
    path = _steps(place)
    sensed = cheats.pretended(place.chance, path, jitter_m=jitter_m, varied=varied)
    return with_usual_life(place, report(place.chance, phone, path, sensed), phone.starts_s)


def _steps(place: Place) -> Path:
    """Half by the stick, half along a list of points."""
    half = place.count // 2
    made = [cheats.joystick(place.chance, place.count - half, place.seconds)]
    made += [cheats.route(place.chance, half, place.seconds)] * (half > 0)
    columns = zip(*((path.east_m, path.north_m, path.speed_m_s, path.heading_rad) for path in made), strict=True)
    return Path(*(np.concatenate(column) for column in columns))


def _records(place: Place) -> list[NDArray[Any]]:
    """The track that each plays back: one of those that others recorded."""
    return [place.records[i] for i in place.chance.integers(0, len(place.records), place.count).tolist()]


def _later_s(chance: Generator) -> float:
    """How long after the one who really went: from right behind to when that one has long finished."""
    return float(chance.uniform(*_LATER_S))


def _playing(place: Place, *, paces: tuple[float, float]) -> Group:
    chance = place.chance
    parts = [
        cheats.replayed(chance, record, player, later_s=_later_s(chance), pace=float(chance.uniform(*paces)))
        for player, record in zip(place.players.tolist(), _records(place), strict=True)
    ]
    return _played(place, parts)


def _played(place: Place, parts: list[NDArray[Any]]) -> Group:
    starts_s = np.array([(int(part["time_us"][0]) - START_US) / 1e6 for part in parts])
    return with_usual_life(place, np.concatenate(parts), starts_s)


def _walked(place: Place) -> tuple[Group, Any]:
    """A real walk with a real phone, and when each begins."""
    phone = place.phones()
    path = travel(place.chance, place.count, place.seconds, WALK)
    fixes = report(place.chance, phone, path, sense(place.chance, path, STREET))
    return with_usual_life(place, fixes, phone.starts_s), phone.starts_s


def _same_fixes(place: Place) -> NDArray[Any]:
    """One real phone, and an app for each account that is given every fix of it, a moment later."""
    lent = Place(chance=place.chance, first=place.first, count=1, seconds=place.seconds)
    group, _ = _walked(lent)
    copies = []
    for player in place.players.tolist():
        copy = group.fixes.copy()
        later_us = int(place.chance.uniform(0, 3e6))
        copy["player"] = player
        copy["arrives_us"] += later_us
        copy["time_us"] += later_us * int(place.chance.random() < 0.5)
        copies.append(copy)
    return np.concatenate(copies)


def _same_way(place: Place) -> NDArray[Any]:
    """A tool that leads every account along one route, one after the other and each with noise of its own."""
    chance = place.chance
    path = _steps(Place(chance=chance, first=0, count=1, seconds=place.seconds))
    rows = np.zeros(place.count, np.int64)
    ways = Path(*(column[rows] for column in (path.east_m, path.north_m, path.speed_m_s, path.heading_rad)))
    phone = place.tools()
    starts_s = 30.0 + 2.0 * np.arange(place.count) + chance.uniform(0, 1, place.count)
    phone = replace(phone, lat_deg=phone.lat_deg[rows], lng_deg=phone.lng_deg[rows], starts_s=starts_s)
    sensed = cheats.pretended(chance, ways, jitter_m=(0.0, 1.5), varied=0.3)
    fixes: NDArray[Any] = report(chance, phone, ways, sensed)
    return fixes


def _jumps_s(chance: Generator, age_s: NDArray[Any]) -> NDArray[Any]:
    """A clock that is set to and fro every half minute to two minutes, by 6 s to half an hour: seconds ahead."""
    edges = np.cumsum(chance.uniform(30, 120, 40))
    set_s = np.exp(chance.uniform(np.log(6), np.log(1_800), 41)) * chance.choice([-1.0, 1.0], 41)
    set_s[::2] = 0.0
    ahead_s: NDArray[Any] = set_s[np.searchsorted(edges, age_s)]
    return ahead_s


def _fast_s(chance: Generator, age_s: NDArray[Any]) -> NDArray[Any]:
    """A clock that begins nearly two minutes late and runs 10 to 20 % quicker than time: seconds ahead."""
    ahead_s: NDArray[Any] = -110.0 + chance.uniform(0.1, 0.19) * age_s
    return ahead_s
