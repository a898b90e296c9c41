"""What players read of quests: those they can begin or have begun, and what became of earlier runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay import store as players
from overworld.domains.gameplay.quests import store
from overworld.domains.gameplay.quests.catalogue import Catalogue
from overworld.domains.gameplay.quests.errors import NoSuchQuest
from overworld.domains.gameplay.quests.messages import ObjectiveSeen, QuestRun, QuestSeen
from overworld.domains.gameplay.quests.rules import Definition, Window, begun, counting_from, missing, window_at
from overworld.domains.gameplay.quests.types import Assignment, Collect, State, Total
from overworld.kernel.clock import Clock, to_us
from overworld.kernel.ports import LastFix, Tx
from overworld.platform.postgres import Database


class Mine(Struct, frozen=True):
    """A quest beside a player's run of it, if they have one; `is_begun` when that is written."""

    definition: Definition
    one: Assignment | None
    state: State
    is_begun: bool = True


class Showing:
    """Reads quests; changes nothing."""

    def __init__(
        self, *, database: Database, clock: Clock, catalogue: Catalogue, last_fix: LastFix, fix_age_max_s: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._catalogue = catalogue
        self._last_fix = last_fix
        self._fix_age_max_s = fix_age_max_s

    async def of(self, player_id: UUID, *, memberships: Sequence[str]) -> list[QuestSeen]:
        """The quests that a player has in hand, can begin now or has ended in this run of them, by name and run.

        What starts by itself is active before anything counted. Up to six round trips.
        """
        at = self._clock.now()
        async with self._database.read() as tx:
            held = await store.active(tx, player_id)
            if any(not self._catalogue.has(one.number) for one in held):
                await self._catalogue.look()
            shown: list[Mine] = [
                Mine(known, one, State.ACTIVE)
                for one in held
                if (known := self._catalogue.known(one.number)) is not None
            ]
            shown += await self._beside(tx, player_id, held, memberships=memberships, at=at)
            shown.sort(key=lambda mine: (mine.definition.name, mine.one.run if mine.one else 0))
            totals = await self._totals(tx, shown, at=at)
        return [_seen(mine, totals, at=at) for mine in shown]

    async def _beside(
        self, tx: Tx, player_id: UUID, held: Sequence[Assignment], *, memberships: Sequence[str], at: datetime
    ) -> list[Mine]:
        """What is in force beside what a player has in hand."""
        in_force = self._catalogue.in_force
        in_hand = {(one.quest, one.run) for one in held}
        last = await store.newest(tx, [(player_id, name) for name in in_force])
        progress = (await players.progress(tx, [player_id])).get(player_id)
        needed = {quest for one in in_force.values() for quest in one.rules.requires.quests}
        done = {quest for _, quest in await store.completed(tx, [player_id], needed)} if needed else set()
        place = await self._place(player_id, at=at)
        level = progress.level if progress is not None else 1
        found: list[Mine] = []
        for name, definition in in_force.items():
            before = last.get((player_id, name))
            window = window_at(definition.rules, at, next_run=_next_run(before))
            if window is None or (name, window.run) in in_hand:
                continue
            if before is not None and before.run == window.run:
                found.append(Mine(definition, before, before.state))
                continue
            rules = definition.rules
            lacking = missing(rules, level=level, completed=done, memberships=memberships, place=place)
            if lacking is None and rules.started != "assigned":
                found.append(_unbegun(definition, window, player_id=player_id, level=level, at=at))
        return found

    async def one(self, one: Assignment) -> QuestSeen:
        """A run as its player reads it."""
        definition = self._catalogue.known(one.number)
        if definition is None:
            raise NoSuchQuest(quest=one.quest)
        mine = Mine(definition, one, one.state)
        at = self._clock.now()
        async with self._database.read() as tx:
            totals = await self._totals(tx, [mine], at=at)
        return _seen(mine, totals, at=at)

    async def history(self, player_id: UUID, quest: str, *, before_run: int, limit: int) -> list[QuestRun]:
        """A player's runs of a quest, newest first. Raises: NoSuchQuest for a name that nothing has and had."""
        async with self._database.read() as tx:
            runs = await store.history(tx, player_id, quest, before_run=before_run, limit=limit)
            if any(not self._catalogue.has(one.number) for one in runs) or not runs:
                await self._catalogue.look()
            if not runs and quest not in self._catalogue.in_force:
                raise NoSuchQuest(quest=quest)
            mine = [
                Mine(known, one, one.state) for one in runs if (known := self._catalogue.known(one.number)) is not None
            ]
            totals = await self._totals(tx, mine, at=self._clock.now())
        return [_run(each.definition, each.one, totals) for each in mine if each.one is not None]

    async def _place(self, player_id: UUID, *, at: datetime) -> tuple[float, float] | None:
        fixes = await self._last_fix.get([player_id])
        fresh = fixes.known[0] and to_us(at) - fixes.at_us[0] <= self._fix_age_max_s * 1_000_000
        return (fixes.lat_deg[0], fixes.lng_deg[0]) if fresh else None

    async def _totals(self, tx: Tx, shown: Sequence[Mine], *, at: datetime) -> Mapping[tuple[int, int], Total]:
        shared = set()
        for mine in shown:
            if mine.definition.rules.is_shared:
                window = window_at(mine.definition.rules, at)
                run = mine.one.run if mine.one is not None else window.run if window is not None else 0
                shared.add((mine.definition.number, run))
        return await store.totals(tx, shared) if shared else {}


def _next_run(last: Assignment | None) -> int:
    return 0 if last is None else last.run + (last.state is not State.ACTIVE)


def _unbegun(definition: Definition, window: Window, *, player_id: UUID, level: int, at: datetime) -> Mine:
    """A run that nobody has written yet: of what starts by itself it is as good as begun."""
    if not definition.rules.is_auto:
        return Mine(definition, None, State.AVAILABLE, is_begun=False)
    since = counting_from(definition.rules, window, at)
    one = begun(definition, window, player_id=player_id, counts_from=since, level=level, at=at)
    return Mine(definition, one, State.ACTIVE, is_begun=False)


def _seen(mine: Mine, totals: Mapping[tuple[int, int], Total], *, at: datetime) -> QuestSeen:
    definition, one, state = mine.definition, mine.one, mine.state
    begun_one = one if mine.is_begun else None
    rules = definition.rules
    window = window_at(rules, at)
    run = one.run if one is not None else window.run if window is not None else 0
    total = totals.get((definition.number, run))
    closes_at = one.closes_at if one is not None else window.closes_at if window is not None else None
    return QuestSeen(
        id=definition.name,
        type=rules.type,
        title=rules.title,
        text=rules.text,
        difficulty=rules.difficulty,
        shared=rules.is_shared,
        state=state.wire,
        met=_is_met(definition, one, total),
        objectives=_objectives(definition, one, total),
        rewards=rules.rewards,
        run=one.run if one is not None else None,
        assigned_at=begun_one.made_at if begun_one is not None else None,
        started_at=begun_one.started_at if begun_one is not None else None,
        closes_at=closes_at,
        completed_at=one.ended_at if one is not None and state is State.COMPLETED else None,
    )


def _run(definition: Definition, one: Assignment, totals: Mapping[tuple[int, int], Total]) -> QuestRun:
    total = totals.get((definition.number, one.run))
    return QuestRun(
        run=one.run,
        state=one.state.wire,
        met=_is_met(definition, one, total),
        objectives=_objectives(definition, one, total),
        assigned_at=one.made_at,
        started_at=one.started_at,
        closes_at=one.closes_at,
        ended_at=one.ended_at,
    )


def _is_met(definition: Definition, one: Assignment | None, total: Total | None) -> bool:
    if one is None:
        return False
    if one.met_at is not None:
        return True
    return definition.rules.is_shared and total is not None and total.met_at is not None and any(one.counts)


def _objectives(definition: Definition, one: Assignment | None, total: Total | None) -> list[ObjectiveSeen]:
    none = (0,) * len(definition.matchers)
    shared = definition.rules.is_shared
    own = one.counts if one is not None else none
    counts = definition.shown(own if not shared else total.counts if total is not None else none)
    goals = definition.goals_shown
    return [
        ObjectiveSeen(
            kind=matcher.kind,
            text=objective.text,
            progress=counts[i],
            goal=goals[i],
            currency=objective.currency if isinstance(objective, Collect) and objective.value is not None else None,
            own=own[i] // matcher.scale if shared else None,
        )
        for i, (objective, matcher) in enumerate(zip(definition.rules.objectives, definition.matchers, strict=True))
    ]
