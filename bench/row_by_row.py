"""What batches are compared with: the same claims by one SQL call and one transaction each, over 64 connections."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Self

import asyncpg

from bench.collecting import City
from overworld.domains.gameplay.claim import Claim, Known, collected, collection_event, payer_of, replayed, wallet_of
from overworld.domains.gameplay.errors import AlreadyCollected, CapReached
from overworld.domains.gameplay.messages import ClaimCollectible, Collected, CollectibleCollected, LevelReached
from overworld.domains.gameplay.rules import Claimants, attempted, terms_of
from overworld.domains.gameplay.spawns import is_placed
from overworld.domains.gameplay.store import level_event
from overworld.domains.gameplay.types import BARE
from overworld.kernel.clock import from_us
from overworld.kernel.identity import Answer
from overworld.kernel.refusals import Refusal
from overworld.kernel.standing import UNSUSPECTED
from overworld.platform.postgres.idempotency import Kept, recalled

CONNECTIONS = 64
_FUNCTION = Path(__file__).with_suffix(".sql")
_CALL = "SELECT * FROM bench.claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
_TOPICS = [CollectibleCollected.topic, LevelReached.topic]
_FIX_AGE_MAX_S = 300


class RowByRow:
    """Answers claims one by one. Each connection pays from a stripe of its own, as far as there are so many.

    With `one_row` all pay from the first stripe.
    """

    def __init__(self, city: City, *, one_row: bool) -> None:
        self._city = city
        self._one_row = one_row
        self._terms = terms_of(city.game.collectibles, age_max_s=_FIX_AGE_MAX_S)
        self._levels = list(city.game.progression.levels)
        self._free: asyncio.Queue[tuple[int, asyncpg.Connection, Any]] = asyncio.LifoQueue()
        self._connections: list[asyncpg.Connection] = []

    async def __aenter__(self) -> Self:
        async with self._city.inside.database.transaction() as tx:
            await tx.execute(_FUNCTION.read_text())
        for i in range(CONNECTIONS):
            connection = await self._city.inside.database.connect()
            self._connections.append(connection)
            self._free.put_nowait((i, connection, await connection.prepare(_CALL)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._connections:
            await connection.close()

    async def collect(self, command: ClaimCollectible) -> Answer[Collected]:
        """As `Gameplay.collect`."""
        city, at_us = self._city, self._city.clock.now_us()
        spawn = city.lying[command.collectible_id]
        claimants = Claimants(
            player_ids=[command.player_id],
            memberships=[command.memberships],
            fixes=await city.world.get([command.player_id]),
            standings=[UNSUSPECTED],
            worn=[BARE],
        )
        [attempt] = attempted([spawn], claimants, now_us=at_us, terms=self._terms)
        if isinstance(attempt, Refusal):
            raise attempt
        [claim_id] = await city.ledger.transfer_ids([(command.player_id, command.key)])
        claim = Claim(claim_id, command.player_id, spawn, spawn.reference_for(command.player_id), attempt)
        at = from_us(at_us)
        wallet, payer = wallet_of(claim.player_id, claim.spawn), payer_of(spawn)
        [wallet_number], payer_numbers = await city.ledger.open([wallet, payer])
        [event] = city.outbox.encoded([collection_event(claim.player_id, spawn, attempt.amount_minor)], at=at)
        i, connection, call = await self._free.get()
        try:
            stripe = 0 if self._one_row else i % len(payer_numbers)
            arguments = (
                claim.id, claim.reference, spawn.id, claim.player_id, wallet_number, payer_numbers[stripe],
                attempt.amount_minor, spawn.kind.experience, event, spawn.key if is_placed(spawn.key) else None,
                attempt.day, self._levels, city.game.collectibles.daily_cap, _TOPICS,
                level_event(city.outbox, at=at), city.ids(), at,
            )  # fmt: skip
            try:
                row = await call.fetchrow(*arguments)
            except asyncpg.UniqueViolationError:
                row = await call.fetchrow(*arguments)  # another has it meanwhile
        finally:
            self._free.put_nowait((i, connection, call))
        return self._answer(claim, row)

    def _answer(self, claim: Claim, row: Any) -> Answer[Collected]:
        status, spawn = row["status"], claim.spawn
        if status == 0:
            return Answer(
                collected(
                    spawn, amount_minor=row["paid"], balance_minor=row["holds"], experience=row["total"],
                    level=row["reached"],
                )
            )  # fmt: skip
        if status == 1:
            return self._replayed(claim, row)
        if status == 2:
            kept = Kept(row["kept_digest"], row["kept_code"], row["kept_body"])
            outcome = recalled(claim.use, kept, answer=Collected)
            if isinstance(outcome, Refusal):
                raise outcome
            return Answer(outcome, replayed=True)
        if status == 3:
            raise CapReached(collectible_id=spawn.id, daily_cap=self._city.game.collectibles.daily_cap)
        raise AlreadyCollected(collectible_id=spawn.id)

    def _replayed(self, claim: Claim, row: Any) -> Answer[Collected]:
        memo = row["total"] << 10 | row["reached"]
        known = Known(claim.id, claim.reference, claim.player_id, row["paid"], row["holds"], memo)
        outcome = replayed(claim, known, is_reduced=False)
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome
