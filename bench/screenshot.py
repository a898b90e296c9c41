"""The README's picture of the live map; `script/screenshot` runs it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

BYTES_MAX = 400_000
_URL = "http://127.0.0.1:7400/"
_FILE = Path("docs/images/live-map.png")
_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
_WATCHED_MS = 61_000  # until the curves are full and the trails as long as they get
_MOMENTS = 40


def take(url: str, file: Path) -> int:
    """Writes the picture when something was just collected; gives its size in bytes."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="dark")
        page.goto(url)
        page.wait_for_function("() => window.overworld?.players.length > 0", timeout=60_000)
        page.wait_for_timeout(_WATCHED_MS)
        for _ in range(_MOMENTS):
            coins = page.evaluate("() => window.overworld.coins.length")
            page.wait_for_timeout(250)
            if page.evaluate("() => window.overworld.coins.length") < coins:
                break
        file.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=file)
        browser.close()
    return file.stat().st_size


def main() -> int:
    """0 when the picture is taken and small enough."""
    url, file = [*sys.argv[1:], *(_URL, str(_FILE))[len(sys.argv) - 1 :]][:2]
    size = take(url, Path(file))
    print(f"{file}: {size:,} bytes")
    return 0 if size <= BYTES_MAX else 1


if __name__ == "__main__":
    raise SystemExit(main())
