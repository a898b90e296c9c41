"""Beginning quests: by players who ask, and for players by staff, who may make quests too.

Locks, in this order: the players by id, assignments by key, totals, the outbox. The lock on the player gives the
transaction its number before the clock is read: see `folding`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from msgspec.structs import replace

from overworld.domains.gameplay import store as players
from overworld.domains.gameplay.quests import store
from overworld.domains.gameplay.quests.catalogue import Catalogue
from overworld.domains.gameplay.quests.errors import (
    BadQuest,
    NoSuchQuest,
    QuestEnded,
    QuestLocked,
    QuestNameTaken,
    QuestNotOpen,
)
from overworld.domains.gameplay.quests.messages import QuestBody, QuestCreated, QuestMade, QuestStarted, StartQuest
from overworld.domains.gameplay.quests.rules import Definition, Window, begun, counting_from, missing, window_at
from overworld.domains.gameplay.quests.types import Assignment, QuestRules, State
from overworld.domains.gameplay.rewards import Rewards
from overworld.kernel.audit import Staff
from overworld.kernel.clock import Clock, rfc3339, to_us
from overworld.kernel.events import Event
from overworld.kernel.ports import AuditTrail, LastFix, Outbox, Tx
from overworld.kernel.refusals import Busy
from overworld.platform.postgres import Database, run_again

_RUNS_MAX = 16


class _Overtaken(Exception):
    """The log began the same run meanwhile, or met the shared one: run again, seeing it."""


class Starting:
    """Puts quests into players' hands."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        outbox: Outbox,
        catalogue: Catalogue,
        last_fix: LastFix,
        audit: AuditTrail,
        rewards: Rewards,
        fix_age_max_s: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._catalogue = catalogue
        self._last_fix = last_fix
        self._audit = audit
        self._rewards = rewards
        self._fix_age_max_s = fix_age_max_s

    async def start(self, command: StartQuest) -> Assignment:
        """The run that a player has in hand from now on, or had already.

        Raises: NoSuchQuest, QuestNotOpen, QuestEnded, QuestLocked; Busy.
        """
        for _ in range(_RUNS_MAX):
            try:
                return await run_again(partial(self._start_once, command))
            except _Overtaken:
                continue
        raise Busy("others keep changing the same quest")

    async def _start_once(self, command: StartQuest) -> Assignment:
        definition = await self._named(command.quest)
        async with self._database.transaction() as tx:
            player = (await players.lock_players(tx, [command.player_id]))[command.player_id]
            at = self._clock.now()
            key = (command.player_id, definition.name)
            last = (await store.newest(tx, [key])).get(key)
            window = _open_window(definition, last, at=at)
            if last is not None and last.run == window.run:
                if last.state is State.ACTIVE:
                    return last
                raise QuestEnded(quest=definition.name, state=last.state.wire)
            if definition.rules.started == "assigned":
                raise QuestLocked(quest=definition.name, missing="assignment")
            await self._require(tx, definition, command, level=player.level, at=at)
            since = counting_from(definition.rules, window, at)
            one = begun(definition, window, player_id=player.id, counts_from=since, level=player.level, at=at)
            await self._begin(tx, definition, [one], at=at)
        return one

    async def _named(self, quest: str) -> Definition:
        if quest not in self._catalogue.in_force:
            await self._catalogue.look()
        definition = self._catalogue.in_force.get(quest)
        if definition is None:
            raise NoSuchQuest(quest=quest)
        return definition

    async def _require(self, tx: Tx, definition: Definition, command: StartQuest, *, level: int, at: datetime) -> None:
        rules, place = definition.rules, None
        needed = rules.requires.quests
        done = await store.completed(tx, [command.player_id], needed) if needed else set()
        if rules.requires.zone is not None:
            fixes = await self._last_fix.get([command.player_id])
            if fixes.known[0] and to_us(at) - fixes.at_us[0] <= self._fix_age_max_s * 1_000_000:
                place = (fixes.lat_deg[0], fixes.lng_deg[0])
        lacking = missing(
            rules,
            level=level,
            completed={quest for _, quest in done},
            memberships=command.memberships,
            place=place,
        )
        if lacking is not None:
            raise QuestLocked(quest=definition.name, missing=lacking)

    async def _begin(self, tx: Tx, definition: Definition, new: Sequence[Assignment], *, at: datetime) -> None:
        """Writes runs that begin. Raises: _Overtaken; QuestEnded for a shared one that all have met already."""
        shared = definition.rules.is_shared
        ready = [one if shared or not definition.meets(one.counts) else replace(one, met_at=at) for one in new]
        begun_now = await store.begin(tx, [(one, shared) for one in ready])
        if len(begun_now) < len(new):
            raise _Overtaken
        if shared:
            runs = {(one.number, one.run, len(one.counts)) for one in new}
            totals = await store.lock_totals(tx, sorted(runs))
            if any(total.met_at is not None for total in totals.values()):
                raise QuestEnded(quest=definition.name, state=State.COMPLETED.wire)
        told: list[Event] = [
            QuestStarted(player_id=one.player_id, quest=one.quest, type=definition.rules.type, run=one.run)
            for one in new
        ]
        await self._outbox.append(tx, told, at=at)

    async def make(self, body: QuestBody, *, by: UUID, staff: Staff) -> QuestMade:
        """Makes a quest, if its definition is given, and assigns it; the same again changes nothing.

        Raises: QuestNameTaken, BadQuest; NoSuchQuest, QuestNotOpen, QuestEnded; Busy.
        """
        if body.quest is not None:
            await self._made(body.id, body.quest, by=by, staff=staff)
        definition = await self._named(body.id)
        if not body.players:
            return QuestMade(id=body.id, number=definition.number, assigned=0)
        for _ in range(_RUNS_MAX):
            try:
                assigned = await run_again(
                    partial(self._assign_once, definition, sorted(set(body.players)), staff=staff)
                )
            except _Overtaken:
                continue
            return QuestMade(id=body.id, number=definition.number, assigned=assigned)
        raise Busy("others keep changing the same quest")

    async def _made(self, name: str, rules: QuestRules, *, by: UUID, staff: Staff) -> None:
        known = self._catalogue.in_force.get(name)
        if known is not None and not known.by_staff:
            raise QuestNameTaken(quest=name)
        at = self._clock.now()
        async with self._database.transaction() as tx:
            try:
                self._rewards.kit.prize(rules.rewards)
                number = await self._catalogue.made(tx, name, rules, by=by, at=at)
            except (KeyError, ValueError) as error:
                raise BadQuest(quest=name, field=str(error)) from error
            await self._audit.record(tx, [staff.did("gameplay.make_quest", name, after=rules)])
            await self._outbox.append(tx, [QuestCreated(quest=name, number=number, made_by=by)], at=at)
        await self._catalogue.look()

    async def _assign_once(self, definition: Definition, player_ids: Sequence[UUID], *, staff: Staff) -> int:
        async with self._database.transaction() as tx:
            locked = await players.lock_players(tx, player_ids)
            at = self._clock.now()
            keys = [(player_id, definition.name) for player_id in player_ids]
            last = await store.newest(tx, keys)
            new = []
            for player_id, quest in keys:
                window = _open_window(definition, last.get((player_id, quest)), at=at)
                before = last.get((player_id, quest))
                if before is None or before.run != window.run:
                    level = locked[player_id].level
                    new.append(begun(definition, window, player_id=player_id, counts_from=at, level=level, at=at))
            if new:
                did = [
                    staff.did("gameplay.assign_quest", one.player_id, after=(one.quest, one.run), note=one.quest)
                    for one in new
                ]
                await self._audit.record(tx, did)
                await self._begin(tx, definition, new, at=at)
        return len(new)


def _open_window(definition: Definition, last: Assignment | None, *, at: datetime) -> Window:
    """The run that is open now; of what repeats always the one in hand, or the next. Raises: QuestNotOpen."""
    rules = definition.rules
    next_run = 0
    if last is not None:
        next_run = last.run + (last.state is not State.ACTIVE)
    window = window_at(rules, at, next_run=next_run)
    if window is None:
        raise QuestNotOpen(
            quest=definition.name,
            opens_at=rfc3339(rules.opens_at) if rules.opens_at else None,
            closes_at=rfc3339(rules.closes_at) if rules.closes_at else None,
        )
    return window
