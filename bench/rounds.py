"""Rounds of measuring: one to warm up, then those that count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench.load.process import Measured, Tally
from bench.machine import CpuUse, Meter, Running
from bench.prove.outcome import Steps, percentile

WARM_UP_S_MAX = 2.0

Seconds = Annotated[float, Parameter(validator=Number(gte=0.1, lte=120))]
RoundCount = Annotated[int, Parameter(validator=Number(gte=3, lte=20))]
Over = Literal["socket", "http"]
Json = Annotated[bool, Parameter(negative=())]


class Round(Struct, frozen=True):
    """One measured round. `figures` is what else was measured in it."""

    per_s: float
    p50_ms: float
    p99_ms: float
    done: int
    cpu: CpuUse
    figures: dict[str, float] = {}


class Rounds(Struct, frozen=True):
    """The measured rounds, and what generators told of all of them, the warm-up first."""

    measured: list[Round]
    tallies: list[Tally]

    def refusals(self) -> dict[str, int]:
        """How much was refused, by the reason."""
        return dict(sum((tally.refusals for tally in self.tallies), Counter[str]()))


async def measure(
    generator: Measured, server: Running, *, unit: str, rounds: int, seconds: float, guess_per_s: float
) -> Rounds:
    """Warms up, then measures so many rounds in `seconds` of all. `guess_per_s` is what the warm-up gets ready for."""
    each_s = seconds / rounds
    warm_up_s = min(each_s, WARM_UP_S_MAX)
    await generator.prepare(int(guess_per_s * warm_up_s))
    await generator.round(warm_up_s)
    tallies = [await generator.tally()]
    measured: list[Round] = []
    with Steps("rounds", rounds) as steps:
        for _ in range(rounds):
            fastest_per_s = max(tally.done / tally.seconds for tally in tallies)
            await generator.prepare(int(fastest_per_s * each_s))
            meter = Meter(server)
            await generator.round(each_s)
            used = meter.stop()
            tallies.append(await generator.tally())
            measured.append(round_of(tallies[-1], used))
            steps.done(f"{measured[-1].per_s:,.0f} {unit}/s")
    return Rounds(measured, tallies)


def round_of(tally: Tally, cpu: CpuUse) -> Round:
    """The figures of what a generator told."""
    latencies_s = sorted(tally.latencies_s)
    p50_ms, p99_ms, p999_ms, max_ms = (
        round(1e3 * percentile(latencies_s, share), 3) for share in (0.50, 0.99, 0.999, 1.0)
    )
    figures = {"p999_ms": p999_ms, "max_ms": max_ms} | tally.figures
    return Round(round(tally.done / tally.seconds, 1), p50_ms, p99_ms, tally.done, cpu, figures)


def spans(rounds: Sequence[Round], *, rate: str) -> dict[str, list[float]]:
    """Each figure over the rounds; `rate` is what so many of a second are called."""
    named = {rate: "per_s", "p50_ms": "p50_ms", "p99_ms": "p99_ms"}
    told = {name: [getattr(one, attribute) for one in rounds] for name, attribute in named.items()}
    return told | {name: [one.figures[name] for one in rounds] for name in rounds[0].figures}


def cpu_us(rounds: Sequence[Round], thing: str) -> dict[str, float]:
    """Processor time that each process took for one thing, in microseconds; of a PostgreSQL that is not ours, none."""
    done = max(1, sum(one.done for one in rounds))
    totals_s = {
        name: sum(getattr(one.cpu, name) * one.cpu.seconds for one in rounds)
        for name in ("server", "postgres", "generator")
    }
    return {f"{name}_{thing}_us": round(1e6 * total_s / done, 1) for name, total_s in totals_s.items() if total_s > 0}
