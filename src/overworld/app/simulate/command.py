"""What `overworld simulate economy` does around a run: a database, a progress bar, files, and the exit code."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from overworld.app.game import Game
from overworld.app.simulate import told
from overworld.app.simulate.figures import Report
from overworld.app.simulate.page import page
from overworld.app.simulate.run import Options, simulate
from overworld.app.simulate.stage import own_database

MISSED = 1
JSON_NAME, PAGE_NAME = "economy.json", "economy.html"


def economy(game: Game, options: Options, *, out: Path | None, as_json: bool) -> tuple[list[str], int]:
    """What to print, and the exit code: 1 when a band is missed or the books do not add up.

    Raises: SystemExit when the folder cannot be written to, before anything is run; KeyboardInterrupt when it was told
    to end, after the database is gone.
    """
    if out is not None:
        _require_folder(out)
    try:
        report = asyncio.run(_run(game, options))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    encoded = msgspec.json.format(msgspec.json.encode(report), indent=2).decode()
    if out is not None:
        (out / JSON_NAME).write_text(f"{encoded}\n")
        (out / PAGE_NAME).write_text(page(report))
    lines = [encoded] if as_json else list(told.lines(report))
    return lines, MISSED if report.missed or report.faults else 0


def _require_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"overworld: {out} is no folder that could be written to: {error.strerror}") from error


async def _run(game: Game, options: Options) -> Report:
    running = asyncio.current_task()
    if running is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} days"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(f"{options.players:,} players of {game.name}", total=options.days)
        async with own_database() as database:
            return await simulate(
                game, options, database=database, told=lambda day, _: progress.update(bar, completed=day)
            )
