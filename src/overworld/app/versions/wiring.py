"""Puts the versions together: what every part of the server does when another one is in force."""

from __future__ import annotations

from pathlib import Path

from overworld.app.hooks.work import Counted, rule_of
from overworld.app.versions.changes import Gone
from overworld.app.versions.service import Current, Version, Versions
from overworld.domains.gameplay.carry.wiring import CarryParts
from overworld.domains.gameplay.quests.wiring import QuestParts
from overworld.domains.gameplay.wiring import GameplayParts
from overworld.domains.ledger.wiring import LedgerDomain, SendingParts
from overworld.domains.world.fences.definition import declared
from overworld.domains.world.fences.service import Fences
from overworld.kernel.clock import Clock, to_us
from overworld.kernel.ports import AuditTrail, Outbox, Tx
from overworld.platform.postgres import Database, Schema

SCHEMA = Schema(name="game", folder=Path(__file__).parent / "schema")


def build(
    *,
    current: Current,
    database: Database,
    clock: Clock,
    outbox: Outbox,
    ledger: LedgerDomain,
    sending: SendingParts,
    gameplay: GameplayParts,
    carry: CarryParts,
    quests: QuestParts,
    audit: AuditTrail,
    fences: Fences,
    counted: Counted,
) -> Versions:
    """The versions of the game that a server runs; `counted` is what its hooks did."""

    def put_in_force(version: Version) -> None:
        game = version.game
        ledger.service.put_in_force(game.currencies)
        sending.service.put_in_force(game.transfers)
        gameplay.definition.put(
            game.collectibles,
            game.progression,
            ledger.service.currencies,
            rule=rule_of(game.hooks, counted=counted),
            spawns_from_us=to_us(version.spawns_from),
        )
        carry.use(game.kit)

    async def adopt_quests(version: Version) -> None:
        await quests.catalogue.adopt(version.game.quests, at=clock.now())

    async def adopt_fences(version: Version) -> None:
        await fences.adopt(declared(version.game.fences), game=version.game.name)

    async def held(tx: Tx, gone: Gone) -> dict[str, int]:
        carried = await carry.reading.holders(tx, items=gone.items, tools=gone.tools)
        return await ledger.service.holders(tx, gone.currencies) | carried

    async def owed(tx: Tx, gone: Gone) -> dict[str, int]:
        return await gameplay.placing.paying(tx, gone.currencies)

    return Versions(
        current=current,
        database=database,
        clock=clock,
        outbox=outbox,
        audit=audit,
        held=held,
        owed=owed,
        followers=[put_in_force],
        adopters=[adopt_quests, adopt_fences],
    )
