"""Claims, many in one transaction: each is answered exactly as if they had come one after another.

Locks, in this order: the players by id, the takings by key, the ledger's accounts, the keys' answers, the outbox.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import partial
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay import store
from overworld.domains.gameplay.errors import Expired, OutOfStock, WalletFull
from overworld.domains.gameplay.messages import ClaimCollectible, Collected, CollectibleCollected, LevelReached
from overworld.domains.gameplay.ports import Trust
from overworld.domains.gameplay.rules import (
    Attempt,
    Claimants,
    Decision,
    Taking,
    Wait,
    Win,
    attempted,
    decide,
    terms_of,
)
from overworld.domains.gameplay.spawns import Spawns, is_placed
from overworld.domains.gameplay.types import CollectibleRules, Player, Spawn
from overworld.geo import cells
from overworld.kernel.clock import Clock, from_us, rfc3339, to_us
from overworld.kernel.events import Event
from overworld.kernel.identity import Answer
from overworld.kernel.ids import IdSource
from overworld.kernel.money import (
    HOUSE,
    AccountCode,
    AccountRef,
    Transfer,
    TransferCode,
    TransferResult,
    TransferStatus,
)
from overworld.kernel.ports import LastFix, Ledger, Outbox, Tx
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres import Database, run_again
from overworld.platform.postgres.idempotency import Keyed, KeyTaken, first_uses, keyed, recall, remember, repeated

_RUNS_MAX = 4


class _Overtaken(Exception):
    """Another server won takings of this batch while it ran, and that changes who else wins: run again, knowing it."""

    def __init__(self, takings: AbstractSet[Taking]) -> None:
        super().__init__(f"{len(takings)} takings were won elsewhere")
        self.takings = takings


class _Unpaid(Exception):
    """A win of this batch cannot be paid, or not into its player's wallet: nothing of the batch was written."""

    def __init__(self, win: Win, status: TransferStatus) -> None:
        super().__init__(f"{win.spawn.id} is not paid: {status.name}")
        self.refusal: Refusal = OutOfStock(collectible_id=win.spawn.id)
        if status is TransferStatus.EXCEEDS_MAXIMUM:
            self.refusal = WalletFull(collectible_id=win.spawn.id, currency=win.spawn.kind.currency.code)


class _Batch(Struct, frozen=True, kw_only=True):
    """Claims as they are before the database is asked, aligned, (n,): the use of each key, and each attempt."""

    uses: Sequence[Keyed]
    attempts: Sequence[Attempt | Refusal]
    at: datetime


class Claims:
    """Answers batches of claims. Several may run at once, here and on other servers with the same database."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        outbox: Outbox,
        ledger: Ledger,
        last_fix: LastFix,
        trust: Trust,
        spawns: Spawns,
        rules: CollectibleRules,
        levels: Sequence[int],
        fix_age_max_s: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._ledger = ledger
        self._last_fix = last_fix
        self._trust = trust
        self._spawns = spawns
        self._rules = rules
        self._levels = levels
        self._terms = terms_of(rules, age_max_s=fix_age_max_s)

    async def run(self, commands: Sequence[ClaimCollectible]) -> list[Answer[Collected] | Refusal]:
        """The outcome of each claim, (n,). Six statements beside the ledger's when one wins, three when none does; one
        more where collectibles were placed, and one or two where types have a cooldown.

        Whatever is raised, the same claims may be run again: what was committed is then answered by its key. A claim
        that cannot be paid makes its batch fail, and is refused when it is run alone.
        """
        at_us = self._clock.now_us()
        batch = _Batch(
            uses=[keyed(c.player_id, c.key, operation="gameplay.collect", body=c.collectible_id) for c in commands],
            attempts=await self._attempts(commands, at_us=at_us),
            at=from_us(at_us),
        )
        gone: AbstractSet[Taking] = frozenset()
        for _ in range(_RUNS_MAX - 1):
            try:
                return await run_again(partial(self._run_once, batch, gone))
            except _Overtaken as overtaken:
                gone |= overtaken.takings
            except KeyTaken:
                continue
            except _Unpaid as unpaid:
                if len(commands) > 1:
                    raise
                return [unpaid.refusal]
        return await run_again(partial(self._run_once, batch, gone))

    async def _attempts(self, commands: Sequence[ClaimCollectible], *, at_us: int) -> list[Attempt | Refusal]:
        player_ids = [command.player_id for command in commands]
        claimants = Claimants(
            player_ids=player_ids,
            memberships=[command.memberships for command in commands],
            fixes=await self._last_fix.get(player_ids),
            trust=await self._trust.scores(player_ids),
        )
        wanted = [self._find(command.collectible_id) for command in commands]
        return attempted(wanted, claimants, now_us=at_us, terms=self._terms)

    def _find(self, id: str) -> Spawn | Refusal:
        try:
            return self._spawns.find(id)
        except Refusal as refusal:
            return refusal

    async def _run_once(self, batch: _Batch, gone: AbstractSet[Taking]) -> list[Answer[Collected] | Refusal]:
        async with self._database.transaction() as tx:
            players = await store.lock_players(tx, sorted({use.account_id for use in batch.uses}))
            recalled = await recall(tx, batch.uses, answer=Collected)
            first = first_uses(batch.uses)
            fresh = [i for i, outcome in enumerate(recalled) if outcome is None and first[i] == i]
            decision = await self._taken(tx, batch, fresh, players=players, gone=gone)
            outcomes = await self._credited(tx, decision, at=batch.at)
            settled = dict(zip(fresh, outcomes, strict=True))
            await remember(tx, [(batch.uses[i], outcome) for i, outcome in settled.items()], at=batch.at)
            await self._outbox.append(tx, _events(decision.wins), at=batch.at)
        answers: list[Answer[Collected] | Refusal] = []
        for i, use in enumerate(batch.uses):
            if i in settled:
                answers.append(_answer(settled[i], replayed=False))
                continue
            earlier = recalled[i]
            if earlier is None:
                earlier = repeated(use, first=batch.uses[first[i]], outcome=settled[first[i]])
            answers.append(_answer(earlier, replayed=True))
        return answers

    async def _taken(
        self,
        tx: Tx,
        batch: _Batch,
        fresh: Sequence[int],
        *,
        players: Mapping[UUID, Player],
        gone: AbstractSet[Taking],
    ) -> Decision:
        """Decides as if nobody but `gone` were ahead, takes, and decides again when somebody was."""
        attempts = await _still_placed(tx, [batch.attempts[i] for i in fresh])
        waits = await _waits(tx, attempts)

        def decided(taken: AbstractSet[Taking]) -> Decision:
            return decide(
                attempts,
                players=players,
                taken=taken,
                waits=waits,
                now_us=to_us(batch.at),
                daily_cap=self._rules.daily_cap,
                levels=self._levels,
            )

        hoped = decided(gone)
        if not hoped.wins:
            return hoped
        taken = await store.collect(tx, hoped.wins, at=batch.at)
        lost = {win.taking for win in hoped.wins} - taken
        if not lost:
            return hoped
        exact = decided(gone | lost)
        written = {(win.taking, win.player_id) for win in hoped.wins if win.taking in taken}
        if {(win.taking, win.player_id) for win in exact.wins} != written:
            raise _Overtaken(lost)
        return exact

    async def _credited(self, tx: Tx, decision: Decision, *, at: datetime) -> list[Collected | Refusal]:
        """Writes what the wins earned: progress, then value; gives the outcomes of the decision, aligned."""
        if not decision.wins:
            return [outcome for outcome in decision.outcomes if isinstance(outcome, Refusal)]
        await store.update_players(tx, list(decision.players.values()))
        if decision.waits:
            await store.wait(tx, decision.waits)
        results = await self._ledger.post(tx, [_transfer(win, id=self._ids()) for win in decision.wins], at=at)
        posted = iter(results)
        return [
            _collected(outcome, next(posted)) if isinstance(outcome, Win) else outcome for outcome in decision.outcomes
        ]


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


def _transfer(win: Win, *, id: UUID) -> Transfer:
    currency, payer_id = win.spawn.kind.currency.code, win.spawn.payer_id
    issuance = AccountRef(HOUSE, currency, AccountCode.ISSUANCE)
    return Transfer(
        id=id,
        debit=issuance if payer_id is None else AccountRef(payer_id, currency, AccountCode.BUDGET),
        credit=AccountRef(win.player_id, currency),
        amount_minor=win.amount_minor,
        code=TransferCode.COLLECT,
        reference=win.spawn.id,
    )


def _collected(win: Win, posted: TransferResult) -> Collected:
    if posted.status in (TransferStatus.EXCEEDS_CREDITS, TransferStatus.EXCEEDS_MAXIMUM):
        raise _Unpaid(win, posted.status)
    if posted.status is not TransferStatus.CREATED:
        raise RuntimeError(f"the ledger answered {posted.status.name} to a win of {win.spawn.id}")
    kind = win.spawn.kind
    return Collected(
        collectible_id=win.spawn.id,
        type=kind.type,
        amount=kind.currency.format(win.amount_minor),
        currency=kind.currency.code,
        balance=kind.currency.format(posted.credit_balance_minor),
        experience=win.experience,
        level=win.level,
    )


def _events(wins: Sequence[Win]) -> list[Event]:
    events: list[Event] = []
    for win in wins:
        events.append(_collection_event(win))
        if win.level > win.level_before:
            events.append(
                LevelReached(
                    player_id=win.player_id,
                    level=win.level,
                    level_before=win.level_before,
                    experience=win.experience,
                )
            )
    return events


def _collection_event(win: Win) -> CollectibleCollected:
    spawn = win.spawn
    return CollectibleCollected(
        player_id=win.player_id,
        collectible_id=spawn.id,
        type=spawn.kind.type,
        mode=spawn.kind.mode,
        currency=spawn.kind.currency.code,
        amount_minor=win.amount_minor,
        experience=spawn.kind.experience,
        cell=cells.token(spawn.cell),
        lat_deg=spawn.lat_deg,
        lng_deg=spawn.lng_deg,
    )


def _answer(outcome: Collected | Refusal, *, replayed: bool) -> Answer[Collected] | Refusal:
    return outcome if isinstance(outcome, Refusal) else Answer(outcome, replayed)
