"""What experiments need from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from overworld.domains.experiments.report.types import Report
from overworld.domains.experiments.statistics.columns import Outcome, Subjects
from overworld.domains.experiments.types import Metric
from overworld.kernel.ports import Tx


class Traits(Protocol):
    """What the server knows of players by itself; it goes before what a client says under the same name."""

    @property
    def names(self) -> frozenset[str]:
        """The attributes that it knows."""
        ...

    async def of(self, player_ids: Sequence[UUID]) -> Sequence[Mapping[str, Any]]:
        """All of them, of each player, (n,). One round trip."""
        ...


class Outcomes(Protocol):
    """What players did after they came into an experiment, and before."""

    @property
    def metrics(self) -> frozenset[str]:
        """The metrics that it can tell of."""
        ...

    async def observed(self, metric: Metric, subjects: Subjects, *, now: datetime) -> Outcome:
        """One metric of subjects whose window has ended, in the order in which it did; the rest is counted."""
        ...


class Counting(Protocol):
    """How far what players did is counted."""

    async def counted_until(self, tx: Tx, now: datetime) -> datetime | None:
        """Until when everything is counted that happened; None where counting has not begun."""
        ...


class Page(Protocol):
    """Draws a report as a page of HTML."""

    def __call__(self, report: Report) -> str:
        """The whole page, which loads nothing from elsewhere."""
        ...
