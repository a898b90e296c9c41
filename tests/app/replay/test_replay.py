"""`overworld replay` as people run it: a process of its own against a running server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from bench.servers import Ran, ServerProcess, overworld
from tests.app.replay.test_gpx import GOOD, TRACKS, gpx, point

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

FILES = sorted(TRACKS.glob("*.gpx"))
FIELDS = [
    "file",
    "fixes",
    "sent",
    "accepted",
    "refused",
    "metres",
    "coins_seen",
    "coins_collected",
    "earned",
    "standing",
]
LAKE = "cerknicko-jezero.gpx"
QUICKLY = ("--speed", "1000000")
SHORT = TRACKS / "track_with_speed.gpx"
# The great circles between neighbouring timed fixes, the glitch included.
LENGTH_M = {"around-visnjan-with-car.gpx": 2733, LAKE: 4575, "korita-zbevnica.gpx": 6262, "track_with_speed.gpx": 19}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory) -> AsyncIterator[ServerProcess]:
    """A server with a PostgreSQL of its own."""
    async with ServerProcess(tmp_path_factory.mktemp("replay") / "data") as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def walked(server, tmp_path_factory) -> tuple[Ran, list[dict[str, Any]]]:
    """The four real tracks, walked once: how the command ended, and what it wrote."""
    file = tmp_path_factory.mktemp("walked") / "walked.json"
    ran = await overworld("replay", *FILES, "--data", server.data, "--json", file, *QUICKLY)
    return ran, json.loads(file.read_text())


async def test_real_tracks_are_walked_and_the_ledger_agrees(walked):
    ran, walks = walked
    assert (ran.code, ran.err) == (0, "")
    assert "The ledger holds exactly what 4 players were told they collected." in ran.out
    assert [walk["file"] for walk in walks] == [file.name for file in FILES]
    for walk in walks:
        assert walk["file"] in ran.out


async def test_the_json_has_the_fields_that_programs_read(walked):
    for walk in walked[1]:
        assert list(walk) == FIELDS
        assert walk["sent"] == walk["accepted"] + sum(walk["refused"].values())
        assert walk["coins_collected"] <= walk["coins_seen"]
        assert all(int(amount) >= walk["coins_collected"] for amount in walk["earned"].values())
        assert set(walk["earned"]) == ({"coin"} if walk["coins_collected"] else set())


async def test_real_tracks_stay_normal(walked):
    assert {walk["standing"] for walk in walked[1]} == {"normal"}


async def test_a_made_up_track_is_not_normal_afterwards(server, tmp_path):
    """Twelve minutes along a ruler at exactly one speed: no receiver and no legs make that."""
    file, out = tmp_path / "ruler.gpx", tmp_path / "out.json"
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    file.write_text(
        gpx(
            *(
                f'<trkpt lat="{46 + 1.3e-5 * second:.7f}" lon="14.5">'
                f"<time>{begins + timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ}</time></trkpt>"
                for second in range(720)
            )
        )
    )
    ran = await overworld("replay", file, "--data", server.data, "--json", out, *QUICKLY)
    assert ran.code == 0, ran.err
    [walk] = json.loads(out.read_text())
    assert walk["standing"] in {"reduced", "review", "refused"}
    assert walk["standing"] in ran.out


async def test_every_timed_fix_is_sent_and_only_the_lake_walk_is_refused_any(walked):
    counts = {walk["file"]: (walk["fixes"], walk["sent"], walk["accepted"]) for walk in walked[1]}
    assert counts.pop(LAKE)[:2] == (296, 296)
    assert counts == {
        "around-visnjan-with-car.gpx": (104, 104, 104),
        "korita-zbevnica.gpx": (871, 513, 513),
        "track_with_speed.gpx": (3, 3, 3),
    }


async def test_the_glitch_of_331_km_h_is_refused_and_the_walk_goes_on(walked):
    """The glitch leads 184 m away in 2 s; at most the next fix is too far off as well."""
    lake = next(walk for walk in walked[1] if walk["file"] == LAKE)
    assert set(lake["refused"]) == {"too_fast"}
    assert 1 <= lake["refused"]["too_fast"] <= 2
    assert lake["accepted"] >= 294


async def test_the_metres_walked_are_those_of_the_track(walked):
    for walk in walked[1]:
        assert walk["metres"] == pytest.approx(LENGTH_M[walk["file"]], rel=0.01, abs=1)


async def test_the_totals_of_the_table_are_those_of_the_ledger(walked, server):
    ran, walks = walked
    earned = sum(int(walk["earned"].get("coin", 0)) for walk in walks)
    totals = next(line for line in ran.out.splitlines() if line.split()[:1] == ["all"])
    assert totals.split()[1:4] == [str(sum(walk[name] for walk in walks)) for name in ("fixes", "sent", "accepted")]
    assert totals.rstrip().endswith(f"{earned} coin")


async def test_files_that_are_no_walks_are_told_and_the_others_still_walk(server, tmp_path):
    contents = {
        "untimed": (gpx(point(None), point(None)), "none of its 2 points carries a time"),
        "single": (gpx(GOOD), "holds a single timed point"),
        "broken": (gpx(GOOD)[:-9], "is not well-formed XML"),
        "backwards": (gpx(GOOD, point("2025-12-31T23:59:59Z")), "run backwards at timed point 2 of 2"),
        "absent": (None, "cannot be read"),
    }
    files = {name: tmp_path / f"{name}.gpx" for name in contents}
    for name, (content, _) in contents.items():
        if content is not None:
            files[name].write_text(content)
    out = tmp_path / "out.json"
    ran = await overworld("replay", *files.values(), SHORT, "--data", server.data, "--json", out, *QUICKLY)
    assert_told(ran, *(str(file) for file in files.values()))
    for line, (name, (_, reason)) in zip(ran.err.splitlines(), contents.items(), strict=True):
        assert line.startswith(f"overworld: {files[name]}: "), line
        assert reason in line
    assert [walk["file"] for walk in json.loads(out.read_text())] == [SHORT.name]
    assert "The ledger holds" not in ran.out


async def test_with_no_walk_at_all_nothing_is_written(server, tmp_path):
    out = tmp_path / "out.json"
    ran = await overworld("replay", tmp_path / "none.gpx", "--data", server.data, "--json", out)
    assert (ran.code, ran.out, out.exists()) == (1, "", False)
    assert_told(ran, "cannot be read")


async def test_without_a_running_server_it_says_so(tmp_path):
    assert_told(await overworld("replay", SHORT, "--data", tmp_path), "no server is running", "--server")


async def test_without_a_key_it_says_so(server, tmp_path):
    ran = await overworld("replay", SHORT, "--server", server.http, "--data", tmp_path)
    assert_told(ran, "no developer key", "--key")


async def test_a_wrong_key_is_told_before_the_walk(server, tmp_path):
    out = tmp_path / "out.json"
    ran = await overworld("replay", SHORT, "--data", server.data, "--key", "owdev_wrong", "--json", out)
    assert_told(ran, "does not honour this developer key")
    assert (ran.out, out.exists()) == ("", False)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "127.0.0.1:7400", "http://[::", "REALTIME"])
async def test_an_address_without_an_overworld_is_told(server, address):
    address = server.realtime.replace("ws:", "http:") if address == "REALTIME" else address
    ran = await overworld("replay", SHORT, "--data", server.data, "--server", address)
    assert_told(ran, f"{address} does not answer as an Overworld server")


async def test_a_place_that_cannot_be_written_is_told_before_the_walk(server, tmp_path):
    for place in (tmp_path, tmp_path / "nowhere" / "out.json"):
        ran = await overworld("replay", SHORT, "--data", server.data, "--json", place)
        assert_told(ran, f"{place} is no file that could be written to")
        assert ran.out == ""


def assert_told(ran: Ran, *words: str) -> None:
    """The command failed with one line for a person."""
    assert ran.code == 1, ran
    assert "Traceback" not in ran.out + ran.err, ran
    assert ran.err.startswith("overworld: "), ran
    assert all(word in ran.err for word in words), ran
