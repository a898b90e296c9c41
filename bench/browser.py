"""A headless Chromium, and pages in it that tell what went wrong in them: for tests, proofs and pictures."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct, field
from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, async_playwright

Scheme = Literal["light", "dark"]

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
        """Waits until an expression about `seen`, what the map shows, is true; gives `seen`.

        Raises: playwright's TimeoutError.
        """
        test = f"() => {{ const seen = window.overworld; return seen && ({expression}) ? seen : null }}"
        handle = await self.page.wait_for_function(test, timeout=timeout_s * 1000)
        return await handle.json_value()

    async def figure(self, name: str) -> str:
        """What the panel says of a figure."""
        return await self.page.locator(f"[data-figure={name}]").inner_text()


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """A browser without a window. It finds `STRANGER` at this machine, which a server takes for a name from outside.

    Raises: FileNotFoundError when there is no Chromium; `script/need chromium` may get one.
    """
    path = shutil.which("chromium")
    if path is None:
        raise FileNotFoundError("there is no chromium; script/need chromium installs it where it can")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(
    browser: Browser, url: str, *, size: ViewportSize = DESKTOP, scheme: Scheme = "light"
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
