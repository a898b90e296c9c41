"""Puts gameplay together for the app."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from litestar.types import ControllerRouterHandler
from msgspec import Struct

from overworld.domains.gameplay import store
from overworld.domains.gameplay.claims import Claims
from overworld.domains.gameplay.consumers import placed_tail
from overworld.domains.gameplay.held.jobs import Releasing
from overworld.domains.gameplay.held.routes import routes as held_routes
from overworld.domains.gameplay.held.service import HeldRewards
from overworld.domains.gameplay.in_force import DefinitionInForce
from overworld.domains.gameplay.land import Land
from overworld.domains.gameplay.placed import Placed
from overworld.domains.gameplay.placing import Placing
from overworld.domains.gameplay.ports import ClaimRule, EncodingOutbox, Gear, Sight, Trust
from overworld.domains.gameplay.routes import routes
from overworld.domains.gameplay.rules import catalogue_of, spawn_table
from overworld.domains.gameplay.service import Gameplay
from overworld.domains.gameplay.spawns import Spawns
from overworld.domains.gameplay.types import CollectibleRules, GameplaySettings, ProgressionRules, SpawnTable
from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope
from overworld.kernel.ids import IdSource
from overworld.kernel.money import Currency
from overworld.kernel.ports import AuditTrail, LastFix, Ledger
from overworld.platform.postgres import Database, Schema

DEFAULTS = GameplaySettings()
SCHEMA = Schema(name="gameplay", folder=Path(__file__).parent / "schema")
_SPAWN_KEY_BYTES = 32


class GameplayParts(Struct, frozen=True, kw_only=True):
    """What gameplay contributes to the app.

    Call `placing.load()` before the ports open, after `on_events` is fed, and `service.close()` when shutting down,
    before the database closes. Run `releasing` in every process.
    """

    service: Gameplay
    placing: Placing
    held: HeldRewards
    releasing: Releasing
    definition: DefinitionInForce
    on_events: Callable[[Sequence[Envelope]], Awaitable[None]]
    routes: list[ControllerRouterHandler]


async def build(
    *,
    database: Database,
    clock: Clock,
    ids: IdSource,
    outbox: EncodingOutbox,
    ledger: Ledger,
    last_fix: LastFix,
    sight: Sight,
    trust: Trust,
    audit: AuditTrail,
    collectibles: CollectibleRules,
    progression: ProgressionRules,
    currencies: Sequence[Currency],
    rule: ClaimRule | None = None,
    gear: Gear | None = None,
    alias: str | None = None,
    settings: GameplaySettings = DEFAULTS,
) -> GameplayParts:
    """Gameplay for a checked game definition, on a migrated database; reads (or makes) the spawn secret there."""
    by_code, placed = {one.code: one for one in currencies}, Placed(cell_level=collectibles.cell_level)
    spawns = await _spawns(database, settings, spawn_table(collectibles, progression, by_code), placed)
    placing = Placing(
        database=database,
        clock=clock,
        ids=ids,
        outbox=outbox,
        audit=audit,
        spawns=spawns,
        catalogue=catalogue_of(collectibles, progression, by_code),
        placed_max=settings.placed_max,
    )
    claims = Claims(
        database=database,
        clock=clock,
        ids=ids,
        outbox=outbox,
        ledger=ledger,
        last_fix=last_fix,
        trust=trust,
        spawns=spawns,
        rules=collectibles,
        levels=progression.levels,
        fix_age_max_s=settings.fix_age_max_s,
        rule=rule,
        gear=gear,
        kept=placing.kept,
    )
    service = Gameplay(
        database=database, clock=clock, ledger=ledger, sight=sight, spawns=spawns, claims=claims, settings=settings
    )
    held = HeldRewards(
        database=database,
        clock=clock,
        outbox=outbox,
        audit=audit,
        ledger=ledger,
        trust=trust,
        currencies=by_code,
        levels=progression.levels,
    )
    return GameplayParts(
        service=service,
        placing=placing,
        held=held,
        releasing=Releasing(held, every_s=settings.held_look_s),
        definition=DefinitionInForce(spawns=spawns, claims=claims, placing=placing, held=held),
        on_events=placed_tail(placing),
        routes=[*routes(service, placing, alias=alias), *held_routes(held)],
    )


async def _spawns(database: Database, settings: GameplaySettings, table: SpawnTable, placed: Placed) -> Spawns:
    return Spawns(
        key=settings.spawn_key.encode() or await _spawn_key(database),
        table=table,
        placed=placed,
        cells_cached_max=settings.cells_cached_max,
        land=Land.bundled(),
    )


async def _spawn_key(database: Database) -> bytes:
    async with database.transaction() as tx:
        return await store.secret(tx, "spawns", otherwise=secrets.token_bytes(_SPAWN_KEY_BYTES))
