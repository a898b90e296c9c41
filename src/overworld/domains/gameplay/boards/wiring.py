"""Puts leaderboards together for the app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from litestar.types import ControllerRouterHandler
from msgspec import Struct

from overworld.domains.gameplay.boards.archive import Archive
from overworld.domains.gameplay.boards.jobs import Turning
from overworld.domains.gameplay.boards.moves import Moves
from overworld.domains.gameplay.boards.ports import Memberships, Progress, Ranks
from overworld.domains.gameplay.boards.ranks import MemoryRanks
from overworld.domains.gameplay.boards.routes import routes
from overworld.domains.gameplay.boards.rules import Calendar, boards_of
from overworld.domains.gameplay.boards.scoring import Scoring
from overworld.domains.gameplay.boards.service import Boards
from overworld.domains.gameplay.boards.standings import Standings
from overworld.domains.gameplay.boards.types import BoardRules
from overworld.kernel.clock import Clock
from overworld.kernel.money import Currency
from overworld.kernel.ports import Outbox
from overworld.platform.postgres import Database

SETS_MAX = 256


class BoardsParts(Struct, frozen=True, kw_only=True):
    """What leaderboards contribute to the app.

    Run `scoring.apply` as the one fold named `scoring.NAME`, and `moves` and `turning` in every process; feed
    `service.standings.on_events` from the log's tail before calling `service.load()`.
    """

    service: Boards
    scoring: Scoring
    archive: Archive
    turning: Turning
    moves: Moves
    routes: list[ControllerRouterHandler]


def build(
    *,
    database: Database,
    clock: Clock,
    outbox: Outbox,
    progress: Progress,
    memberships: Memberships,
    declared: Mapping[str, BoardRules],
    currencies: Sequence[Currency],
    region_level: int,
    ranks: Ranks | None = None,
) -> BoardsParts:
    """Leaderboards for a checked game definition, on a migrated database."""
    boards = boards_of(declared, currencies).values()
    calendar = Calendar(boards)
    standings = Standings(database=database, ranks=ranks or MemoryRanks(), sets_max=SETS_MAX)
    service = Boards(
        database=database,
        clock=clock,
        outbox=outbox,
        calendar=calendar,
        standings=standings,
        memberships=memberships,
        region_level=region_level,
    )
    archive = Archive(database=database, clock=clock, outbox=outbox, calendar=calendar, progress=progress)
    return BoardsParts(
        service=service,
        scoring=Scoring(clock=clock, outbox=outbox, calendar=calendar, region_level=region_level),
        archive=archive,
        turning=Turning(archive=archive, boards=service),
        moves=Moves(standings=standings, calendar=calendar, clock=clock),
        routes=routes(service),
    )
