"""Taking the rewards of quests: many in one transaction, each answered as if it were alone.

Locks, in this order: the players by id, assignments by key, what rewards touch, the ledger, the answers, the outbox.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from msgspec.structs import replace

from overworld.domains.gameplay import store as players
from overworld.domains.gameplay.carry.messages import Obtained
from overworld.domains.gameplay.errors import LowTrust
from overworld.domains.gameplay.ports import Trust
from overworld.domains.gameplay.quests import store
from overworld.domains.gameplay.quests.catalogue import Catalogue
from overworld.domains.gameplay.quests.errors import NoSuchQuest, QuestEnded, QuestNotMet, QuestUnpaid
from overworld.domains.gameplay.quests.messages import CompleteQuest, QuestCompleted, QuestDone
from overworld.domains.gameplay.quests.rules import Definition
from overworld.domains.gameplay.quests.types import Assignment, QuestSettings, State, Total
from overworld.domains.gameplay.rewards import Grant, Rewards, require_posted
from overworld.domains.gameplay.types import WHOLE_BP, reference_of
from overworld.kernel.batch import GroupCommit, Lanes
from overworld.kernel.clock import Clock
from overworld.kernel.events import Event
from overworld.kernel.identity import Answer
from overworld.kernel.ports import Ledger, Outbox, Tx
from overworld.kernel.refusals import Busy, Refusal
from overworld.kernel.standing import WITHHELD, Gate
from overworld.platform.postgres import Database, run_again
from overworld.platform.postgres.idempotency import (
    Keyed,
    KeyTaken,
    first_uses,
    keyed,
    recall,
    remember,
    repeated,
)

Outcome = Answer[QuestDone] | Refusal
Gates = Mapping[UUID, Gate]

REASON = "quest"
_RUNS_MAX = 16


class _Unknown(Exception):
    """A quest in hand has a definition that came after the last look: look, and run again."""


class Completing:
    """Completes quests. Several may run at once, here and on other servers. `close` lets those in flight finish."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        outbox: Outbox,
        ledger: Ledger,
        rewards: Rewards,
        catalogue: Catalogue,
        trust: Trust,
        settings: QuestSettings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._ledger = ledger
        self._rewards = rewards
        self._catalogue = catalogue
        self._trust = trust
        self._settings = settings
        self.lanes = Lanes[CompleteQuest, Answer[QuestDone]](
            settings.lanes, make=self._lane, key=lambda command: command.player_id
        )

    def _lane(self, i: int) -> GroupCommit[CompleteQuest, Answer[QuestDone]]:
        return GroupCommit(
            name=f"quests-{i}",
            run=partial(self.run, stripe=i),
            queue_max=self._settings.queue_max,
            batch_max=self._settings.batch_max,
            monotonic_s=self._clock.monotonic_s,
        )

    async def complete(self, command: CompleteQuest) -> Answer[QuestDone]:
        """What was given for a quest that is met; or the answer of an earlier try under the same key.

        Of several runs that are met, the oldest is completed.
        Raises: KeyReused; NoSuchQuest, QuestNotMet, QuestEnded, LowTrust, QuestUnpaid; Busy.
        """
        return await self.lanes.submit(command)

    async def close(self) -> None:
        """Lets those in flight finish, and refuses new ones."""
        await self.lanes.close()

    async def run(self, commands: Sequence[CompleteQuest], *, stripe: int = 0) -> list[Outcome]:
        """The outcome of each, (n,), as if they had come one after another. Raises: Busy."""
        uses = [
            keyed(command.player_id, command.key, operation="gameplay.quest.complete", body=command.quest)
            for command in commands
        ]
        standings = await self._trust.standings([command.player_id for command in commands])
        gates = {command.player_id: one.gate for command, one in zip(commands, standings, strict=True)}
        for _ in range(_RUNS_MAX):
            try:
                return await run_again(partial(self._run_once, commands, uses, gates, stripe=stripe))
            except _Unknown:
                await self._catalogue.look()
            except KeyTaken:
                continue
        raise Busy("others keep using the same keys")

    async def _run_once(
        self, commands: Sequence[CompleteQuest], uses: Sequence[Keyed], gates: Gates, *, stripe: int
    ) -> list[Outcome]:
        async with self._database.transaction() as tx:
            await players.lock_players(tx, sorted({command.player_id for command in commands}))
            at = self._clock.now()
            earlier = await recall(tx, uses, answer=QuestDone)
            first = first_uses(uses)
            fresh = [i for i, known in enumerate(earlier) if known is None and first[i] == i]
            decided: dict[int, Outcome] = {}
            if fresh:
                outcomes, told = await self._decide(tx, [commands[i] for i in fresh], gates, at, stripe)
                decided = dict(zip(fresh, outcomes, strict=True))
                kept = [(uses[i], _kept(one)) for i, one in decided.items() if not isinstance(one, LowTrust)]
                await remember(tx, kept, at=at)
                await self._outbox.append(tx, told, at=at)
        return [
            _replayed(known) if known is not None else decided[i] if first[i] == i else _again(uses, first, decided, i)
            for i, known in enumerate(earlier)
        ]

    async def _decide(
        self, tx: Tx, commands: Sequence[CompleteQuest], gates: Gates, at: datetime, stripe: int
    ) -> tuple[list[Outcome], list[Event]]:
        """The outcome of each, and what is to be told of them."""
        wanted = {(command.player_id, command.quest) for command in commands}
        hands = await store.lock_active(tx, wanted)
        ready = await self._ready(tx, hands)
        last = await store.newest(tx, sorted(wanted))
        chosen: list[tuple[Assignment, Definition] | Refusal] = []
        for command in commands:
            key = (command.player_id, command.quest)
            if ready.get(key) and gates[command.player_id] in WITHHELD:
                chosen.append(LowTrust(quest=command.quest, gate=gates[command.player_id]))
            elif ready.get(key):
                chosen.append(ready[key].pop(0))
            else:
                chosen.append(self._unready(command, last.get(key), ended=key in ready))
        return await self._given(tx, chosen, gates, at=at, stripe=stripe)

    async def _ready(
        self, tx: Tx, hands: Sequence[Assignment]
    ) -> dict[tuple[UUID, str], list[tuple[Assignment, Definition]]]:
        """What is met of what players have in hand, oldest first."""
        defined = {one.number: self._definition(one.number) for one in hands}
        shared = {(one.number, one.run) for one in hands if one.met_at is None and any(one.counts)}
        totals: Mapping[tuple[int, int], Total] = await store.totals(tx, shared) if shared else {}
        ready: dict[tuple[UUID, str], list[tuple[Assignment, Definition]]] = {}
        for one in hands:
            definition = defined[one.number]
            total = totals.get((one.number, one.run))
            met_at = one.met_at or (total.met_at if total is not None and any(one.counts) else None)
            if definition is not None and met_at is not None:
                ready.setdefault((one.player_id, one.quest), []).append((replace(one, met_at=met_at), definition))
        return ready

    def _definition(self, number: int) -> Definition | None:
        try:
            return self._catalogue.known(number)
        except KeyError as error:
            raise _Unknown from error

    def _unready(self, command: CompleteQuest, last: Assignment | None, *, ended: bool) -> Refusal:
        if last is None:
            known = command.quest in self._catalogue.in_force
            return QuestNotMet(quest=command.quest) if known else NoSuchQuest(quest=command.quest)
        if last.state is State.ACTIVE and not ended:
            return QuestNotMet(quest=command.quest)
        state = State.COMPLETED if ended else last.state
        return QuestEnded(quest=command.quest, state=state.wire)

    async def _given(
        self,
        tx: Tx,
        chosen: Sequence[tuple[Assignment, Definition] | Refusal],
        gates: Gates,
        *,
        at: datetime,
        stripe: int,
    ) -> tuple[list[Outcome], list[Event]]:
        """Gives what the chosen have earned; the outcomes are aligned with them."""
        met = [one for one in chosen if not isinstance(one, Refusal)]
        if not met:
            return [one for one in chosen if isinstance(one, Refusal)], []
        reduced_bp = self._rewards.kit.reduced_bp
        shares = [reduced_bp if gates[one.player_id] is Gate.REDUCED else WHOLE_BP for one, _ in met]
        grants = [_grant(*one, share_bp=share_bp) for one, share_bp in zip(met, shares, strict=True)]
        given = await self._rewards.grant(tx, grants, at=at)
        paid = [one for one, got in zip(met, given.outcomes, strict=True) if not isinstance(got, Refusal)]
        if paid:
            await store.end(tx, [one for one, _ in paid], state=State.COMPLETED, at=at)
        if given.transfers:
            require_posted(await self._ledger.post(tx, given.transfers, at=at, stripe=stripe))
        obtained = iter(given.outcomes)
        outcomes = [one if isinstance(one, Refusal) else _answer(one[0], next(obtained), at=at) for one in chosen]
        return outcomes, [*(_completed(*one) for one in paid), *given.events]


def _grant(one: Assignment, definition: Definition, *, share_bp: int) -> Grant:
    name = b"quest\x00" + one.player_id.bytes + f"{one.run}\x00{one.quest}".encode()
    return Grant(
        player_id=one.player_id,
        reward=definition.rules.rewards,
        reference=reference_of(name),
        reason=REASON,
        share_bp=share_bp,
    )


def _completed(one: Assignment, definition: Definition) -> QuestCompleted:
    return QuestCompleted(
        player_id=one.player_id,
        quest=one.quest,
        type=definition.rules.type,
        run=one.run,
        rewards=definition.rules.rewards,
    )


def _answer(one: Assignment, obtained: Obtained | Refusal, *, at: datetime) -> Outcome:
    if isinstance(obtained, Refusal):
        unpaid = QuestUnpaid(quest=one.quest)
        unpaid.__cause__ = obtained
        return unpaid
    return Answer(QuestDone(id=one.quest, run=one.run, obtained=obtained, completed_at=at))


def _kept(outcome: Outcome) -> QuestDone | Refusal:
    return outcome if isinstance(outcome, Refusal) else outcome.value


def _replayed(known: QuestDone | Refusal) -> Outcome:
    return known if isinstance(known, Refusal) else Answer(known, replayed=True)


def _again(uses: Sequence[Keyed], first: Sequence[int], decided: Mapping[int, Outcome], i: int) -> Outcome:
    """The outcome of a command whose key an earlier one of the batch used first."""
    answer = repeated(uses[i], first=uses[first[i]], outcome=_kept(decided[first[i]]))
    return answer if isinstance(answer, Refusal) else Answer(answer, replayed=True)
