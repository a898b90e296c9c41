"""What is forked for tests is what its users start."""

import os
import signal
import subprocess
import sys
from tempfile import TemporaryFile

import psutil
import pytest

from bench import servers
from bench.servers import AFRESH, OVERWORLD, overworld
from tests.nursery import ROOT, Forked

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="there nothing is forked")]

GONE_S = 20.0


@pytest.mark.parametrize(
    "arguments",
    [("--version",), ("config", "show"), ("config", "show", "--none"), ("serve", "--data", "/dev/null/data")],
    ids=" ".join,
)
async def test_it_prints_and_ends_as_one_that_starts_afresh(tmp_path, monkeypatch, arguments):
    """In the folder and with the settings that are there now."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "overworld.toml").write_text("[http]\nport = 7499\n")
    settings = {"OVERWORLD_LOG__LEVEL": "warning"}
    told = [await overworld(*arguments, environment=settings, afresh=afresh) for afresh in (False, True)]
    assert told[0] == told[1]
    assert servers.usual is not AFRESH


async def started(arguments: list[str], *, own_group: bool = False, **variables: str) -> servers.Program:
    with TemporaryFile() as printed:
        return await servers.usual.start(
            [*OVERWORLD, *arguments], environment=os.environ | variables, out=printed, err=printed, own_group=own_group
        )


async def test_a_database_is_copied_once_and_is_its_servers_own_from_then_on(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for data in (one, other):
        data.mkdir()
        await servers.usual.furnish(data)
    (one / "postgres" / "mark").touch()
    await servers.usual.furnish(one)
    assert (one / "postgres" / "mark").exists()
    assert not (other / "postgres" / "mark").exists()
    ran = await overworld("migrate", "plan", "--data", other)
    assert (ran.code, ran.out) == (0, "")


async def test_the_signal_that_ended_it_is_told(tmp_path):
    program = await started(["serve", "--data", str(tmp_path)], own_group=True)
    assert isinstance(program, Forked)
    assert os.getpgid(program.pid) == program.pid
    assert program.returncode is None
    os.killpg(program.pid, signal.SIGKILL)
    assert await program.wait() == -signal.SIGKILL == program.returncode


async def test_where_the_environment_is_another_it_starts_afresh():
    program = await started(["--version"], PYTHONHASHSEED="1")
    assert not isinstance(program, Forked)
    assert await program.wait() == 0


_TESTS = """
import asyncio, os, sys
from pathlib import Path
from tempfile import TemporaryFile
from bench.servers import OVERWORLD
from tests.nursery import Nursery

async def main():
    with Nursery(Path("/nowhere")) as nursery, TemporaryFile() as printed:
        program = await nursery.start(
            [*OVERWORLD, "--version"], environment=os.environ, out=printed, err=printed, own_group=False
        )
        await program.wait()
        print(nursery._process.pid, flush=True)
        sys.stdin.read()

asyncio.run(main())
"""


def test_it_does_not_outlive_a_test_process_that_was_killed():
    with subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-c", _TESTS], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdout is not None
        nursery = psutil.Process(int(tests.stdout.readline()))
        assert "tests.nursery" in nursery.cmdline()
        tests.kill()
    assert psutil.wait_procs([nursery], timeout=GONE_S)[1] == []
