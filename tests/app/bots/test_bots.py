"""`overworld bots` as people run it: a process of its own against a running server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from bench.servers import Ran, ServerProcess, overworld
from overworld.app.bots import recording
from overworld.app.bots.kinds import KINDS

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

FEW = ("--players", "50", "--seconds", "3", "--cheaters", "20%", "--seed", "7")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory) -> AsyncIterator[ServerProcess]:
    """A server with a PostgreSQL of its own; its limits are off."""
    async with ServerProcess(tmp_path_factory.mktemp("bots") / "data") as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ran(server, tmp_path_factory) -> tuple[Ran, Path]:
    """A small run: how it ended, and the folder of what it wrote."""
    folder = tmp_path_factory.mktemp("ran")
    files = ("--json", folder / "bots.json", "--html", folder / "bots.html", "--record", folder / "run.npz")
    return await overworld("bots", *FEW, "--data", server.data, *files, timeout_s=180), folder


async def test_a_run_is_whole_and_every_honest_fix_is_believed(ran):
    told, folder = ran
    assert told.code == 0, told.err
    report = json.loads((folder / "bots.json").read_text())
    assert (report["players"], report["cheats"], report["faults"], report["said"]) == (50, 10, [], {})
    assert report["fixes"] > 100
    assert report["fixes"] == report["accepted"] + sum(report["refused"].values())
    cheats = {kind.name for kind in KINDS if kind.is_cheat}
    for kind in report["kinds"]:
        assert kind["is_cheat"] == (kind["kind"] in cheats)
        if not kind["is_cheat"]:
            assert kind["accepted"] >= 0.98 * kind["fixes"], kind
    [mock] = [kind for kind in report["kinds"] if kind["kind"] == "mock"]
    assert mock["refused"] == {"mock": mock["fixes"]}
    assert "50 bots in seoul, 10 of them cheats, 3 s, seed 7" in told.out
    assert (folder / "bots.html").read_text().startswith("<!doctype html>")


async def test_a_replay_sends_the_recorded_bytes_and_gets_the_same_verdicts(server, ran):
    folder = ran[1]
    files = ("--replay", folder / "run.npz", "--record", folder / "again.npz", "--json", folder / "again.json")
    told = await overworld("bots", *files, "--processes", "1", "--data", server.data, timeout_s=180)
    assert told.code == 0, told.err
    first, again = (recording.read(folder / name) for name in ("run.npz", "again.npz"))
    shift_us = again.start_us - first.start_us
    again.sent["due_us"] -= shift_us
    again.sent["fix"]["time_us"] -= shift_us
    assert again.sent.tobytes() == first.sent.tobytes()
    assert np.array_equal(again.kind, first.kind)
    reports = [json.loads((folder / name).read_text()) for name in ("bots.json", "again.json")]
    assert reports[1]["refused"] == reports[0]["refused"]
    assert reports[1]["accepted"] == reports[0]["accepted"] == len(first.sent) - sum(reports[0]["refused"].values())
