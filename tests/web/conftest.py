"""A browser for the pages, where the machine has one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from bench.browser import launched

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def chromium() -> None:
    """Installs Chromium when that is possible; else the test is skipped, and fails in CI."""
    need = subprocess.run([ROOT / "script/need", "chromium"], capture_output=True, text=True, check=False)  # noqa: S603
    if shutil.which("chromium") is None:
        said = f"no Chromium: {need.stderr.strip()}"
        if os.environ.get("CI") == "true":
            pytest.fail(said)
        pytest.skip(said)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: None) -> AsyncIterator[Browser]:
    """A browser without a window."""
    async with launched() as started:
        yield started
