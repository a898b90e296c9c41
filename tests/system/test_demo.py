"""Simulated walkers beside a real server: they move, collect through the public doors, and end when it ends."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio

from bench.servers import ServerProcess, free_ports
from overworld.app.demo import places
from overworld.app.demo.player import device_id
from overworld.client import Api, Page
from overworld.client.http import trusted
from tests.system.commands import ANY_PORTS, WRONG
from tests.system.player import LJUBLJANA

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

WALKERS = 20
CITY = {"walkers": WALKERS, "seed": 7, "lat": LJUBLJANA[0], "lng": LJUBLJANA[1], "radius_m": 400.0}
DEMO = {f"OVERWORLD_DEMO__{name.upper()}": str(value) for name, value in CITY.items()} | {
    "OVERWORLD_DEMO__ENABLED": "true",
    "OVERWORLD_LIMITS__ENABLED": "true",
}
WAIT_S = 90.0
END_S_MAX = 10.0
GONE_S = 10.0
_POLL_S = 0.25


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory) -> AsyncIterator[ServerProcess]:
    """A server with rate limits, as it is out of the box, and nobody in it."""
    data = tmp_path_factory.mktemp("demo") / "data"
    async with ServerProcess(data, environment={"OVERWORLD_LIMITS__ENABLED": "true"}) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(empty_database, tmp_path_factory) -> AsyncIterator[str]:
    """The DSN of a database for one server after the other; the first brings it up to date."""
    async with empty_database() as dsn:
        yield dsn


async def until(holds: Callable[[], Awaitable[Any]]) -> Any:
    """What `holds` gives once that is true. Raises: TimeoutError."""
    async with asyncio.timeout(WAIT_S):
        while not (given := await holds()):  # noqa: ASYNC110 - another process has no event for us
            await asyncio.sleep(_POLL_S)  # pace: it asks another process
        return given


async def all_out(server: ServerProcess, *, times: int = 1) -> None:
    """Returns when all walkers walk, for the first time or after so many starts."""

    async def said_so() -> bool:
        return said(server, f'"event":"{WALKERS} of {WALKERS} walkers out') == times

    await until(said_so)


async def seen_around(api: Api) -> dict[str, tuple[float, float]]:
    """Where others are, as strangers may know it."""
    params: dict[str, str | int | float] = {"lat": LJUBLJANA[0], "lng": LJUBLJANA[1], "radius_m": 1_000, "limit": 200}
    page = await api.call(
        "GET", "/v1/location/nearby", reply=Page[dict[str, Any]], params={**params, "types": "player"}
    )
    return {one["id"]: (one["lat"], one["lng"]) for one in page.items}


async def world_of(server: ServerProcess) -> dict[str, Any]:
    """The live map of the walkers' city."""
    async with httpx.AsyncClient(base_url=server.http, verify=trusted()) as client:
        reply = await client.get("/v1/live/world?west=14&south=46&east=15&north=47")
        world: dict[str, Any] = reply.raise_for_status().json()
        return world


async def balances(server: ServerProcess) -> int:
    """What the ledger holds for all walkers."""
    total = 0
    async with Api(server.http, key=server.key) as api:
        for number in range(WALKERS):
            await api.device(device_id(server.key, seed=7, number=number))
            lines = await api.call("GET", "/v1/tokens/balance", reply=Page[dict[str, str]])
            total += sum(int(line["posted"]) for line in lines.items)
    return total


def walkers_of(server: ServerProcess) -> list[psutil.Process]:
    """The processes of the walkers that the server started."""
    return [process for process in server.family[1:] if "demo" in process.cmdline()]


def said(server: ServerProcess, text: str) -> int:
    """How often the log holds a text."""
    return server.log.read_text().count(text)


@asynccontextmanager
async def walking(server: ServerProcess) -> AsyncIterator[asyncio.subprocess.Process]:
    """`overworld demo` as a process of its own, with everybody out; it never outlives the block."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in CITY.items()]
    command = [sys.executable, "-m", "overworld", "demo", "--data", str(server.data), *options]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            assert (await process.stdout.readline()).decode().startswith(f"{WALKERS} of {WALKERS} walkers out")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def everybody_around(api: Api) -> dict[str, tuple[float, float]]:
    """Where the walkers are, once all of them are seen."""

    async def everybody() -> dict[str, tuple[float, float]] | None:
        seen = await seen_around(api)
        return seen if len(seen) == WALKERS else None

    seen: dict[str, tuple[float, float]] = await until(everybody)
    return seen


async def interrupted(process: asyncio.subprocess.Process) -> str:
    """What the walkers say at the end, when they are told to end as they should."""
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), END_S_MAX)
    assert (process.returncode, err) == (0, b"")
    return out.decode().strip()


async def test_walkers_move_and_collect_and_the_ledger_holds_what_they_say(server, joins):
    watcher = await joins(server)
    async with walking(server) as process:
        first = await everybody_around(watcher.api)

        async def have_moved() -> bool:
            now = await seen_around(watcher.api)
            assert now.keys() == first.keys()
            return bool(now != first)

        async def have_collected() -> bool:
            """By one figure of the server's: to ask for each walker's balance takes it longer than they walk."""
            return bool((await world_of(server))["totals"]["collected"])

        await until(have_moved)
        await until(have_collected)
        said = await interrupted(process)
    told = re.fullmatch(r"([\d,]+) fixes \(0 refused\), ([\d,]+) collected for ([\d,]+) coin, .*", said)
    assert told, said
    fixes, collected, earned = (int(number.replace(",", "")) for number in told.groups())
    assert fixes > WALKERS * 2
    assert earned >= collected > 0
    assert await balances(server) == earned


async def test_walkers_come_back_to_a_server_that_was_killed_and_started_again(database, tmp_path, joins):
    server = ServerProcess(tmp_path / "data", dsn=database, ports=free_ports())
    async with server, walking(server) as process:
        await server.kill()
        await server.start()
        watcher = await joins(server)
        await everybody_around(watcher.api)
        assert " fixes (0 refused), " in await interrupted(process)


async def test_ctrl_c_in_the_middle_of_traffic_ends_server_and_walkers_and_they_start_again_at_once(tmp_path):
    server = ServerProcess(tmp_path / "data", environment=DEMO, own_group=True, afresh=True)
    async with server:
        await all_out(server)
        family = server.family
        assert len(walkers_of(server)) == 1
        async with httpx.AsyncClient(base_url=server.http, verify=trusted()) as client:
            shown = (await client.get("/v1/live/about")).json()
        world = await world_of(server)
        assert (shown["demo"], shown["home"]["radius_m"]) == (True, CITY["radius_m"])
        assert (world["in_view"], world["totals"]["fixes_refused"]) == (WALKERS, 0)
        assert said(server, '"event":"request"') == 0, "what the server said at first would be out of sight"
        started_s = perf_counter()
        assert await server.interrupt() == 0
        assert perf_counter() - started_s < END_S_MAX
        assert psutil.wait_procs(family, timeout=GONE_S)[1] == []
        assert said(server, " fixes (0 refused), ") == 1
        assert said(server, "Traceback") == 0
        await server.start()
        await all_out(server, times=2)
        walkers = walkers_of(server)
        assert len(walkers) == 1
        await server.kill()
        assert psutil.wait_procs(walkers, timeout=GONE_S)[1] == [], "they end with a server that was killed, too"
        assert said(server, "Traceback") == 0


async def test_walkers_whose_process_was_killed_come_back_to_where_they_were(database, tmp_path):
    """The server believes every fix of theirs: they are the same players, and stand where they last stood."""
    async with ServerProcess(tmp_path / "data", dsn=database, environment=DEMO) as server:
        await all_out(server)

        async def places_are_kept() -> bool:
            return (server.data / places.FILE_NAME).exists()

        await until(places_are_kept)
        walkers_of(server)[0].kill()
        await all_out(server, times=2)
        assert said(server, "loop failed") == 1
        assert await server.stop() == 0
        assert said(server, " fixes (0 refused), ") == 1


async def test_in_production_walkers_are_refused_before_anything_starts(run):
    ran = await run("serve", "--demo", *ANY_PORTS, OVERWORLD_MODE="production")
    assert (ran.code, ran.out) == (WRONG, "")
    assert "flags: demo.enabled: walks simulated players" in ran.err


async def test_without_a_server_it_says_so(run):
    ran = await run("demo", "--server", "http://127.0.0.1:1", "--key", "owdev_none")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("overworld: http://127.0.0.1:1 does not answer as an Overworld server")


@pytest.mark.parametrize("option", ["--walkers=0", "--walkers=501", "--lat=91", "--radius-m=nan", "--seed=-1"])
async def test_walkers_that_cannot_be_are_refused(run, option):
    assert (await run("demo", option)).code == WRONG
