"""Frames that the world itself makes, as a client reads them: it knows the others as the world does."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from overworld.client import Surroundings
from overworld.client.packed import decode_surroundings
from overworld.domains.world.engine.engine import warm
from overworld.domains.world.messages import FixReport
from overworld.domains.world.types import InterestRules, WorldSettings
from overworld.domains.world.wiring import build
from overworld.geo import cells, sphere
from overworld.kernel.clock import FixedClock

HOMES = [(48.2, 16.37), (0.0, 179.9999), (89.9995, 10.0), (35.264, 45.0)]
PLAYERS = 12
ROUNDS = 25
SETTINGS = WorldSettings()
STEP_M = 60.0


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """The first call of a kernel would count as a slow test."""
    warm(SETTINGS)


def room(place):
    lat, lng = place
    return cells.cell_of(lat, lng, SETTINGS.room_level)


@pytest.mark.slow
@pytest.mark.parametrize("home", HOMES)
async def test_a_client_knows_everybody_in_the_cells_it_watches_and_nobody_else(home):
    """Players 1 to 12 wander about; player 1 watches the cells around it, which change as it goes."""
    random, clock = Random(1), FixedClock(datetime(2026, 11, 21, tzinfo=UTC))
    rules = InterestRules(strangers="exact", error_m=0.0)
    nothing_kept: Any = None
    parts = build(
        database=nothing_kept,
        clock=clock,
        outbox=nothing_kept,
        audit=nothing_kept,
        settings=SETTINGS,
        interest=rules,
    )
    world = parts.service
    own = UUID(int=1)
    around = Surroundings(own_id=str(own), clock=clock)
    world.interest.on_frames = lambda _, starts, ends, told: around.apply(
        decode_surroundings(bytes(told[starts[0] : ends[0]]))
    )
    watcher = world.interest.open()
    places: dict[UUID, tuple[float, float]] = {}
    for _ in range(ROUNDS):
        clock.advance(timedelta(seconds=10))
        for player in (UUID(int=number) for number in range(1, PLAYERS + 1)):
            if player != own and random.random() < 0.3:
                continue
            lat, lng = places.get(player, home)
            there = sphere.destination_deg(lat, lng, random.uniform(0, 360), random.uniform(0, STEP_M))
            report = FixReport(lat=there[0], lng=there[1], accuracy_m=5.0, timestamp=clock.now())
            if (await world.submit(player, report)).accepted:
                places[player] = there
        here = room(places[own])
        watched = [here, *cells.neighbours(here)][: random.choice([1, 5, 9])]
        world.interest.watch(watcher, watched)
        world.interest.encode(now_ms=clock.now_us() // 1_000)
        for part in range(SETTINGS.slices):
            world.interest.serve(part)
        known = {UUID(one.account_id): one for one in around.everybody(around.clock_ms)}
        assert {player: one.cell for player, one in known.items()} == {
            player: room(place) for player, place in places.items() if player != own and room(place) in watched
        }
        for player, one in known.items():
            assert sphere.distance_between_m(one.lat, one.lng, *places[player]) < 0.35  # nobody is told centimetres
    assert around.cells == set(watched)
