"""Claims in the way that can answer everything: read under lock, decide one by one in Python, write.

Locks, in this order: the players by id, what is held of them, the ledger's accounts and transfers, the keys' answers,
the outbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from overworld.domains.gameplay import store
from overworld.domains.gameplay.claim import (
    Claim,
    Outcome,
    Till,
    collected,
    events_of,
    payer_of,
    replayed,
    transfer_of,
    wallet_of,
)
from overworld.domains.gameplay.errors import NOT_KEPT, Expired
from overworld.domains.gameplay.held import store as held
from overworld.domains.gameplay.held.types import PROMISE_OUTLIVES, hold_of
from overworld.domains.gameplay.messages import Collected
from overworld.domains.gameplay.ports import Gear
from overworld.domains.gameplay.rules import Attempt, Decision, Wait, Win, decide
from overworld.domains.gameplay.spawns import is_placed
from overworld.kernel.clock import rfc3339, to_us
from overworld.kernel.identity import Answer
from overworld.kernel.money import TransferStatus
from overworld.kernel.ports import Ledger, Outbox, Tx
from overworld.kernel.refusals import Busy, Refusal
from overworld.platform.postgres import Database, run_again
from overworld.platform.postgres.idempotency import KeyTaken, recall, remember

_RUNS_MAX = 16
_OVERTAKEN = frozenset(
    {TransferStatus.REFERENCE_TAKEN, TransferStatus.EXISTS, TransferStatus.EXISTS_WITH_DIFFERENT_FIELDS}
)


class _Overtaken(Exception):
    """Another transaction took something of this batch, or one of its keys, while it ran: run again, seeing it."""


class ExactClaims:
    """Answers batches of claims, exactly as if they had come one after another. Several may run at once."""

    def __init__(
        self,
        *,
        database: Database,
        outbox: Outbox,
        ledger: Ledger,
        gear: Gear | None,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._ledger = ledger
        self._gear = gear

    def put_in_force(self, *, daily_cap: int, levels: Sequence[int], hold_for: timedelta) -> None:
        """Decides by these from now on; to be called before the first claim."""
        self._daily_cap = daily_cap
        self._levels = levels
        self._hold_for = hold_for

    async def run(self, claims: Sequence[Claim], *, at: datetime, stripe: int) -> list[Outcome]:
        """The outcome of each claim, (n,); no id may come twice.

        Raises: Busy when others keep taking the same things.
        """
        for _ in range(_RUNS_MAX):
            try:
                return await run_again(partial(self._run_once, claims, at, stripe))
            except (_Overtaken, KeyTaken):
                continue
        raise Busy("others keep taking the same collectibles")

    async def _run_once(self, claims: Sequence[Claim], at: datetime, stripe: int) -> list[Outcome]:
        async with self._database.transaction() as tx:
            players = await store.lock_players(tx, sorted({claim.player_id for claim in claims}))
            earlier = await _earlier(tx, claims)
            fresh = [claim for claim, known in zip(claims, earlier, strict=True) if known is None]
            attempts = await _still_placed(tx, [claim.attempt for claim in fresh])
            till = await self._till(tx, attempts)
            decision = decide(
                attempts,
                players=players,
                taken=await self._ledger.taken(tx, [claim.reference for claim in fresh]) if fresh else set(),
                waits=await _waits(tx, attempts),
                now_us=to_us(at),
                daily_cap=self._daily_cap,
                levels=self._levels,
                worn=await self._gear.of(tx, list(players), now_us=to_us(at)) if self._gear else {},
                pay=till.pay,
            )
            settled = await self._credited(tx, fresh, decision, at=at, stripe=stripe)
            kept = [
                (claim.use, outcome)
                for claim, outcome in zip(fresh, settled, strict=True)
                if isinstance(outcome, Refusal) and not isinstance(outcome, NOT_KEPT)
            ]
            await remember(tx, kept, at=at)
            await self._outbox.append(tx, events_of(decision.wins), at=at)
        answers = iter(settled)
        return [next(answers) if known is None else known for known in earlier]

    async def _till(self, tx: Tx, attempts: Sequence[Attempt | Refusal]) -> Till:
        """The accounts of all that may win, locked; so what is decided by them is what the ledger posts."""
        sides = {
            account
            for one in attempts
            if isinstance(one, Attempt)
            for account in (payer_of(one.spawn), wallet_of(one.player_id, one.spawn))
        }
        return Till(await self._ledger.locked(tx, list(sides)) if sides else {})

    async def _credited(
        self, tx: Tx, fresh: Sequence[Claim], decision: Decision, *, at: datetime, stripe: int
    ) -> list[Outcome]:
        """Writes what the wins earned: progress, then value; gives the outcomes of the decision, aligned."""
        wins = [
            (claim, outcome)
            for claim, outcome in zip(fresh, decision.outcomes, strict=True)
            if isinstance(outcome, Win)
        ]
        if not wins:
            return [outcome for outcome in decision.outcomes if isinstance(outcome, Refusal)]
        await store.update_players(tx, list(decision.players.values()))
        if decision.waits:
            await store.wait(tx, decision.waits)
        await store.keep_reduced(tx, [claim.id for claim, win in wins if win.is_reduced])
        expires_at = at + self._hold_for
        await held.keep(tx, [hold_of(*pair, at=at, expires_at=expires_at) for pair in wins if pair[1].is_held])
        transfers = [transfer_of(*pair, expires_at=expires_at + PROMISE_OUTLIVES) for pair in wins]
        results = await self._ledger.post(tx, transfers, at=at, stripe=stripe)
        statuses = [result.status for result in results]
        if any(status is not TransferStatus.CREATED for status in statuses):
            raise _why_not(statuses)
        balances = iter(result.credit_balance_minor for result in results)
        return [
            Answer(_collected(outcome, next(balances))) if isinstance(outcome, Win) else outcome
            for outcome in decision.outcomes
        ]


def _why_not(statuses: Sequence[TransferStatus]) -> Exception:
    """What to do about wins that the ledger did not all post; nothing of the batch may stay."""
    if not _OVERTAKEN.isdisjoint(statuses):
        return _Overtaken()
    strange = {status.name for status in statuses} - {TransferStatus.CREATED.name}
    return RuntimeError(f"the ledger answered {sorted(strange)} to wins")


def _collected(win: Win, balance_minor: int) -> Collected:
    return collected(
        win.spawn,
        amount_minor=win.amount_minor,
        balance_minor=balance_minor,
        experience=win.experience,
        level=win.level,
        is_reduced=win.is_reduced,
        is_held=win.is_held,
    )


async def _earlier(tx: Tx, claims: Sequence[Claim]) -> list[Outcome | None]:
    """What was answered under each key before, aligned, (n,): a win by its transfer, a refusal as it was kept."""
    won = await store.known(tx, [claim.id for claim in claims])
    kept = await recall(tx, [claim.use for claim in claims], answer=Collected)
    reduced = await store.reduced(tx, list(won)) if won else set()
    outcomes: list[Outcome | None] = []
    for claim, refusal in zip(claims, kept, strict=True):
        if claim.id in won:
            outcomes.append(replayed(claim, won[claim.id], is_reduced=claim.id in reduced))
        else:
            outcomes.append(refusal if isinstance(refusal, Refusal) else None)
    return outcomes


async def _still_placed(tx: Tx, attempts: list[Attempt | Refusal]) -> list[Attempt | Refusal]:
    """Refuses what was withdrawn meanwhile on another server, whose news may be on its way."""
    keys = {one.spawn.key for one in attempts if isinstance(one, Attempt) and is_placed(one.spawn.key)}
    withdrawn = await store.withdrawn(tx, list(keys)) if keys else {}
    if not withdrawn:
        return attempts
    return [
        Expired(collectible_id=one.spawn.id, expired_at=rfc3339(withdrawn[one.spawn.key]))
        if isinstance(one, Attempt) and one.spawn.key in withdrawn
        else one
        for one in attempts
    ]


async def _waits(tx: Tx, attempts: Sequence[Attempt | Refusal]) -> dict[Wait, int]:
    cooling = [one for one in attempts if isinstance(one, Attempt) and one.spawn.kind.cooldown_s]
    if not cooling:
        return {}
    return await store.waits(tx, {one.player_id for one in cooling}, {one.spawn.kind.type for one in cooling})
