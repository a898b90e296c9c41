"""Claims a second inside this process, in batches as servers make them, and one by one for comparison."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import uvloop
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import report
from bench.closed_loop import ClosedLoop
from bench.collecting import City, Wanting
from bench.load.process import Tally
from bench.machine import machine, rss_mb
from bench.own_postgres import Inside, own_postgres
from bench.prove.books import Books, audit
from bench.prove.outcome import say
from bench.report import Report
from bench.rounds import Json, RoundCount, Rounds, Seconds, cpu_us, measure, spans
from bench.row_by_row import RowByRow

CONTESTED = "gameplay.already_collected"
_GUESS_PER_S = 20_000
_GUESS_ROW_BY_ROW_PER_S = 5_000
_ROW_BY_ROW_ROUNDS = 3

Players = Annotated[int, Parameter(validator=Number(gte=200, lte=1_000_000))]
Campaigns = Annotated[int, Parameter(validator=Number(gte=0, lte=100_000))]
InFlight = Annotated[int, Parameter(validator=Number(gte=1, lte=4_096))]
Share = Annotated[float, Parameter(validator=Number(gte=0, lte=0.5))]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    benchmark: str
    wanting: Wanting
    in_flight: int
    replays: float
    seconds: float
    rounds: int


def claims(
    *,
    players: Players = 100_000,
    campaigns: Campaigns = 1_000,
    in_flight: InFlight = 256,
    contested: Share = 0.01,
    replays: Share = 0.01,
    seconds: Seconds = 15,
    rounds: RoundCount = 5,
    seed: int = 1,
    json: Json = False,
) -> int:
    """Claims a second inside this process: rules, positions, batches, PostgreSQL; and the same row by row.

    Closed loop: each of `in_flight` coroutines claims when its last claim is answered. In the end the ledger, the
    wallets and the log of events are compared with what was answered.

    Parameters
    ----------
    players
        Players who claim, evenly.
    campaigns
        Campaigns whose budgets pay for what they placed; with 0 coins spawn and the issuance pays.
    in_flight
        Claims under way at once.
    contested
        Share of the claims for what another claims at the same time: half of these are refused.
    replays
        Share of the claims that are sent again under the same key.
    seconds
        Measured time, all rounds together; row by row takes 3 rounds more.
    rounds
        Rounds after the warm-up.
    seed
        Of who claims what.
    json
        Print the line of JSON alone.
    """
    wanting = Wanting(players=players, campaigns=campaigns, personal=False, contested=contested, seed=seed)
    wanted = _Wanted(
        benchmark="claims", wanting=wanting, in_flight=in_flight, replays=replays, seconds=seconds, rounds=rounds
    )
    return report.run(partial(_measure, wanted), json=json, loop_factory=uvloop.new_event_loop)


def claims_hot(
    *,
    players: Players = 100_000,
    in_flight: InFlight = 256,
    replays: Share = 0.01,
    seconds: Seconds = 15,
    rounds: RoundCount = 5,
    seed: int = 1,
    json: Json = False,
) -> int:
    """The same with one sponsor who pays for everything: row by row all wait for one row.

    What is wanted is placed and personal, so that everybody can take each.

    Parameters
    ----------
    players
        Players who claim, evenly.
    in_flight
        Claims under way at once.
    replays
        Share of the claims that are sent again under the same key.
    seconds
        Measured time, all rounds together; row by row takes 3 rounds more.
    rounds
        Rounds after the warm-up.
    seed
        Of who claims what.
    json
        Print the line of JSON alone.
    """
    wanting = Wanting(players=players, campaigns=1, personal=True, contested=0.0, seed=seed)
    wanted = _Wanted(
        benchmark="claims-hot", wanting=wanting, in_flight=in_flight, replays=replays, seconds=seconds, rounds=rounds
    )
    return report.run(partial(_measure, wanted), json=json, loop_factory=uvloop.new_event_loop)


async def _measure(wanted: _Wanted, folder: Path) -> Report:
    say(f"starting PostgreSQL, with {wanted.wanting.players:,} players")
    async with own_postgres(folder) as inside:
        city = await City.build(inside, wanted.wanting, folder=folder, in_flight_max=wanted.in_flight)
        in_batches = ClosedLoop(city, city.service.collect, in_flight=wanted.in_flight, replays=wanted.replays)
        say("everybody claims once")
        await in_batches.everybody_once()
        firsts = await in_batches.tally()
        rounds = await measure(
            in_batches, inside, unit="claims", rounds=wanted.rounds, seconds=wanted.seconds, guess_per_s=_GUESS_PER_S
        )
        memory_mb = rss_mb(None)
        batches = [lane.items / max(1, lane.batches) for lane in city.service.lanes.lanes]
        say("the same row by row")
        one_by_one = await _row_by_row(wanted, city, inside)
        tallies = [firsts, *rounds.tallies, *one_by_one.tallies]
        told = [one for tally in tallies for one in tally.told]
        say(f"comparing {len(told):,} wins with the ledger, the wallets and the log of events")
        books = await audit(inside.dsn, told, game=city.game)
        figures = {"batch_mean": round(sum(batches) / len(batches), 1), **_compared(rounds, one_by_one)}
        await city.service.close()
        return Report(
            benchmark=wanted.benchmark,
            spans=spans(rounds.measured, rate="claims_per_s"),
            cpu=[one.cpu for one in (*rounds.measured, *one_by_one.measured)],
            rss_mb=memory_mb,
            machine=await machine(inside.dsn),
            settings={
                "players": wanted.wanting.players,
                "campaigns": wanted.wanting.campaigns,
                "contested": wanted.wanting.contested,
                "replays": wanted.replays,
                "in_flight": wanted.in_flight,
                "seconds": wanted.seconds,
                "loop": "closed",
            },
            figures=figures | _counted(tallies, books),
            faults=[fault for tally in tallies for fault in tally.faults] + strange(tallies) + books.faults,
        )


async def _row_by_row(wanted: _Wanted, city: City, inside: Inside) -> Rounds:
    async with RowByRow(city, one_row=wanted.wanting.campaigns == 1) as row_by_row:
        load = ClosedLoop(city, row_by_row.collect, in_flight=wanted.in_flight, replays=wanted.replays)
        seconds = wanted.seconds * _ROW_BY_ROW_ROUNDS / wanted.rounds
        return await measure(
            load,
            inside,
            unit="claims",
            rounds=_ROW_BY_ROW_ROUNDS,
            seconds=seconds,
            guess_per_s=_GUESS_ROW_BY_ROW_PER_S,
        )


def _compared(rounds: Rounds, one_by_one: Rounds) -> dict[str, Any]:
    """Batches beside row by row, by the medians; processor time of a claim where it was used."""
    theirs = spans(one_by_one.measured, rate="claims_per_s")
    ratio = median(one.per_s for one in rounds.measured) / median(theirs["claims_per_s"])
    row_by_row = {name: round(median(values), 3) for name, values in theirs.items()} | used_us(one_by_one)
    return {"ratio_vs_row_by_row": round(ratio, 2), **used_us(rounds), "row_by_row": row_by_row}


def used_us(rounds: Rounds) -> dict[str, float]:
    """Processor time of a claim, here and in PostgreSQL."""
    used = cpu_us(rounds.measured, "claim")
    return {"python_claim_us": used["server_claim_us"], "postgres_claim_us": used["postgres_claim_us"]}


def _counted(tallies: list[Tally], books: Books) -> dict[str, Any]:
    refusals = dict(sum((tally.refusals for tally in tallies), Tally().refusals))
    wins = sum(len(tally.told) for tally in tallies)
    return {"wins": wins, "refusals": refusals, "transfers": books.transfers, "audit_faults": len(books.faults)}


def strange(tallies: list[Tally]) -> list[str]:
    """Refusals that nobody meant."""
    refusals = sum((tally.refusals for tally in tallies), Tally().refusals)
    return [f"{count} claims were refused as {code}" for code, count in refusals.items() if code != CONTESTED]
