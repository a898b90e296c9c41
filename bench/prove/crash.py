"""`kill -9` in the middle of many walks: everything acknowledged is there once afterwards, and nothing else."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from enum import StrEnum
from itertools import count, cycle, islice
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Annotated, Any
from uuid import UUID

from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec.structs import replace

from bench.prove.books import Books, Told, audit
from bench.prove.gifts import Gifts
from bench.prove.line import Line
from bench.prove.outcome import Outcome, Steps, conclude, percentile, say
from bench.prove.stranger import Sealed, first_key, verified
from bench.servers import ServerProcess, free_ports
from overworld.app.game import FILE_NAME, check, found
from overworld.app.link import Link
from overworld.app.replay.gpx import Track, read_track
from overworld.app.replay.report import ledger_faults
from overworld.app.replay.walk import Walk, Walked
from overworld.client import Refused, Unreachable
from overworld.platform.postgres import running_dsn

TRACKS = Path(__file__).parents[2] / "tests" / "data" / "gpx"
_PACE = 1e6
_PATIENCE_S = 300.0
_PROGRESS_S = 120.0
_LOOK_S = 0.02
_RUNS_S_MAX = 1.5
_UNHEARD_S = 0.1
_TURN_DEG = 0.02
_TURNS_MAX = 200


class Kill(StrEnum):
    """What is killed: the server; the server with its last answers lost on the way; the server and its PostgreSQL."""

    SERVER = "server"
    UNHEARD = "server unheard"
    EVERYTHING = "server and database"


DATABASE = "database"

Count = Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))]
Some = Annotated[int, Parameter(validator=Number(gte=0, lte=1_000))]


def crash(
    *, rounds: Count = 10, database_rounds: Some = 2, walkers: Count = 8, leg_fixes: Count = 120, seed: int = 1
) -> int:
    """The server is killed in the middle of replays and started again: no acknowledged claim is lost or doubled.

    The tracks of tests/data/gpx are walked in legs, by a new player each, turned round the Earth's axis so that every
    two walk where nobody was before. The game is `ore` with far more to collect. Players send each other
    what they collected; all of it is sealed as it happens, and verified at the end by a stranger who has nothing but an
    export and the key of the first minute.

    Parameters
    ----------
    rounds
        How often the server is killed and started again, in turn: alone, a moment after its answers begin to be lost,
        and together with its PostgreSQL.
    database_rounds
        How often only its PostgreSQL is killed, which the server has to bring up again.
    walkers
        How many legs are walked side by side.
    leg_fixes
        The longest leg.
    seed
        Of everything that is chosen by chance.
    """
    with tempfile.TemporaryDirectory(prefix="overworld-crash-") as folder:
        Path(folder).chmod(0o755)  # under root the database runs as another user
        proof = prove(
            Path(folder),
            rounds=rounds,
            database_rounds=database_rounds,
            walkers=walkers,
            leg_fixes=leg_fixes,
            seed=seed,
        )
        return conclude("crash", asyncio.run(proof), seed=seed)


async def prove(folder: Path, *, rounds: int, database_rounds: int, walkers: int, leg_fixes: int, seed: int) -> Outcome:
    """Kills and restarts a server in a folder of its own while legs are walked on it."""
    random = Random(seed)
    kills = [*islice(cycle(Kill), rounds), *[DATABASE] * database_rounds]
    random.shuffle(kills)
    game = rich_game(folder / "game")
    async with AsyncExitStack() as stack:
        server, line = await _serving(folder / "data", game=game, seed=seed, stack=stack)
        key = await first_key(server)
        walks = Walks(server, legs(leg_fixes, Random(seed)), stack)
        gifts = Gifts(Random(f"{seed} gifts"), patience_s=_PATIENCE_S)
        restarts_s: list[float] = []
        async with asyncio.TaskGroup() as walking:
            for _ in range(walkers):
                walking.create_task(walks.run())
            walking.create_task(gifts.run(walks.players))
            with Steps("kills", len(kills)) as steps:
                for kill in kills:
                    await walks.another_claim()
                    await asyncio.sleep(random.uniform(0, _RUNS_S_MAX))
                    restarts_s += await _kill_and_restart(server, kill, line)
                    steps.done(f"{walks.claims} claims acknowledged")
                await walks.another_claim()
            walks.stopping = gifts.stopping = True
        say("comparing what was told with the database and its log")
        dsn = running_dsn(server.data) or ""
        faults = gifts.faults + await walks.ledger_faults(gifts)
        books = await audit(dsn, walks.told, game=check(game), given=gifts.given)
        say("verifying the public log")
        sealed = await verified(dsn, folder / "export", key=key)
    faults += books.faults + sealed.faults
    faults += [f"{sealed.transfers} transfers sealed, {sealed.posted} posted"] * (sealed.transfers != sealed.posted)
    return Outcome(_figures(kills, walks, restarts_s, books) | _figures_of_gifts(gifts, sealed), faults)


async def _serving(data: Path, *, game: Path, seed: int, stack: AsyncExitStack) -> tuple[ServerProcess, Line]:
    """A server that comes back at the same ports, and the line by which its clients find its socket."""
    ports = free_ports()
    line = await stack.enter_async_context(Line(ports[1]))
    environment = {
        "OVERWORLD_GAMEPLAY__SPAWN_KEY": f"crash {seed}",
        "OVERWORLD_LEDGER__SEAL_INTERVAL_S": "0.2",
        "OVERWORLD_REALTIME__PUBLIC_URL": f"ws://127.0.0.1:{line.port}/v1/realtime",
    }
    server = ServerProcess(data, game=str(game), ports=ports, environment=environment)
    return await stack.enter_async_context(server), line


def _figures(kills: Sequence[str], walks: Walks, restarts_s: Sequence[float], books: Books) -> dict[str, Any]:
    walked = [walked for _, walked in walks.ended]
    return {
        "rounds": len(kills),
        "kills": dict(Counter(map(str, kills))),
        "legs_walked": len(walked),
        "fixes_accepted": sum(each.accepted for each in walked),
        "fixes_refused": dict(sum((each.refused for each in walked), Counter())),
        "reconnects": sum(link.drops for link, _ in walks.ended),
        "claims_acknowledged": len(walks.told),
        "answers_replayed": sum(link.replayed for link, _ in walks.ended),
        "claims_refused": dict(sum((each.claims_refused for each in walked), Counter())),
        "restart_median_s": round(percentile(restarts_s, 0.5), 2),
        "restart_max_s": round(max(restarts_s, default=0.0), 2),
        "transfers": books.transfers,
        "events_read": books.events_read,
    }


def _figures_of_gifts(gifts: Gifts, sealed: Sealed) -> dict[str, Any]:
    return {
        "gifts_acknowledged": len(gifts.given),
        "gifts_sent_again": gifts.sent_again,
        "gifts_refused": dict(gifts.refused),
        "blocks_verified": sealed.blocks,
        "transfers_verified": sealed.transfers,
    }


async def _kill_and_restart(server: ServerProcess, kill: str, line: Line) -> list[float]:
    """The seconds from the start of the process until it was ready; none when it lived."""
    if kill == DATABASE:
        await server.kill_database()
        return []
    if kill == Kill.UNHEARD:
        line.deaf = True
        await asyncio.sleep(_UNHEARD_S)
    await server.kill(with_database=kill == Kill.EVERYTHING)
    line.deaf = False
    started_s = perf_counter()
    await server.start()
    return [perf_counter() - started_s]


class Walks:
    """Walks one leg after another until `stopping`; several may `run` at once.

    `players` are all who ever walked here, `ended` the legs walked whole.
    """

    def __init__(self, server: ServerProcess, legs: Iterator[Track], stack: AsyncExitStack) -> None:
        self.stopping = False
        self.ended: list[tuple[Link, Walked]] = []
        self.players: list[Link] = []
        self._http = server.http
        self._key = server.key
        self._legs = legs
        self._stack = stack
        self._begun: list[Walked] = []

    @property
    def claims(self) -> int:
        """How many claims have been acknowledged, those of legs under way included."""
        return sum(len(walked.collected) for walked in self._begun)

    @property
    def told(self) -> list[Told]:
        """Every acknowledged claim of the legs that have ended."""
        return [Told(UUID(link.api.session.user.id), one) for link, walked in self.ended for one in walked.collected]

    async def run(self) -> None:
        """Walks legs to their ends; a claim on its way when the line breaks is sent again until it is answered."""
        while not self.stopping:
            link = await self._joined()
            walk = Walk(next(self._legs), link, speed=_PACE, moved=lambda: None)
            self._begun.append(walk.walked)
            self.players.append(link)
            self.ended.append((link, await walk.run()))

    async def _joined(self) -> Link:
        """A new player, as soon as the server is there. Raises: TimeoutError."""
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                link = Link(self._http, key=self._key, patience_s=_PATIENCE_S)
                try:
                    return await self._stack.enter_async_context(link)
                except (Refused, Unreachable):
                    await asyncio.sleep(_LOOK_S)

    async def another_claim(self) -> None:
        """Waits until one more claim has been acknowledged. Raises: TimeoutError when none is."""
        before = self.claims
        async with asyncio.timeout(_PROGRESS_S):
            while self.claims == before:  # noqa: ASYNC110 - walks know nothing of who waits for them
                await asyncio.sleep(_LOOK_S)

    async def ledger_faults(self, gifts: Gifts) -> list[str]:
        """Where the players' own histories over HTTP differ from what they were told."""
        faults: list[str] = []
        for link, walked in self.ended:
            moved = gifts.moved(UUID(link.api.session.user.id))
            faults += [f"{walked.file}: {fault}" for fault in await ledger_faults(link.api, walked, moved=moved)]
        return faults


def rich_game(folder: Path) -> Path:
    """The game `ore` with so much to collect that a kill seldom misses a claim."""
    text = (found("ore") / FILE_NAME).read_text()
    folder.mkdir()
    (folder / FILE_NAME).write_text(re.sub(r"(?m)^mean_per_cell = .*$", "mean_per_cell = 64.0", text))
    return folder


def legs(fixes_max: int, random: Random) -> Iterator[Track]:
    """Pieces of the real tracks without end, in pairs at the same place, each pair turned farther east.

    A turn round the Earth's axis changes no distance, speed or time.
    """
    tracks = [read_track(file) for file in sorted(TRACKS.glob("*.gpx"))]
    for turn in count():
        track = random.choice(tracks)
        first = random.randrange(max(1, len(track.points) - fixes_max + 1))
        east_deg = turn % _TURNS_MAX * _TURN_DEG
        points = [replace(p, lng_deg=p.lng_deg + east_deg) for p in track.points[first : first + fixes_max]]
        for _ in range(2):
            yield Track(file=track.file, points_count=len(points), points=points)
