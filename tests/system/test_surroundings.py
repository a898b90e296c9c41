"""Players who see each other by packed frames, with a whole server between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from bench.servers import ServerProcess
from overworld.client import Fix, Player
from overworld.geo import cells
from overworld.geo.sphere import destination_deg
from overworld.kernel.identity import Scope
from tests.system.player import LJUBLJANA

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("surroundings"),
]

WAIT_S = 30.0
AROUND = {"location:around"}
COARSE_LEVEL = 16
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(tmp_path_factory.mktemp("surroundings") / "data") as server:
        yield server


class Walker:
    """A player on a time line of its own, who may walk as far as it likes between two fixes."""

    def __init__(self, server: ServerProcess, name: str) -> None:
        self.player = Player(
            server.http, sign_in=lambda api: api.device(f"the-device-of-{name}"), socket_key=server.key, pause_s=0.01
        )
        self._hours = 0

    async def stand(self, place: tuple[float, float], *, seconds: float = 0.0) -> None:
        """Is at a place an hour after the last one."""
        self._hours += 1
        at = FIRST + timedelta(hours=self._hours, seconds=seconds)
        fix = Fix(lat=place[0], lng=place[1], accuracy_m=5.0, timestamp=at)
        [verdict] = await self.player.report_packed([fix])
        assert verdict.accepted, verdict

    async def sees(self, expected: dict[str, tuple[float, float]]) -> None:
        """Returns when just these accounts are seen, each at the centre of its coarse cell."""
        async with asyncio.timeout(WAIT_S):
            while True:
                seen = {one.account_id: (one.lat, one.lng) for one in self.player.surroundings.everybody()}
                if seen.keys() == expected.keys() and all(
                    seen[account] == pytest.approx(coarse(place), abs=2e-7) for account, place in expected.items()
                ):
                    return
                await self.player.event(timeout_s=WAIT_S)


def coarse(place: tuple[float, float]) -> tuple[float, float]:
    return cells.centre_deg(cells.cell_of(*place, COARSE_LEVEL))


def off(metres: float, bearing: float = 90.0) -> tuple[float, float]:
    return destination_deg(*LJUBLJANA, bearing, metres)


async def visibility(player: Player, *, visible: bool) -> None:
    reply = await player.api.call("PUT", "/v1/location/visibility", body={"visible": visible}, reply=dict[str, Any])
    assert reply["visible"] is visible


async def test_players_come_move_hide_and_leave_in_each_others_eyes(server):
    ann, ben = Walker(server, "ann"), Walker(server, "ben")
    async with ann.player, ben.player:
        assert Scope.WORLD_REPLAY in ann.player.scopes
        ben_id = ben.player.api.session.user.id
        await ann.stand(LJUBLJANA)
        await ann.player.listen(AROUND, positions="packed", radius_m=400)
        await ben.stand(off(150))
        await ann.sees({ben_id: off(150)})
        await ben.stand(off(350))
        await ann.sees({ben_id: off(350)})
        await visibility(ben.player, visible=False)
        await ann.sees({})
        await ben.stand(off(100))
        await visibility(ben.player, visible=True)
        await ben.stand(off(120))
        await ann.sees({ben_id: off(120)})
        await ben.stand(off(2_500))
        await ann.sees({})


async def test_around_goes_along_and_a_named_cell_of_the_same_socket_stays(server):
    cat, dan = Walker(server, "cat"), Walker(server, "dan")
    async with cat.player, dan.player:
        dan_id = dan.player.api.session.user.id
        home, there = off(8_000), off(10_000)
        await cat.stand(home)
        await dan.stand(there)
        await cat.player.listen(AROUND, positions="packed", radius_m=300)
        await cat.sees({})
        await cat.stand(there)
        await cat.sees({dan_id: there})
        await dan.stand(home)
        await cat.sees({})
