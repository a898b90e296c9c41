"""A machine for a page to be followed on: an empty folder, a shell, and a server that the page starts."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path
from typing import Any

from bench.servers import free_ports
from tests.docs import tours
from tests.docs.calm import calm_game
from tests.docs.pages import ROOT
from tests.docs.tours import Step

PORTS = (7400, 7401, 7403)
SERVE = re.compile(r"^script/serve\b[^#\n]*", re.MULTILINE)
# What a tour names and a test does not run: the tests themselves, and proofs that take minutes.
LEFT_OUT = re.compile(r"^script/(?:test|prove|bench)\b.*$", re.MULTILINE)
# The README walks four tracks in real time divided by sixty, which takes four minutes.
HURRY = ("overworld replay tests/", "overworld replay --speed 20000 tests/")
# A tenth of those who walk with `--demo`; what the pages show differs in numbers alone.
WALKERS = 20
READY_S = 120.0
TOUR_S = 240.0


class Machine:
    """An empty folder that looks like the checkout and has no data yet, with ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = dict(zip(PORTS, free_ports(), strict=True))
        names = ("OVERWORLD_HTTP__PORT", "OVERWORLD_REALTIME__PORT", "OVERWORLD_OPERATIONS__PORT")
        ports = zip(names, map(str, self.ports.values()), strict=True)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("OVERWORLD_")} | dict(ports)
        self.environment["OVERWORLD_GAME"] = str(calm_game(folder))
        self.environment["OVERWORLD_DEMO__WALKERS"] = str(WALKERS)
        for script in (ROOT / "script").iterdir():
            self._stand_in(script)
        (folder / "tests").symlink_to(ROOT / "tests")

    def _stand_in(self, script: Path) -> None:
        own = self.folder / "script" / script.name
        own.parent.mkdir(exist_ok=True)
        if script.is_file() and os.access(script, os.X_OK):
            own.write_text(f'#!/bin/sh\nexec "{script}" "$@"\n')
            own.chmod(0o755)

    async def walk(self, steps: list[Step]) -> None:
        """Starts the server as the first step says, takes the others, and ends it with Ctrl-C."""
        command = SERVE.search(steps[0].commands)
        assert command is not None
        log = self.folder / "serve.log"
        with log.open("wb") as out:
            server = await self._bash(f"exec {command[0]}", stdout=out, stderr=out)
        try:
            await self._until_it_listens(server, log)
            assert tours.differences(self._here(steps[0]), log.read_text()) == []
            await self.run([Step(SERVE.sub("", steps[0].commands)), *steps[1:]])
            server.send_signal(signal.SIGINT)
            async with asyncio.timeout(30):
                assert await server.wait() == 0, log.read_text()
        finally:
            if server.returncode is None:
                server.kill()
                await server.wait()

    async def run(self, steps: list[Step]) -> None:
        """All commands in one shell, which ends at the first that fails; a line of its own parts the steps."""
        mark = "-- the next step --"
        script = f"\nprintf '\\n%s\\n' '{mark}'\n".join(LEFT_OUT.sub("", self._here(step).commands) for step in steps)
        shell = await self._bash("set -eu\n" + script.replace(*HURRY), stdout=asyncio.subprocess.PIPE, stderr=None)
        async with asyncio.timeout(TOUR_S):
            printed, _ = await shell.communicate()
        parts = printed.decode().replace("\r", "").split(f"\n{mark}\n")
        assert (shell.returncode, len(parts)) == (0, len(steps)), printed.decode()
        for step, part in zip(steps, parts, strict=True):
            assert tours.differences(self._here(step), part) == [], f"{step.commands}{part}"
            assert "urn:overworld:problem" not in part or "urn:overworld:problem" in step.shown, part

    def _here(self, step: Step) -> Step:
        return Step(tours.with_ports(step.commands, self.ports), step.kind, tours.with_ports(step.shown, self.ports))

    async def _until_it_listens(self, server: asyncio.subprocess.Process, log: Path) -> None:
        async with asyncio.timeout(READY_S):
            while not self._listens(log):
                assert server.returncode is None, self._said(log)
                await asyncio.sleep(0.05)  # pace: a process that starts has no event for us

    def _said(self, log: Path) -> str:
        return log.read_text()

    def _listens(self, log: Path) -> bool:
        """Whether the server has said so, to people and to tools."""
        return any(self.folder.glob("*/server.json")) and "data  " in log.read_text()

    async def _bash(self, script: str, **streams: Any) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            "bash", "-c", script, cwd=self.folder, env=self.environment, stdin=asyncio.subprocess.DEVNULL, **streams
        )
