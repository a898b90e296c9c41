"""Puts experiments together for the app."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld.domains.experiments import ofrep
from overworld.domains.experiments.book import FlagBook
from overworld.domains.experiments.evaluating import Evaluating
from overworld.domains.experiments.facts import Facts
from overworld.domains.experiments.ports import Counting, Outcomes, Page, Traits
from overworld.domains.experiments.report.service import Reports
from overworld.domains.experiments.routes import routes
from overworld.domains.experiments.service import Flags
from overworld.domains.experiments.types import ExperimentSettings
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox
from overworld.platform.postgres import Database, Schema

SCHEMA = Schema(name="experiments", folder=Path(__file__).parent / "schema")


class ExperimentParts(Struct, frozen=True, kw_only=True):
    """What experiments contribute to the app.

    `book` has to follow the log, and says by `on_metrics` what `facts` are needed of, which are for the one fold.
    """

    flags: Flags
    book: FlagBook
    evaluating: Evaluating
    facts: Facts
    reports: Reports
    routes: list[HTTPRouteHandler]


def build(
    *,
    database: Database,
    clock: Clock,
    ids: IdSource,
    outbox: Outbox,
    audit: AuditTrail,
    traits: Traits,
    counting: Counting,
    metrics: Mapping[str, str],
    page: Page,
    outcomes: Outcomes | None = None,
    settings: ExperimentSettings | None = None,
) -> ExperimentParts:
    """Experiments on a migrated database.

    `metrics` says which facts are handed in, and what each is. `outcomes` tells what players did; where it is not given
    they are counted from these facts.
    """
    chosen, book = settings or ExperimentSettings(), FlagBook(database)
    facts = Facts(database=database, counting=counting, metrics=metrics)
    told = outcomes or facts
    flags = Flags(
        database=database,
        clock=clock,
        ids=ids,
        outbox=outbox,
        audit=audit,
        book=book,
        metrics=told.metrics,
        settings=chosen,
    )
    evaluating = Evaluating(database=database, clock=clock, outbox=outbox, book=book, traits=traits)
    reports = Reports(database=database, clock=clock, outcomes=told, subjects_max=chosen.subjects_max)
    return ExperimentParts(
        flags=flags,
        book=book,
        evaluating=evaluating,
        facts=facts,
        reports=reports,
        routes=[
            *routes(flags=flags, evaluating=evaluating, reports=reports, page=page),
            *ofrep.routes(evaluating, book),
        ],
    )
