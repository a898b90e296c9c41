"""A headless Chromium, and pages in it that tell what went wrong in them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from msgspec import Struct, field
from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, async_playwright

ROOT = Path(__file__).parents[2]
STRANGER = "overworld.test"
DESKTOP = ViewportSize(width=1280, height=800)
PHONE = ViewportSize(width=390, height=844)
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {STRANGER} 127.0.0.1",
]


class Visit(Struct, kw_only=True):
    """A page, the hosts it spoke to, and what its console complained of."""

    page: Page
    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    async def shows(self, expression: str, *, timeout_s: float = 20.0) -> Any:
        """Waits until an expression about `seen`, what the map shows, is true; gives `seen`."""
        test = f"() => {{ const seen = window.overworld; return seen && ({expression}) ? seen : null }}"
        handle = await self.page.wait_for_function(test, timeout=timeout_s * 1000)
        return await handle.json_value()

    async def figure(self, name: str) -> str:
        """What the panel says of a figure."""
        return await self.page.locator(f"[data-figure={name}]").inner_text()


def chromium() -> str:
    """The path of Chromium, installed when that is possible; else the test is skipped, and fails in CI."""
    need = subprocess.run([ROOT / "script/need", "chromium"], capture_output=True, text=True, check=False)  # noqa: S603
    path = shutil.which("chromium")
    if path is None:
        said = f"no Chromium: {need.stderr.strip()}"
        if os.environ.get("CI") == "true":
            pytest.fail(said)
        pytest.skip(said)
    return path


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """A browser without a window. It finds `STRANGER` at this machine, which a server takes for a name from outside."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(
    browser: Browser, url: str, *, size: ViewportSize = DESKTOP, scheme: Literal["light", "dark"] = "light"
) -> AsyncIterator[Visit]:
    """A page of its own, loaded from a URL."""
    context = await browser.new_context(viewport=size, color_scheme=scheme)
    try:
        page = await context.new_page()
        visit = Visit(page=page)

        def heard(message: ConsoleMessage) -> None:
            if message.type == "error":
                visit.complaints.append(message.text)

        page.on("console", heard)
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        context.on("request", lambda request: visit.hosts.add(urlsplit(request.url).netloc))
        await page.goto(url)
        yield visit
    finally:
        await context.close()
