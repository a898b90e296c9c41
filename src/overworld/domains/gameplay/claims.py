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
from overworld.domains.gameplay.errors import WalletFull
from overworld.domains.gameplay.messages import ClaimCollectible, Collected, CollectibleCollected, LevelReached
from overworld.domains.gameplay.rules import Attempt, Decision, Stand, Taking, Win, attempted, decide
from overworld.domains.gameplay.spawns import Spawns
from overworld.domains.gameplay.types import CollectibleRules, Player
from overworld.geo import cells
from overworld.kernel.clock import Clock, from_us
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
from overworld.kernel.ports import FixColumns, LastFix, Ledger, Outbox, Tx
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
    """A win of this batch does not fit into its player's wallet: nothing of the batch was written."""

    def __init__(self, win: Win) -> None:
        super().__init__(f"no room in the wallet for {win.spawn.id}")
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
        self._spawns = spawns
        self._rules = rules
        self._levels = levels
        self._fix_age_max_s = fix_age_max_s

    async def run(self, commands: Sequence[ClaimCollectible]) -> list[Answer[Collected] | Refusal]:
        """The outcome of each claim, (n,). Six statements beside the ledger's when one wins, three when none does.

        Whatever is raised, the same claims may be run again: what was committed is then answered by its key. A claim
        that finds the wallet full makes its batch fail, and is refused when it is run alone.
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
        fixes = await self._last_fix.get([command.player_id for command in commands])
        return [self._attempt(command, fixes, i, at_us=at_us) for i, command in enumerate(commands)]

    def _attempt(self, command: ClaimCollectible, fixes: FixColumns, i: int, *, at_us: int) -> Attempt | Refusal:
        try:
            spawn = self._spawns.find(command.collectible_id)
        except Refusal as refusal:
            return refusal
        stand = Stand(fixes.lat_deg[i], fixes.lng_deg[i], fixes.at_us[i]) if fixes.known[i] else None
        return attempted(
            command.player_id, spawn, stand=stand, now_us=at_us, rules=self._rules, age_max_s=self._fix_age_max_s
        )

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

        def decided(taken: AbstractSet[Taking]) -> Decision:
            return decide(
                [batch.attempts[i] for i in fresh],
                players=players,
                taken=taken,
                today=batch.at.date(),
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
        results = await self._ledger.post(tx, [_transfer(win, id=self._ids()) for win in decision.wins], at=at)
        posted = iter(results)
        return [
            _collected(outcome, next(posted)) if isinstance(outcome, Win) else outcome for outcome in decision.outcomes
        ]


def _transfer(win: Win, *, id: UUID) -> Transfer:
    kind = win.spawn.kind
    return Transfer(
        id=id,
        debit=AccountRef(HOUSE, kind.currency.code, AccountCode.ISSUANCE),
        credit=AccountRef(win.player_id, kind.currency.code),
        amount_minor=kind.value_minor,
        code=TransferCode.COLLECT,
        reference=win.spawn.id,
    )


def _collected(win: Win, posted: TransferResult) -> Collected:
    if posted.status is TransferStatus.EXCEEDS_MAXIMUM:
        raise _Unpaid(win)
    if posted.status is not TransferStatus.CREATED:
        raise RuntimeError(f"the ledger answered {posted.status.name} to a win of {win.spawn.id}")
    kind = win.spawn.kind
    return Collected(
        collectible_id=win.spawn.id,
        type=kind.type,
        amount=kind.value,
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
        amount_minor=spawn.kind.value_minor,
        experience=spawn.kind.experience,
        cell=cells.token(spawn.cell),
        lat_deg=spawn.lat_deg,
        lng_deg=spawn.lng_deg,
    )


def _answer(outcome: Collected | Refusal, *, replayed: bool) -> Answer[Collected] | Refusal:
    return outcome if isinstance(outcome, Refusal) else Answer(outcome, replayed)
