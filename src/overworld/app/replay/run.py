"""Replays several tracks at once and says what they came to."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from overworld.app.console import OutConsole
from overworld.app.link import KeyNotHonoured, Link
from overworld.app.replay.gpx import BadTrack, Track, read_track
from overworld.app.replay.report import ledger_faults, table, write_json
from overworld.app.replay.standing import standing_after
from overworld.app.replay.walk import Walk, Walked
from overworld.client import Closed, Refused, Unreachable

_PIPE_WIDTH = 1_000


class Replayed(Struct, frozen=True):
    """A walk that has ended, what the game calls its collectibles, and where the ledger disagrees."""

    walked: Walked
    noun: str
    faults: list[str]


def replay(files: Sequence[Path], *, server: str, key: str, speed: float, json: Path | None) -> int:
    """Walks every file by a player of its own, all at once; gives the exit code, 0 when all is well.

    Files that are no walk are named on standard error and the others still walk; the code is then 1.
    """
    tracks, well = _read(files)
    if json is not None and (json.is_dir() or not json.absolute().parent.is_dir()):
        _say(f"{json} is no file that could be written to")
        return 1
    if not tracks:
        return 1
    walks = asyncio.run(_walk_all(tracks, server=server, key=key, speed=speed))
    ended = [walk for walk in walks if isinstance(walk, Replayed)]
    for track, walk in zip(tracks, walks, strict=True):
        for problem in walk.faults if isinstance(walk, Replayed) else [walk]:
            _say(f"{track.file}: {problem}")
            well = False
    if ended:
        noun = ended[0].noun
        _print(table([walk.walked for walk in ended], noun=noun))
        if json is not None:
            well = _written(json, [walk.walked for walk in ended], noun=noun) and well
        if well:
            sys.stdout.write(f"The ledger holds exactly what {len(ended)} players were told they collected.\n")
    return 0 if well else 1


def _read(files: Sequence[Path]) -> tuple[list[Track], bool]:
    tracks: list[Track] = []
    well = True
    for file in files:
        try:
            tracks.append(read_track(file))
        except BadTrack as bad:
            _say(f"{file}: {bad}")
            well = False
    return tracks, well


async def _walk_all(tracks: Sequence[Track], *, server: str, key: str, speed: float) -> list[Replayed | str]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} fixes"))
    console = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as progress:
        bars = [progress.add_task(track.file, total=len(track.points)) for track in tracks]

        async def walk(track: Track, bar: TaskID) -> Replayed | str:
            try:
                return await _walk(track, server=server, key=key, speed=speed, moved=partial(progress.advance, bar))
            except Unreachable as error:
                return f"{server} does not answer as an Overworld server: {error}"
            except (Refused, KeyNotHonoured, Closed, TimeoutError) as error:
                return str(error) or "the server did not answer in time"

        return await asyncio.gather(*(walk(track, bar) for track, bar in zip(tracks, bars, strict=True)))


async def _walk(track: Track, *, server: str, key: str, speed: float, moved: Callable[[], None]) -> Replayed:
    async with Link(server, key=key) as link:
        walked = await Walk(track, link, speed=speed, moved=moved).run()
        walked.standing = await standing_after(link.api)
        return Replayed(walked, link.start.game.collectibles, await ledger_faults(link.api, walked))


def _written(json: Path, walks: Sequence[Walked], *, noun: str) -> bool:
    try:
        write_json(json, walks, noun=noun)
    except OSError as error:
        _say(f"{json} cannot be written: {error.strerror}")
        return False
    return True


def _print(shown: Table) -> None:
    """A terminal's width is its own; a pipe gets every column whole."""
    console: Console = OutConsole()
    if not console.is_terminal:
        console = OutConsole(width=_PIPE_WIDTH)
        shown.box = None  # lines are drawn for people only
        console.width = console.measure(shown).maximum
    console.print(shown)


def _say(problem: str) -> None:
    sys.stderr.write(f"overworld: {problem}\n")
