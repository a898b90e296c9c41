"""Nobody is taken for a cheat by what others send of what they were shown of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from uuid import UUID

import numpy as np
import pytest

from overworld.domains.trust.core import Core
from overworld.domains.world.engine.engine import Engine, flags_of, pass_of
from overworld.domains.world.rules import FIX
from overworld.domains.world.service.observed import events_of
from overworld.domains.world.shares.rules import shown
from overworld.domains.world.types import InterestRules, MovementRules, WorldSettings
from overworld.flows.facts_to_trust import window
from overworld.geo import cells
from overworld.kernel.standing import Gate
from tests.domains.world.journeys import START_US
from tests.domains.world.movement_cases import placed, times

pytestmark = pytest.mark.slow  # compiles the engine

WALKER, THIEF = UUID(int=1), UUID(int=2)
SETTINGS = WorldSettings()
Seen = Callable[[Engine, int], tuple[float, float]]


def as_strangers_see(engine: Engine, slot: int) -> tuple[float, float]:
    place = float(engine.players.lat_deg[slot]), float(engine.players.lng_deg[slot])
    seen = engine.present([cells.cell_of(*place, SETTINGS.room_level)])
    row = seen.slot.tolist().index(slot)
    return float(seen.lat_deg[row]), float(seen.lng_deg[row])


def as_friends_see(engine: Engine, slot: int) -> tuple[float, float]:
    place = float(engine.players.lat_deg[slot]), float(engine.players.lng_deg[slot])
    seen = shown(*place, sight="live", zone=None, coarse_level=SETTINGS.coarse_level)
    return seen.lat_deg, seen.lng_deg


@pytest.mark.parametrize(("seen_as", "every_s"), [(as_strangers_see, 1.0), (as_friends_see, 10.0)])
def test_who_sends_what_is_shown_of_another_as_it_is_walked_does_that_one_no_harm(seen_as: Seen, every_s: float):
    """Both would be taken for one, as nobody can have copied a track so soon: unless it is shown to the centimetre."""
    engine = Engine(settings=SETTINGS, movement=MovementRules(), interest=InterestRules(strangers="exact"))
    walker, thief = (engine.players.admit(one, now_us=START_US) for one in (WALKER, THIEF))
    told_s = times(1_800.0, every_s=every_s)
    path_m = np.stack([1.4 * told_s, 30.0 * np.sin(told_s / 40.0)], axis=1)
    track = placed(np.random.default_rng(1), told_s, path_m)
    core, gates = Core(), set[Gate]()

    def send(slot: int, lat_deg: float, lng_deg: float, *, time_us: int) -> None:
        fix = np.zeros(1, FIX)
        fix["slot"], fix["time_us"], fix["lat_deg"], fix["lng_deg"] = slot, time_us, lat_deg, lng_deg
        fix["accuracy_m"], fix["altitude_m"], fix["speed_m_s"] = 5.0, math.nan, math.nan
        fix["flags"] = flags_of(own_timeline=False, mock=False)
        engine.move(engine.validate(pass_of(fix, now_us=time_us + 50_000)))
        for event in events_of(engine.take_observed(), player_id=engine.players.id, mode_names=engine.mode_names):
            core.take(window(event, time_us))
            gates.add(core.standing(WALKER, at_us=time_us).gate)

    for at_s, lat_deg, lng_deg in zip(told_s.tolist(), track.lat_deg.tolist(), track.lng_deg.tolist(), strict=True):
        time_us = START_US + round(at_s * 1e6)
        send(walker, lat_deg, lng_deg, time_us=time_us)
        send(thief, *seen_as(engine, walker), time_us=time_us + 300_000)
    assert core.states[WALKER].windows > 20
    assert (core.states[WALKER].marks, gates) == ({}, {Gate.NORMAL})
