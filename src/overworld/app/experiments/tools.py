"""What `overworld experiments` does, in the database of a running server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from overworld.app.attached import attached
from overworld.app.experiments.page import arm_rows, effect_rows
from overworld.app.experiments.wiring import ExperimentsProgress
from overworld.app.plain_table import aligned
from overworld.app.settings import Settings
from overworld.domains.experiments.errors import BadTable
from overworld.domains.experiments.facts import Facts
from overworld.domains.experiments.report.service import Reports
from overworld.domains.experiments.report.types import Report
from overworld.flows.facts_to_experiments import METRICS
from overworld.kernel.clock import SystemClock

if TYPE_CHECKING:
    import pyarrow as pa


def report(settings: Settings, flag: str, *, table: Path | None) -> Report:
    """The report on a flag, of the server's own facts or of a table.

    Raises: NoSuchFlag; NotMeasured; BadTable; those of `attached`.
    """
    given = None if table is None else _read(table)
    return asyncio.run(_report(settings, flag, table=given))


def lines(report: Report) -> Iterator[str]:
    """A report for people at a terminal."""
    yield from report.verdict
    for rows in (arm_rows(report), effect_rows(report)):
        yield ""
        yield from aligned(rows)


async def _report(settings: Settings, flag: str, *, table: pa.Table | None) -> Report:
    async with attached(settings, application="overworld experiments", connections=2) as database:
        facts = Facts(database=database, counting=ExperimentsProgress(), metrics=METRICS)
        reports = Reports(
            database=database,
            clock=SystemClock(),
            outcomes=facts,
            subjects_max=settings.experiments.subjects_max,
        )
        return await (reports.make(flag) if table is None else reports.of_table(flag, table))


def _read(path: Path) -> pa.Table:
    """A table out of a file. Raises: BadTable."""
    import pyarrow as pa  # noqa: PLC0415 - only for those who bring a table
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise BadTable(f"{path} cannot be read as Parquet: {error}") from error
