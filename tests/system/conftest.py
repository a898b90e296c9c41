"""Players for real server processes, and commands for careless operators."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from bench.servers import Ran, ServerProcess, overworld
from tests.system.commands import SECRET, Run
from tests.system.player import Player

Joins = Callable[..., Awaitable[Player]]


@pytest_asyncio.fixture(loop_scope="module")
async def joins() -> AsyncIterator[Joins]:
    """Signs new players in and connects them: `await joins(server)`."""
    async with AsyncExitStack() as stack:

        async def join(server: ServerProcess, *, device_id: str | None = None) -> Player:
            return await stack.enter_async_context(Player(server, device_id=device_id))

        yield join


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in an empty folder: `await run("serve", OVERWORLD_MODE="production")`.

    No command may print a traceback, or `SECRET`.
    """
    monkeypatch.chdir(tmp_path)

    async def run(*arguments: str | Path, **environment: str) -> Ran:
        ran = await overworld(*arguments, environment=environment)
        for text in (ran.out, ran.err):
            assert "Traceback" not in text, text[max(0, text.index("Traceback") - 500) :]
            assert SECRET not in text
        return ran

    return run
