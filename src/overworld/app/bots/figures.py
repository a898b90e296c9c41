"""What became of bots, kind by kind: how much was believed, and who was found out. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from statistics import median

from msgspec import Struct
from numpy.typing import NDArray

from overworld.app.bots.kinds import KINDS
from overworld.app.bots.wire import UNKNOWN_GATE, Tally, Told
from overworld.client.packed import REASONS
from overworld.geo.columns import I64

_NORMAL = "normal"


class KindFigures(Struct, frozen=True, kw_only=True):
    """One kind. `gates` counts its bots by how they stand in the end; `flagged_share` is how many of those of whom that
    is known are not `normal`, None when it is known of nobody. `noticed_s` is the median of when those were noticed.
    """

    kind: str
    is_cheat: bool
    bots: int
    fixes: int
    accepted: int
    refused: dict[str, int]
    collected: int
    claims_refused: dict[str, int]
    gates: dict[str, int]
    flagged_share: float | None
    noticed_s: float | None
    reasons: dict[str, int]


class Second(Struct, frozen=True, kw_only=True):
    """How many fixes a second were sent, and refused, in the time before a moment of the run."""

    at_s: float
    sent_per_s: float
    refused_per_s: float


class Report(Struct, frozen=True, kw_only=True):
    """A run. `detection` is the share of cheats that do not stand at `normal`, `false_alarms` that of the honest; None
    while the server tells nobody how it stands. `lost` are fixes that the server had no room for, `unsent` those of
    bots whose line had broken, `late_ms` is how late the latest step of the bots was.
    """

    server: str
    city: str
    seed: int | None
    replayed: str | None
    began_at: datetime
    seconds: float
    players: int
    cheats: int
    fixes: int
    accepted: int
    refused: dict[str, int]
    lost: int
    unsent: int
    cut: int
    late_ms: float
    collected: int
    detection: float | None
    false_alarms: float | None
    kinds: list[KindFigures]
    course: list[Second]
    said: dict[str, int]
    faults: list[str]


class About(Struct, frozen=True, kw_only=True):
    """What was run where, for the head of a report."""

    server: str
    city: str
    seed: int | None
    replayed: str | None
    began_at: datetime
    seconds: float


def report(about: About, *, kind: I64, is_cheat: NDArray, tally: Tally, told: Told, course: Sequence[Second]) -> Report:  # type: ignore[type-arg]
    """The report on a run of bots of these kinds, (n,)."""
    kinds = [_of_kind(number, kind=kind, tally=tally, told=told) for number in sorted(set(kind.tolist()))]
    refused = _refused(tally.refused.sum(axis=0))
    fixes = int(tally.sent.sum())
    return Report(
        server=about.server,
        city=about.city,
        seed=about.seed,
        replayed=about.replayed,
        began_at=about.began_at,
        seconds=round(about.seconds, 3),
        players=len(kind),
        cheats=int(is_cheat.sum()),
        fixes=fixes,
        accepted=fixes - sum(refused.values()) - tally.lost - tally.unsent,
        refused=refused,
        lost=tally.lost,
        unsent=tally.unsent,
        cut=tally.cut,
        late_ms=round(tally.late_ms, 1),
        collected=int(tally.collected.sum()),
        detection=_flagged([told.gate[b] for b in told.gate if is_cheat[b]]),
        false_alarms=_flagged([told.gate[b] for b in told.gate if not is_cheat[b]]),
        kinds=kinds,
        course=list(course),
        said=dict(tally.said.most_common()),
        faults=_faults(tally),
    )


def _of_kind(number: int, *, kind: I64, tally: Tally, told: Told) -> KindFigures:
    bots = (kind == number).nonzero()[0].tolist()
    gates = Counter(told.gate.get(bot, UNKNOWN_GATE) for bot in bots)
    refused = _refused(tally.refused[number])
    fixes = int(tally.sent[number])
    noticed_s = [told.noticed_s[bot] for bot in bots if bot in told.noticed_s]
    return KindFigures(
        kind=KINDS[number].name,
        is_cheat=KINDS[number].is_cheat,
        bots=len(bots),
        fixes=fixes,
        accepted=fixes - sum(refused.values()),
        refused=refused,
        collected=int(tally.collected[number]),
        claims_refused={code: n for (of, code), n in tally.claims_refused.most_common() if of == number},
        gates=dict(gates.most_common()),
        flagged_share=_flagged([told.gate[bot] for bot in bots if bot in told.gate]),
        noticed_s=round(median(noticed_s), 1) if noticed_s else None,
        reasons=dict(Counter(one for bot in bots for one in told.reasons.get(bot, ())).most_common()),
    )


def _flagged(gates: Sequence[str]) -> float | None:
    """The share of those whose gate is known that stand at another than `normal`."""
    known = [gate for gate in gates if gate != UNKNOWN_GATE]
    return sum(gate != _NORMAL for gate in known) / len(known) if known else None


def _refused(counts: I64) -> dict[str, int]:
    """Refusals by the name of their reason, the most frequent first."""
    named = Counter({_reason(number): int(count) for number, count in enumerate(counts) if count})
    return dict(named.most_common())


def _reason(number: int) -> str:
    return REASONS[number] or "unknown" if number < len(REASONS) else f"reason_{number}"


def _faults(tally: Tally) -> list[str]:
    """What should not have happened in a run."""
    counted = {
        "lines broke": tally.cut,
        "fixes found no room in the server": tally.lost,
        "bots waited in vain for the verdicts on their last fixes": tally.silent,
    }
    return [f"{count:,} {what}" for what, count in counted.items() if count]
