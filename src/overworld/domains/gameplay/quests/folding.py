"""The log becomes progress: a slice of events, one transaction, sets in and sets out.

Each event counts once for a quest in hand, whenever and however often it is delivered: what counts is that it happened
in the quest's time, not when it was read. Events that changed something are marked as handled in the transaction that
wrote the change. An event that changes nothing now never will: a quest that is met or ended stays so, and one that
begins later counts later events only.

A start commits before any event of its own time can be read: it has its transaction's number before it reads the
clock, and readers of the log stop below the oldest number that is still open.

Locks, in this order: assignments by key, totals, the marks, the outbox.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from overworld.domains.gameplay import store as players
from overworld.domains.gameplay.quests import store
from overworld.domains.gameplay.quests.catalogue import Catalogue
from overworld.domains.gameplay.quests.messages import QuestCreated, QuestProgressed, QuestStarted
from overworld.domains.gameplay.quests.rules import (
    Definition,
    Hand,
    Happened,
    Window,
    begun,
    counting_from,
    fold,
    hits_of,
    window_at,
)
from overworld.domains.gameplay.quests.types import Assignment, Total
from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope, Event
from overworld.kernel.ports import Outbox, Tx
from overworld.kernel.refusals import Busy
from overworld.platform.eventlog import first_time
from overworld.platform.postgres import Database, run_again

CONSUMER = "quests"
CATCH_UP = timedelta(days=1)
"""How long after its window a run may still begin, for who reads the log that late."""

_RUNS_MAX = 16
_SETTLED_MAX = 200_000
_fields = msgspec.json.Decoder(dict[str, Any]).decode


class _Overtaken(Exception):
    """Somebody began one of the same runs meanwhile, or it has a definition that is not known yet: run again."""


class _Wanted(Struct, frozen=True):
    """A run that would begin, and from when on things count for it."""

    definition: Definition
    window: Window
    counts_from: datetime


class Folding:
    """Folds events into progress. Several may run at once, on any server; one is enough, and is how it is run."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        outbox: Outbox,
        catalogue: Catalogue,
    ) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._catalogue = catalogue
        self._settled: dict[store.Key, None] = {}
        self._over: set[tuple[int, int]] = set()
        self.folded = 0

    async def fold(self, envelopes: Sequence[Envelope]) -> None:
        """Counts what happened. At most ten round trips, however many events. Raises: Busy; database faults."""
        if any(envelope.topic == QuestCreated.topic for envelope in envelopes):
            await self._catalogue.look()
        for _ in range(_RUNS_MAX):
            try:
                await run_again(partial(self._fold_once, envelopes))
            except _Overtaken:
                await self._catalogue.look()
            else:
                self.folded += len(envelopes)
                return
        raise Busy("others keep beginning the same quests")

    async def _fold_once(self, envelopes: Sequence[Envelope]) -> None:
        events = self._read(envelopes)
        if not events:
            return
        at = self._clock.now()
        async with self._database.transaction() as tx:
            player_ids = sorted({player_id for event in events for player_id in event.player_ids.values()})
            hands = self._hands(await store.lock_open(tx, player_ids))
            await self._begin(tx, events, hands, at=at)
            hits = hits_of(events, hands)
            if not hits and not any(hand.changed for held in hands.values() for hand in held):
                return
            totals = await self._totals(tx, hands)
            event_ids = list(dict.fromkeys(hit.event_id for hit in hits))
            fresh = await first_time(tx, CONSUMER, event_ids) if event_ids else set()
            changed = fold(hits, fresh=fresh, totals=totals, at=at)
            after = {**totals, **{(total.number, total.run): total for total in changed}}
            reached = [hand for held in hands.values() for hand in held if hand.changed]
            await self._write(tx, reached, at=at)
            if changed:
                await store.add_up(tx, changed)
            await self._outbox.append(tx, _news(reached, after), at=at)

    def _read(self, envelopes: Iterable[Envelope]) -> list[Happened]:
        """What some quest may count, with its fields and players, each event once."""
        events = []
        for envelope in {envelope.id: envelope for envelope in envelopes}.values():
            named = self._catalogue.players.get(envelope.topic)
            if named is None:
                continue
            data = _fields(envelope.data)
            whose = {name: player_id for name in named if (player_id := _uuid(data.get(name))) is not None}
            if whose:
                events.append(
                    Happened(id=envelope.id, topic=envelope.topic, at=envelope.at, data=data, player_ids=whose)
                )
        return events

    def _hands(self, open_ones: Iterable[Assignment]) -> defaultdict[UUID, list[Hand]]:
        hands: defaultdict[UUID, list[Hand]] = defaultdict(list)
        for one in open_ones:
            try:
                definition = self._catalogue.known(one.number)
            except KeyError as error:
                raise _Overtaken from error
            if definition is not None:
                hands[one.player_id].append(Hand(one, definition))
        return hands

    async def _begin(
        self, tx: Tx, events: Sequence[Happened], hands: defaultdict[UUID, list[Hand]], *, at: datetime
    ) -> None:
        """Puts what begins by itself into hands, for whom something happened that counts for it."""
        wanted = self._wanted(events, {hand.one.key for held in hands.values() for hand in held}, at=at)
        if not wanted:
            return
        before = await store.existing(tx, wanted)
        if any(before.values()):
            raise _Overtaken
        self._settle(before)
        new = {key: one for key, one in wanted.items() if key not in before}
        if not new:
            return
        beginners = {key[0] for key in new}
        progress = await players.progress(tx, list(beginners))
        needed = {quest for one in new.values() for quest in one.definition.rules.requires.quests}
        done = await store.completed(tx, beginners, needed) if needed else set()
        for (player_id, _, _), one in new.items():
            requires = one.definition.rules.requires
            level = progress[player_id].level if player_id in progress else 1
            if level >= requires.level and all((player_id, quest) in done for quest in requires.quests):
                begun_one = begun(
                    one.definition,
                    one.window,
                    player_id=player_id,
                    counts_from=one.counts_from,
                    level=level,
                    at=at,
                )
                hands[player_id].append(Hand(begun_one, one.definition, is_new=True))

    def _wanted(self, events: Sequence[Happened], held: set[store.Key], *, at: datetime) -> dict[store.Key, _Wanted]:
        """The runs that would begin, with the first moment of what counts for each."""
        wanted: dict[store.Key, _Wanted] = {}
        windows: dict[tuple[int, datetime], Window | None] = {}
        for event in events:
            for definition, matcher in self._catalogue.starters.get(event.topic, ()):
                player_id = event.player_ids.get(matcher.player)
                when = (definition.number, event.at)
                if when not in windows:
                    windows[when] = self._window(definition, event.at, at=at)
                window = windows[when]
                if player_id is None or window is None:
                    continue
                key = (player_id, definition.name, window.run)
                if key in held or key in self._settled or not matcher.amount_of(event.data):
                    continue
                since = counting_from(definition.rules, window, event.at)
                if key not in wanted or since < wanted[key].counts_from:
                    wanted[key] = _Wanted(definition, window, since)
        return wanted

    def _window(self, definition: Definition, happened_at: datetime, *, at: datetime) -> Window | None:
        """The run that something of an instant begins; none that all have met, or that was over long ago."""
        window = window_at(definition.rules, happened_at)
        if window is None or (definition.number, window.run) in self._over:
            return None
        if window.closes_at is not None and at - window.closes_at > CATCH_UP:
            return None
        return window

    def _settle(self, keys: Iterable[store.Key]) -> None:
        """Remembers runs that were begun and that nothing counts for any more."""
        self._settled.update(dict.fromkeys(keys))
        while len(self._settled) > _SETTLED_MAX:
            self._settled.pop(next(iter(self._settled)))

    async def _totals(self, tx: Tx, hands: Mapping[UUID, Sequence[Hand]]) -> dict[tuple[int, int], Total]:
        shared = {(*hand.key, len(hand.counts)) for held in hands.values() for hand in held if hand.shared}
        totals = await store.lock_totals(tx, sorted(shared)) if shared else {}
        self._over.update(key for key, total in totals.items() if total.met_at is not None)
        return totals

    async def _write(self, tx: Tx, reached: Sequence[Hand], *, at: datetime) -> None:
        ones = [
            (hand, replace(hand.one, counts=tuple(hand.counts), met_at=at if hand.met else None)) for hand in reached
        ]
        new = [(one, hand.shared) for hand, one in ones if hand.is_new]
        if new and len(await store.begin(tx, new)) < len(new):
            raise _Overtaken
        if known := [one for hand, one in ones if not hand.is_new]:
            await store.count(tx, known)


def _news(reached: Sequence[Hand], totals: Mapping[tuple[int, int], Total]) -> list[Event]:
    told: list[Event] = []
    for hand in reached:
        if hand.is_new:
            told.append(_started(hand))
        told.append(_progressed(hand, totals[hand.key] if hand.shared else None))
    return told


def _started(hand: Hand) -> QuestStarted:
    one = hand.one
    return QuestStarted(player_id=one.player_id, quest=one.quest, type=hand.definition.rules.type, run=one.run)


def _progressed(hand: Hand, total: Total | None) -> QuestProgressed:
    one = hand.one
    return QuestProgressed(
        player_id=one.player_id,
        quest=one.quest,
        type=hand.definition.rules.type,
        run=one.run,
        counts=hand.definition.shown(hand.counts if total is None else total.counts),
        goals=hand.definition.goals_shown,
        met=hand.met if total is None else total.met_at is not None,
    )


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value)
    except (TypeError, ValueError, AttributeError):
        return None
