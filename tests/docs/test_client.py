"""The program of docs/client.md does what the page shows, against a real server."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from bench.servers import ServerProcess
from tests.docs import tours
from tests.docs.pages import read
from tests.docs.tours import Step

PAGE = "docs/client.md"
RUNS_S = 60.0


@pytest.mark.slow
async def test_the_program_prints_what_the_page_shows(tmp_path: Path):
    program, shown = [block.text for block in read(PAGE).blocks if block.language in ("python", "text")]
    async with ServerProcess(tmp_path / "data") as server:
        given = program.replace("http://127.0.0.1:7400", server.http)
        assert given != program
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", given, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        async with asyncio.timeout(RUNS_S):
            out, _ = await process.communicate()
    printed = out.decode()
    assert process.returncode == 0, printed
    assert tours.differences(Step(program, "text", shown), printed) == []
