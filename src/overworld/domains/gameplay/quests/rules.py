"""What counts for a quest, when it is open, and what a slice of the log makes of the quests in hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.messages import CollectibleCollected, LevelReached
from overworld.domains.gameplay.quests.types import (
    Assignment,
    Collect,
    Happen,
    Objective,
    Place,
    QuestRules,
    Reach,
    Repeats,
    State,
    Total,
    Upgrade,
    Use,
    Visit,
    Walk,
)
from overworld.geo import cells, sphere
from overworld.kernel.clock import EPOCH
from overworld.kernel.money import Currency

LOCATION_TOPIC = "events.location.updated"
USE_TOPIC = "events.item.used"
UPGRADE_TOPIC = "events.tool.upgraded"
_CM = 100
_COUNT_MAX = 2**53
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_FIRST_MONDAY = EPOCH - timedelta(days=3)

Inside = Callable[[float, float], bool]


class Matcher(Struct, frozen=True, kw_only=True):
    """An objective as events are held against it: of `topic`, with the fields of `where`, inside `inside`.

    Each counts 1, or the number in the field `amount` times `scale`; the most that was seen (`most`), or all together.
    """

    kind: str
    topic: str
    goal: int
    where: tuple[tuple[str, Any], ...] = ()
    inside: tuple[Inside, ...] = ()
    amount: str | None = None
    scale: int = 1
    most: bool = False
    once: bool = False
    player: str = "player_id"

    def amount_of(self, data: Mapping[str, Any]) -> int:
        """What an event counts; 0 when it does not."""
        for name, value in self.where:
            if data.get(name) != value:
                return 0
        if self.inside:
            lat, lng = data.get("lat_deg"), data.get("lng_deg")
            if lat is None or lng is None or not all(inside(lat, lng) for inside in self.inside):
                return 0
        if self.amount is None:
            return 1
        number = data.get(self.amount)
        if not isinstance(number, int | float) or not 0 < number < _COUNT_MAX:
            return 0
        return round(number * self.scale) if self.scale > 1 else int(number)

    def after(self, count: int, amount: int, *, shared: bool) -> int:
        """The count of one player when an event counted; what they do alone stops at the goal."""
        if self.once:
            return 1
        if self.most:
            return max(count, min(amount, self.goal))
        return min(count + amount, _COUNT_MAX if shared else self.goal)


def matcher_of(objective: Objective, *, zone: Place | None, currencies: Mapping[str, Currency]) -> Matcher:
    """How an objective counts. In a `zone` only events that happened there do, of those that tell where they did."""
    match objective:
        case Collect():
            wanted = [("type", objective.type), ("currency", objective.currency)]
            value = objective.value and objective.currency
            goal = currencies[value].parse(objective.value or "0") if value else objective.count or 1
            made = Matcher(
                kind="collect",
                topic=CollectibleCollected.topic,
                goal=goal,
                where=tuple((name, word) for name, word in wanted if word is not None),
                amount="amount_minor" if value else None,
                inside=_inside(zone),
            )
        case Walk(metres=metres):
            made = Matcher(
                kind="walk", topic=LOCATION_TOPIC, goal=metres * _CM, amount="metres", scale=_CM, inside=_inside(zone)
            )
        case Visit(place=place, count=count):
            made = Matcher(
                kind="visit", topic=LOCATION_TOPIC, goal=count, inside=(inside_of(place), *_inside(zone)), once=True
            )
        case Use(item=item, count=count):
            made = Matcher(kind="use", topic=USE_TOPIC, goal=count, where=_if_said("type", item))
        case Upgrade(tool=tool, count=count):
            made = Matcher(kind="upgrade", topic=UPGRADE_TOPIC, goal=count, where=_if_said("type", tool))
        case Reach(level=level):
            made = Matcher(kind="reach", topic=LevelReached.topic, goal=level, amount="level", most=True)
        case Happen():
            made = Matcher(
                kind="event",
                topic=objective.topic,
                goal=objective.count,
                where=tuple(objective.where.items()),
                amount=objective.amount,
                player=objective.player,
            )
    return made


def inside_of(place: Place) -> Inside:
    """Whether a place in degrees lies within."""
    if place.cell is not None:
        cell = cells.from_token(place.cell)
        level = cells.level_of(cell)
        return lambda lat_deg, lng_deg: cells.cell_of(lat_deg, lng_deg, level) == cell
    at_lat, at_lng, radius_m = place.lat or 0.0, place.lng or 0.0, place.radius_m or 0.0
    return lambda lat_deg, lng_deg: sphere.distance_between_m(at_lat, at_lng, lat_deg, lng_deg) <= radius_m


def _inside(zone: Place | None) -> tuple[Inside, ...]:
    return () if zone is None else (inside_of(zone),)


def _if_said(name: str, word: str | None) -> tuple[tuple[str, Any], ...]:
    return () if word is None else ((name, word),)


class Definition(Struct, frozen=True, kw_only=True):
    """A quest as it was written once, with its number; `matchers` stand beside its objectives.

    `counting` has them by topic, with their places.
    `by_staff` is one that staff made while the game ran.
    """

    number: int
    name: str
    rules: QuestRules
    matchers: tuple[Matcher, ...]
    counting: Mapping[str, tuple[tuple[int, Matcher], ...]]
    by_staff: bool = False

    @property
    def goals_shown(self) -> tuple[int, ...]:
        """The goals as players read them: metres, times, minor units, a level."""
        return tuple(matcher.goal // matcher.scale for matcher in self.matchers)

    def shown(self, counts: Sequence[int]) -> tuple[int, ...]:
        """Counts as players read them, beside `goals_shown` and never above them."""
        pairs = zip(counts, self.matchers, strict=True)
        return tuple(min(count, matcher.goal) // matcher.scale for count, matcher in pairs)

    def meets(self, counts: Sequence[int]) -> bool:
        """Whether all objectives are met."""
        return all(count >= matcher.goal for count, matcher in zip(counts, self.matchers, strict=True))


def defined(
    name: str, rules: QuestRules, *, number: int, currencies: Mapping[str, Currency], by_staff: bool = False
) -> Definition:
    """A quest ready to count. Raises: KeyError, ValueError for a value in no currency of the game."""
    zone = rules.requires.zone if rules.is_shared else None
    matchers = tuple(matcher_of(one, zone=zone, currencies=currencies) for one in rules.objectives)
    counting = {
        topic: tuple((i, matcher) for i, matcher in enumerate(matchers) if matcher.topic == topic)
        for topic in {matcher.topic for matcher in matchers}
    }
    return Definition(number=number, name=name, rules=rules, matchers=matchers, counting=counting, by_staff=by_staff)


class Window(Struct, frozen=True):
    """When a run is open: from `opens_at` to before `closes_at`."""

    run: int
    opens_at: datetime
    closes_at: datetime | None


def window_at(rules: QuestRules, at: datetime, *, next_run: int = 0) -> Window | None:
    """The run that is open at an instant; None outside of the quest's dates.

    A quest that repeats always has no runs by the clock: `next_run` says which one would be begun.
    """
    if (rules.opens_at and at < rules.opens_at) or (rules.closes_at and at >= rules.closes_at):
        return None
    span = _span(rules.repeated, at)
    if span is None:
        run = next_run if rules.repeated == "always" else 0
        return Window(run, rules.opens_at or EPOCH, rules.closes_at)
    run, first, last = span
    return Window(run, max(first, rules.opens_at or first), min(last, rules.closes_at or last))


def _span(repeats: Repeats, at: datetime) -> tuple[int, datetime, datetime] | None:
    if repeats == "daily":
        run = (at - EPOCH) // _DAY
        return run, EPOCH + run * _DAY, EPOCH + (run + 1) * _DAY
    if repeats == "weekly":
        run = (at - _FIRST_MONDAY) // _WEEK
        return run, _FIRST_MONDAY + run * _WEEK, _FIRST_MONDAY + (run + 1) * _WEEK
    return None


def closing(rules: QuestRules, window: Window, started_at: datetime) -> datetime | None:
    """When a run that was started ends: with its window, or when the player's own time is up."""
    own = started_at + timedelta(seconds=rules.within_s) if rules.within_s else None
    ends = [at for at in (window.closes_at, own) if at is not None]
    return min(ends, default=None)


class Happened(Struct, frozen=True, kw_only=True, gc=False):
    """An event of the log with its fields: `player_ids` are those it may count for, by the field that names them."""

    id: UUID
    topic: str
    at: datetime
    data: Mapping[str, Any]
    player_ids: Mapping[str, UUID]


class Hand:
    """A quest in a player's hand while a slice is folded; `changed` once anything counted."""

    __slots__ = ("changed", "counts", "definition", "is_new", "key", "met", "one", "shared")

    def __init__(self, one: Assignment, definition: Definition, *, is_new: bool = False) -> None:
        self.one = one
        self.definition = definition
        self.key = (one.number, one.run)
        self.shared = definition.rules.is_shared
        self.counts = list(one.counts)
        self.is_new = is_new
        self.changed = is_new and any(one.counts)
        self.met = not self.shared and definition.meets(one.counts)

    def is_open(self, at: datetime) -> bool:
        """Whether what happened at an instant may count."""
        one = self.one
        return not self.met and at >= one.counts_from and (one.closes_at is None or at < one.closes_at)


class Hit(Struct, frozen=True, gc=False):
    """An event that counts `amount` for the objective `i` of a quest in hand."""

    event_id: UUID
    hand: Hand
    i: int
    amount: int


def hits_of(events: Iterable[Happened], hands: Mapping[UUID, Sequence[Hand]]) -> list[Hit]:
    """What events count for, in their order; without what would change nothing."""
    hits = []
    for event in events:
        for player_id in dict.fromkeys(event.player_ids.values()):
            for hand in hands.get(player_id, ()):
                counting = hand.definition.counting.get(event.topic)
                if counting is None or not hand.is_open(event.at):
                    continue
                for i, matcher in counting:
                    amount = matcher.amount_of(event.data) if event.player_ids.get(matcher.player) == player_id else 0
                    count = hand.counts[i]
                    if amount and matcher.after(count, amount, shared=hand.shared) != count:
                        hits.append(Hit(event.id, hand, i, amount))
    return hits


def fold(
    hits: Iterable[Hit], *, fresh: AbstractSet[UUID], totals: Mapping[tuple[int, int], Total], at: datetime
) -> list[Total]:
    """Counts the hits of fresh events in their order, into the hands; gives the totals that changed.

    All but the last contributors of a shared quest are the same in whatever order events come: sums and maxima.
    """
    sums = {key: list(total.counts) for key, total in totals.items()}
    met = {key for key, total in totals.items() if total.met_at is not None}
    touched: dict[tuple[int, int], None] = {}
    for hit in hits:
        hand = hit.hand
        if hit.event_id not in fresh or hand.key in met:
            continue
        before = hand.counts[hit.i]
        after = hand.definition.matchers[hit.i].after(before, hit.amount, shared=hand.shared)
        if after == before:
            continue
        hand.counts[hit.i] = after
        hand.changed = True
        if not hand.shared:
            hand.met = hand.definition.meets(hand.counts)
            continue
        together = sums[hand.key]
        together[hit.i] = min(together[hit.i] + after - before, _COUNT_MAX)
        touched[hand.key] = None
        if hand.definition.meets(together):
            met.add(hand.key)
    return [
        Total(number=key[0], run=key[1], counts=tuple(sums[key]), met_at=at if key in met else None)
        for key in sorted(touched)
    ]


def begun(
    definition: Definition, window: Window, *, player_id: UUID, counts_from: datetime, level: int, at: datetime
) -> Assignment:
    """A run that begins: a level the player has counts from the first."""
    return Assignment(
        player_id=player_id,
        quest=definition.name,
        run=window.run,
        number=definition.number,
        state=State.ACTIVE,
        counts=tuple(min(level, matcher.goal) if matcher.most else 0 for matcher in definition.matchers),
        counts_from=counts_from,
        closes_at=closing(definition.rules, window, counts_from),
        made_at=at,
        started_at=at,
    )


def currencies_missing(rules: QuestRules, currencies: Iterable[str]) -> set[str]:
    """Which currencies the objectives name that the game does not have."""
    return {one.currency for one in rules.objectives if isinstance(one, Collect) and one.currency} - set(currencies)


def missing(
    rules: QuestRules,
    *,
    level: int,
    completed: Iterable[str],
    memberships: Iterable[str],
    place: tuple[float, float] | None,
) -> str | None:
    """What a player lacks to begin: `level`, `quest`, `membership` or `zone`; None for who may.

    `place` is where they are, in degrees.
    """
    requires = rules.requires
    if level < requires.level:
        return "level"
    if not set(requires.quests) <= set(completed):
        return "quest"
    if requires.membership is not None and requires.membership not in memberships:
        return "membership"
    if requires.zone is not None and (place is None or not inside_of(requires.zone)(*place)):
        return "zone"
    return None


def counting_from(rules: QuestRules, window: Window, first_at: datetime) -> datetime:
    """From when on events count for a run whose first moment is `first_at`.

    What begins by itself for everybody counts its whole window, so that it does not matter which event is read first.
    """
    asks = rules.requires.level > 1 or bool(rules.requires.quests)
    return window.opens_at if rules.is_auto and not asks else max(first_at, window.opens_at)
