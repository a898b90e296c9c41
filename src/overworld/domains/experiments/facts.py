"""What players did, counted by the hour from the log: the handler of the fold, and outcomes made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from overworld.domains.experiments import store
from overworld.domains.experiments.ports import Counting
from overworld.domains.experiments.statistics.columns import Outcome, Subjects
from overworld.domains.experiments.types import Fact, Metric
from overworld.kernel.clock import from_us, to_us
from overworld.kernel.ports import Tx
from overworld.platform.postgres import Database

NAME = "experiments"

_HOUR_US = 3_600_000_000
_PLAYERS_AT_ONCE = 10_000


class Facts:
    """Counts facts and tells what they come to. `metrics` says of each what it is.

    A window begins with the hour of the exposure. What was done in that hour before it is the same in all variants, as
    chance made them, so it biases no comparison.
    """

    def __init__(self, *, database: Database, counting: Counting, metrics: Mapping[str, str]) -> None:
        self._database = database
        self._counting = counting
        self._metrics = metrics
        self.counted = 0

    @property
    def metrics(self) -> frozenset[str]:
        """The metrics that facts are handed in for."""
        return frozenset(self._metrics)

    async def apply(self, tx: Tx, facts: Sequence[Fact]) -> None:
        """Counts facts, in the transaction that moves the cursor of the log."""
        if facts:
            await store.add(tx, facts)
            self.counted += len(facts)

    async def observed(self, metric: Metric, subjects: Subjects, *, now: datetime) -> Outcome:
        """One metric of players whose window has ended and is counted. A round trip for ten thousand of them."""
        async with self._database.read() as tx:
            until = await self._counting.counted_until(tx, now)
        until_us = 0 if until is None else to_us(min(until, now))
        ends_us = subjects.at_us - subjects.at_us % _HOUR_US + metric.window_h * _HOUR_US
        ended = int(np.searchsorted(ends_us, until_us, side="right"))
        value, before = np.zeros(ended), np.zeros(ended)
        for start in range(0, ended, _PLAYERS_AT_ONCE):
            part = slice(start, min(start + _PLAYERS_AT_ONCE, ended))
            async with self._database.read() as tx:
                value[part], before[part] = await store.sums(
                    tx,
                    metric.name,
                    subjects.player_id[part],
                    [from_us(at_us) for at_us in subjects.at_us[part].tolist()],
                    window=timedelta(hours=metric.window_h),
                    before=timedelta(hours=metric.before_h),
                )
        if not metric.before_h:
            before[:] = np.nan
        return Outcome(
            arm=subjects.arm[:ended],
            at_us=subjects.at_us[:ended],
            value=value,
            before=before,
            waiting=len(subjects.arm) - ended,
        )
