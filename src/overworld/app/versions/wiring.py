"""Puts the versions together: what every part of the server does when another one is in force."""

from __future__ import annotations

from pathlib import Path

from overworld.app.hooks.work import Counted, rule_of
from overworld.app.versions.service import Current, Version, Versions
from overworld.domains.gameplay.wiring import GameplayParts
from overworld.domains.ledger.wiring import LedgerDomain, SendingParts
from overworld.kernel.clock import Clock, to_us
from overworld.kernel.ports import Outbox
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

    return Versions(
        current=current,
        database=database,
        clock=clock,
        outbox=outbox,
        held=ledger.service.holders,
        owed=gameplay.placing.paying,
        followers=[put_in_force],
    )
