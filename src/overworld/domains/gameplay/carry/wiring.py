"""Puts carry together for the app."""

from __future__ import annotations

import secrets

from litestar.types import ControllerRouterHandler
from msgspec import Struct

from overworld.domains.gameplay import store as gameplay_store
from overworld.domains.gameplay.carry.granting import Granting
from overworld.domains.gameplay.carry.reading import Reading
from overworld.domains.gameplay.carry.routes import routes
from overworld.domains.gameplay.carry.service import Carry
from overworld.domains.gameplay.carry.types import CarrySettings, Kit
from overworld.domains.gameplay.ports import Directory, Trust
from overworld.domains.gameplay.rewards import Rewards
from overworld.kernel.chance import keyed_digest
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Ledger, Outbox
from overworld.platform.postgres import Database

_SECRET_BYTES = 32


class CarryParts(Struct, frozen=True, kw_only=True):
    """What carry contributes to the app. `reading` implements `Gear`; call `service.close()` when shutting down."""

    service: Carry
    reading: Reading
    rewards: Rewards

    def use(self, kit: Kit) -> None:
        """Goes by another definition from now on."""
        self.service.kit = self.reading.kit = self.rewards.kit = kit

    def routes(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        outbox: Outbox,
        directory: Directory,
        audit: AuditTrail,
        tools_alias: str | None = None,
    ) -> list[ControllerRouterHandler]:
        """The routes; they ask who is who of a domain that itself asks gameplay, so they come later."""
        granting = Granting(
            database=database,
            clock=clock,
            ids=ids,
            outbox=outbox,
            audit=audit,
            directory=directory,
            rewards=self.rewards,
        )
        return routes(self.service, self.reading, granting, tools_alias=tools_alias)


async def build(
    *,
    database: Database,
    clock: Clock,
    ids: IdSource,
    outbox: Outbox,
    ledger: Ledger,
    kit: Kit,
    trust: Trust,
    secret: str = "",
    settings: CarrySettings | None = None,
) -> CarryParts:
    """Carry for a game's kit, on a migrated database; draws follow from `secret`, or from one that is kept there."""
    service = Carry(
        database=database,
        clock=clock,
        ids=ids,
        outbox=outbox,
        ledger=ledger,
        kit=kit,
        key=keyed_digest(secret.encode() if secret else await _kept_secret(database), b"carry"),
        trust=trust,
        settings=settings or CarrySettings(),
    )
    return CarryParts(
        service=service,
        reading=Reading(database=database, clock=clock, kit=kit),
        rewards=Rewards(kit=kit, ledger=ledger, ids=ids),
    )


async def _kept_secret(database: Database) -> bytes:
    async with database.transaction() as tx:
        return await gameplay_store.secret(tx, "carry", otherwise=secrets.token_bytes(_SECRET_BYTES))
