"""The README's picture of the live map; `script/screenshot` runs it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from playwright.async_api import TimeoutError as NothingCame

from bench.browser import DESKTOP, PHONE, Scheme, launched, visiting

BYTES_MAX = 400_000
_URL = "http://127.0.0.1:7400/"
_FILE = Path("docs/images/live-map.png")
_WATCHED_MS = 61_000  # until the curves are full and the trails as long as they get
_MOMENT_S = 10.0


async def take(url: str, file: Path, *, phone: bool, light: bool) -> None:
    """Writes the picture when something was just collected, or after ten seconds more."""
    size = PHONE if phone else DESKTOP
    scheme: Scheme = "light" if light else "dark"
    async with launched() as browser, visiting(browser, url, size=size, scheme=scheme) as visit:
        await visit.shows("seen.players.length > 0", timeout_s=60.0)
        await visit.page.wait_for_timeout(_WATCHED_MS)
        collected = (await visit.shows("true"))["totals"]["collected"]
        with suppress(NothingCame):
            await visit.shows(f"seen.totals.collected > {collected}", timeout_s=_MOMENT_S)
        await visit.page.screenshot(path=file)


def main() -> int:
    """0 when the picture is taken and small enough."""
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    url, file = [*words, *(_URL, str(_FILE))[len(words) :]][:2]
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(url, Path(file), phone="--phone" in sys.argv, light="--light" in sys.argv))
    size = Path(file).stat().st_size
    print(f"{file}: {size:,} bytes")
    return 0 if size <= BYTES_MAX else 1


if __name__ == "__main__":
    raise SystemExit(main())
