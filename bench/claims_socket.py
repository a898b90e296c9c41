"""Claims a second: many players collect at once, some of it contested, and every coin is counted afterwards."""

from __future__ import annotations

import secrets
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import report
from bench.collecting import crowded_game
from bench.load.claims import ClaimsLoad, ClaimsPlan
from bench.load.process import Generator
from bench.machine import Machine, machine, rss_mb
from bench.players import sign_in
from bench.prove.books import Books, audit
from bench.prove.outcome import say
from bench.report import Report
from bench.rounds import Json, Over, RoundCount, Rounds, Seconds, cpu_us, measure, spans
from bench.servers import ServerProcess
from overworld.app.game import check

_CONTESTED = "gameplay.already_collected"
_GUESS_PER_S = 25_000

Pipelined = Annotated[int, Parameter(validator=Number(gte=1, lte=32))]
Players = Annotated[int, Parameter(validator=Number(gte=2, lte=10_000))]
Contested = Annotated[float, Parameter(validator=Number(gte=0, lte=1))]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    over: Over
    players: int
    pipelined: int
    contested: float
    seconds: float
    rounds: int
    seed: int
    database: str | None


def claims_socket(
    *,
    over: Over = "socket",
    players: Players = 200,
    pipelined: Pipelined = 4,
    contested: Contested = 0.1,
    seconds: Seconds = 15,
    rounds: RoundCount = 3,
    seed: int = 1,
    database: str | None = None,
    json: Json = False,
) -> int:
    """Claims a second over connections: many players collect at once, and every coin is counted afterwards.

    Closed loop: each player has `pipelined` claims under way and sends the next when one is answered. A latency lasts
    from sending a claim to reading its answer, in the generator's process.

    Parameters
    ----------
    over
        How claims are sent.
    players
        Players, each with a connection; an odd one is left out, since two share a stand.
    pipelined
        Claims that each player has under way; over HTTP it is one.
    contested
        Share of the claims for collectibles that both players of a stand want: half of these are refused.
    seconds
        Measured time, all rounds together.
    rounds
        Rounds after the warm-up.
    seed
        Of what is contested.
    database
        DSN of an empty database to use instead of the server's own PostgreSQL; it then counts as other processes.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(
        over=over,
        players=players // 2 * 2,
        pipelined=pipelined if over == "socket" else 1,
        contested=contested,
        seconds=seconds,
        rounds=rounds,
        seed=seed,
        database=database,
    )
    return report.run(partial(_measure, wanted), json=json)


async def _measure(wanted: _Wanted, folder: Path) -> Report:
    game = crowded_game(folder)
    spawn_key = secrets.token_urlsafe()
    environment = {"OVERWORLD_GAMEPLAY__SPAWN_KEY": spawn_key}
    server = ServerProcess(folder / "data", dsn=wanted.database, game=str(game), environment=environment)
    say("starting a server")
    async with server:
        plan = ClaimsPlan(
            http=server.http,
            realtime=server.realtime,
            key=server.key,
            over=wanted.over,
            game=game,
            spawn_key=spawn_key,
            seats=await sign_in(server.http, wanted.players),
            contested=wanted.contested,
            pipelined=wanted.pipelined,
            seed=wanted.seed,
        )
        async with Generator(ClaimsLoad.make, plan) as generator:
            rounds = await measure(
                generator, server, unit="claims", rounds=wanted.rounds, seconds=wanted.seconds, guess_per_s=_GUESS_PER_S
            )
        memory_mb = rss_mb(server)
        told = [one for tally in rounds.tallies for one in tally.told]
        say(f"comparing {len(told)} wins with the ledger, the wallets and the log of events")
        books = await audit(server.dsn, told, game=check(game))
        return _report(wanted, rounds, books, memory_mb=memory_mb, where=await machine(server.dsn))


def _report(wanted: _Wanted, rounds: Rounds, books: Books, *, memory_mb: float, where: Machine) -> Report:
    refusals = rounds.refusals()
    wins = sum(len(tally.told) for tally in rounds.tallies)
    strange = [f"{count} claims were refused as {code}" for code, count in refusals.items() if code != _CONTESTED]
    return Report(
        benchmark="claims-socket",
        spans=spans(rounds.measured, rate="claims_per_s"),
        cpu=[one.cpu for one in rounds.measured],
        rss_mb=memory_mb,
        machine=where,
        settings={
            "over": wanted.over,
            "players": wanted.players,
            "pipelined": wanted.pipelined,
            "contested": wanted.contested,
            "seconds": wanted.seconds,
            "loop": "closed",
            "database": "given" if wanted.database else "embedded",
        },
        figures={
            "wins": wins,
            "refusals": refusals,
            "transfers": books.transfers,
            "audit_faults": len(books.faults),
            **cpu_us(rounds.measured, "claim"),
        },
        faults=[*(fault for tally in rounds.tallies for fault in tally.faults), *strange, *books.faults],
    )
