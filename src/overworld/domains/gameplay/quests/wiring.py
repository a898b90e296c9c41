"""Puts quests together for the app."""

from __future__ import annotations

from collections.abc import Mapping

from litestar.types import ControllerRouterHandler
from msgspec import Struct

from overworld.domains.gameplay.ports import Trust
from overworld.domains.gameplay.quests.catalogue import Catalogue
from overworld.domains.gameplay.quests.completing import Completing
from overworld.domains.gameplay.quests.ending import Ending
from overworld.domains.gameplay.quests.folding import Folding
from overworld.domains.gameplay.quests.routes import routes
from overworld.domains.gameplay.quests.showing import Showing
from overworld.domains.gameplay.quests.starting import Starting
from overworld.domains.gameplay.quests.types import QuestSettings
from overworld.domains.gameplay.rewards import Rewards
from overworld.kernel.clock import Clock
from overworld.kernel.money import Currency
from overworld.kernel.ports import AuditTrail, LastFix, Ledger, Outbox
from overworld.platform.postgres import Database


class QuestParts(Struct, frozen=True, kw_only=True):
    """What quests contribute to the app.

    Give the game's quests to `catalogue.adopt` before the ports open and the loops run, and again when the game was
    reloaded. `folding` is for the one durable consumer, `ending` for a loop. Close `completing` before the database.
    """

    catalogue: Catalogue
    folding: Folding
    starting: Starting
    completing: Completing
    ending: Ending
    showing: Showing
    settings: QuestSettings
    routes: list[ControllerRouterHandler]


def build(
    *,
    database: Database,
    clock: Clock,
    outbox: Outbox,
    ledger: Ledger,
    rewards: Rewards,
    last_fix: LastFix,
    audit: AuditTrail,
    currencies: Mapping[str, Currency],
    trust: Trust,
    fix_age_max_s: int,
    settings: QuestSettings | None = None,
) -> QuestParts:
    """Quests on a migrated database; none are known before `catalogue.adopt`."""
    catalogue = Catalogue(database=database, currencies=currencies)
    chosen = settings or QuestSettings()
    showing = Showing(
        database=database, clock=clock, catalogue=catalogue, last_fix=last_fix, fix_age_max_s=fix_age_max_s
    )
    starting = Starting(
        database=database,
        clock=clock,
        outbox=outbox,
        catalogue=catalogue,
        last_fix=last_fix,
        audit=audit,
        rewards=rewards,
        fix_age_max_s=fix_age_max_s,
    )
    completing = Completing(
        database=database,
        clock=clock,
        outbox=outbox,
        ledger=ledger,
        rewards=rewards,
        catalogue=catalogue,
        trust=trust,
        settings=chosen,
    )
    return QuestParts(
        catalogue=catalogue,
        folding=Folding(database=database, clock=clock, outbox=outbox, catalogue=catalogue),
        starting=starting,
        completing=completing,
        ending=Ending(database=database, clock=clock, outbox=outbox, catalogue=catalogue),
        showing=showing,
        settings=chosen,
        routes=routes(showing=showing, starting=starting, completing=completing),
    )
