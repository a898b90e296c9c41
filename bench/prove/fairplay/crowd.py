"""The crowd that fair play is judged on: who is in it, and all that the server hears of them, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.random import Generator
from numpy.typing import NDArray

from bench.prove.fairplay import fakers, people
from bench.prove.fairplay.group import Group, Place

PLAYS_S = 600
RECORDED = "recorded"
_GROUP_MAX = 1_000

HONEST: Mapping[str, tuple[float, Callable[[Place], Group]]] = {
    "walker": (0.33, people.walkers),
    "canyon": (0.04, people.between_towers),
    "runner": (0.06, people.runners),
    "cyclist": (0.07, people.cyclists),
    "car": (0.10, people.in_cars),
    "motorway": (0.02, people.on_motorways),
    "train": (0.06, people.on_trains),
    "metro": (0.05, people.on_the_metro),
    "express": (0.003, people.on_express_trains),
    "resting": (0.12, people.resting),
    "family": (0.08, people.families),
    "shared_device": (0.03, people.sharing_a_device),
    "treadmill": (0.015, people.on_treadmills),
    "frozen": (0.015, people.frozen),
    "wrong_clock": (0.002, people.with_a_wrong_clock),
    RECORDED: (0.002, people.recorded),
}
"""What share of the honest players each kind has; walkers are also what is left over."""

CHEATS: Mapping[str, tuple[float, Callable[[Place], Group]]] = {
    "teleporter": (0.11, fakers.teleporters),
    "teleporter_waits": (0.11, fakers.patient_teleporters),
    "joystick": (0.12, fakers.joysticks),
    "joystick_jitter": (0.11, fakers.noisy_joysticks),
    "replayer": (0.10, fakers.replayers),
    "replayer_warped": (0.06, fakers.warped_replayers),
    "replayer_between": (0.05, fakers.interpolating_replayers),
    "interval_bot": (0.12, fakers.interval_bots),
    "account_farm": (0.12, fakers.farms),
    "mock_app": (0.05, fakers.mock_apps),
    "clock": (0.05, fakers.clock_movers),
}
"""What share of the cheaters each kind has."""

HARD: Mapping[str, Callable[[Place], Group]] = {
    "replayer_noise": fakers.noisy_replayers,
    "teleporter_closed": fakers.teleporters_unseen_on_the_way,
    "random_bot": fakers.random_bots,
}
"""Kinds that one server can hardly tell from honest players in ten minutes; they are told, and not required."""

_WHY_HARD = {
    "replayer_noise": "a track with fresh noise is what two people on one path send; it must stay normal",
    "teleporter_closed": "the app is closed until the way could have been driven: so does who takes a train",
    "random_bot": "a real walk, and claims at exponential intervals: so does a busy player",
}


class Crowd(Struct, frozen=True):
    """Players by number: their kinds; and their fixes, claims and logins, each in the order in which they came."""

    kinds: tuple[str, ...]
    fixes: NDArray[Any]
    claims: NDArray[Any]
    logins: NDArray[Any]


def why_hard(kind: str) -> str:
    """Why no server could tell a kind of cheater in time."""
    return _WHY_HARD[kind]


def shares(players: int, cheaters_share: float, hard_each: int) -> dict[str, int]:
    """How many there are to be of each kind, in the order in which they are made."""
    cheaters = round(players * cheaters_share)
    counts = {kind: max(1, round(cheaters * share)) for kind, (share, _) in CHEATS.items()}
    counts |= dict.fromkeys(HARD, hard_each)
    honest = players - sum(counts.values())
    made = {kind: max(1, round(honest * share)) for kind, (share, _) in HONEST.items()}
    made["walker"] += honest - sum(made.values())
    return made | counts


def crowd(*, players: int, cheaters_share: float, seed: int, hard_each: int = 0) -> Crowd:
    """So many players. The same arguments give the same crowd; a kind is made by its own draws."""
    makers = {kind: maker for kind, (_, maker) in {**HONEST, **CHEATS}.items()} | dict(HARD)
    groups: list[Group] = []
    kinds: list[str] = []
    records: list[NDArray[Any]] = []
    for number, (kind, wanted) in enumerate(shares(players, cheaters_share, hard_each).items()):
        made = 0
        while made < wanted:
            count = min(_GROUP_MAX, wanted - made)
            chance = np.random.default_rng([seed, number, made])
            place = Place(chance=chance, first=len(kinds), count=count, seconds=PLAYS_S, records=records)
            group = makers[kind](place)
            if kind == RECORDED:
                records += [group.fixes[group.fixes["player"] == player] for player in place.players.tolist()]
            kinds += [kind] * count
            made += count
            groups.append(group)
    return joined(tuple(kinds), groups)


def joined(kinds: tuple[str, ...], groups: list[Group]) -> Crowd:
    """All that the groups send, each in the order of its time; what came at once, in that of the players."""
    return Crowd(
        kinds,
        _ordered([group.fixes for group in groups], "arrives_us"),
        _ordered([group.claims for group in groups], "at_us"),
        _ordered([group.logins for group in groups], "at_us"),
    )


def _ordered(parts: list[NDArray[Any]], by: str) -> NDArray[Any]:
    rows = np.concatenate(parts)
    return rows[np.argsort(rows[by], kind="stable")]


def seeded(seed: int, *more: int) -> Generator:
    """Draws of their own for a part of the proof."""
    return np.random.default_rng([seed, *more])
