"""Reports on experiments, out of what this server keeps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from overworld.domains.experiments import store
from overworld.domains.experiments.errors import NoSuchFlag, NotMeasured
from overworld.domains.experiments.ports import Outcomes
from overworld.domains.experiments.report.analysing import analysed
from overworld.domains.experiments.report.types import Report
from overworld.domains.experiments.statistics.columns import Subjects
from overworld.domains.experiments.tables import read_table
from overworld.domains.experiments.types import Experiment, Flag
from overworld.kernel.clock import Clock
from overworld.platform.postgres import Database

if TYPE_CHECKING:
    import pyarrow as pa

_PLAYERS_AT_ONCE = 10_000


class Reports:
    """Reads who is in an experiment, asks what they did, and computes in a thread. One at a time: each is large."""

    def __init__(self, *, database: Database, clock: Clock, outcomes: Outcomes, subjects_max: int) -> None:
        self._database = database
        self._clock = clock
        self._outcomes = outcomes
        self._subjects_max = subjects_max
        self._making = asyncio.Lock()

    async def make(self, key: str) -> Report:
        """The report on a flag as it is now. Raises: NoSuchFlag; NotMeasured; Fault."""
        flag, experiment = await self._measured(key)
        async with self._making:
            now = self._clock.now()
            subjects = await self._subjects(flag)
            outcomes = {
                metric.name: await self._outcomes.observed(metric, subjects, now=now) for metric in experiment.metrics
            }
            return await asyncio.to_thread(analysed, flag, experiment, subjects, outcomes, at=now)

    async def of_table(self, key: str, table: pa.Table) -> Report:
        """The same of an Arrow table that somebody else made, which says who is in it too.

        Raises: NoSuchFlag; NotMeasured; BadTable; Fault.
        """
        flag, experiment = await self._measured(key)
        read = read_table(table, variants=[one.name for one in flag.definition.variants])
        return analysed(flag, experiment, read.subjects, read.outcomes, at=self._clock.now())

    async def _measured(self, key: str) -> tuple[Flag, Experiment]:
        """A flag that measures, and what. One round trip. Raises: NoSuchFlag; NotMeasured."""
        async with self._database.read() as tx:
            flag = await store.one(tx, key)
        if flag is None:
            raise NoSuchFlag(flag=key)
        if flag.definition.experiment is None:
            raise NotMeasured(flag=key)
        return flag, flag.definition.experiment

    async def _subjects(self, flag: Flag) -> Subjects:
        """Those who are in it, up to `subjects_max`. A round trip for ten thousand of them."""
        found: list[store.Met] = []
        after: UUID | None = None
        is_more = True
        while is_more and len(found) < self._subjects_max:
            async with self._database.read() as tx:
                page = await store.met(tx, flag.id, allocation=flag.allocation, after=after, limit=_PLAYERS_AT_ONCE)
            found += page
            is_more = len(page) == _PLAYERS_AT_ONCE
            after = page[-1].player_id if page else after
        async with self._database.read() as tx:
            named = await store.named(tx, flag.id, allocation=flag.allocation)
        place = {one.name: i for i, one in enumerate(flag.definition.variants)}
        kept = sorted((one for one in found if one.variant in place), key=lambda one: (one.at_us, one.player_id))
        return Subjects(
            player_id=[one.player_id for one in kept],
            arm=np.array([place[one.variant] for one in kept], np.int64),
            at_us=np.array([one.at_us for one in kept], np.int64),
            crossed=len(found) - len(kept),
            named=named,
            is_cut=is_more,
        )
