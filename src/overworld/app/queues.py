"""Every bounded queue of the server, by name, with the four figures of each; lanes have some besides."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from overworld.kernel.batch import GroupCommit, Lanes
from overworld.kernel.waiting import Queue
from overworld.platform.observability import Metrics

if TYPE_CHECKING:
    from overworld.app.compose import House

_BATCH_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096, 16384)
_PASS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 1.0)


def register(metrics: Metrics, *, house: House) -> None:
    """Registers what there is to say of queues; each figure is read when somebody scrapes."""
    for name, queue in queues_of(house):
        watch(metrics, name, queue)
    for lane in _lanes_of(house):
        _lane(metrics, lane)
    _passes(metrics, house)


def watch(metrics: Metrics, name: str, queue: Queue) -> None:
    """The figures of one queue."""
    labels = {"queue": name}
    metrics.gauge("overworld_queue_depth", "How many wait.", partial(_depth, queue), labels=labels)
    metrics.gauge("overworld_queue_bound", "How many may wait.", partial(_bound, queue), labels=labels)
    metrics.gauge(
        "overworld_queue_oldest_seconds", "For how long the first has waited.", partial(_oldest, queue), labels=labels
    )
    metrics.count(
        "overworld_queue_refusals",
        "Refused, dropped or hurried because too many waited.",
        partial(_refused, queue),
        labels=labels,
    )


def queues_of(house: House) -> Iterator[tuple[str, Queue]]:
    """Every bounded queue in memory. Those in the database, webhooks and mails, are looked at by `LogWatch`."""
    world, accounts = house.domains.world, house.domains.accounts
    for lane in _lanes_of(house):
        yield lane.name, lane
    yield from accounts.lines.items()
    yield "avatars", house.domains.profiles.avatars.line
    yield "database", house.database.line
    yield "questions", house.columns.figures.questions
    yield "fixes", world.service.tick
    yield "movement-events", world.events
    yield "fence-events", world.fences.writer
    yield "fence-fixes", world.fences.triggers
    yield "publications", house.domains.gateway.publications
    yield "slow-readers", house.domains.gateway.slow_readers
    if world.history is not None:
        yield "history", world.history.recorder
    if house.limits.redis is not None:
        yield "limits", house.limits.redis.lane


def _lanes_of(house: House) -> Iterator[GroupCommit[Any, Any]]:
    domains = house.domains
    several: tuple[Lanes[Any, Any], ...] = (
        domains.gameplay.service.lanes,
        domains.sync.service.lanes,
        domains.sending.service.lanes,
        domains.carry.service.lanes,
        domains.quests.completing.lanes,
        domains.membership.service.lanes,
    )
    alone: list[GroupCommit[Any, Any]] = [domains.experiments.evaluating.lane, domains.telemetry.intake.lane]
    return chain(alone, chain.from_iterable(each.lanes for each in several))


def _lane(metrics: Metrics, lane: GroupCommit[Any, Any]) -> None:
    labels = {"lane": lane.name}
    metrics.count("overworld_lane_commands", "Commands taken.", partial(getattr, lane, "items"), labels=labels)
    metrics.count("overworld_lane_reruns", "Batches run again.", partial(getattr, lane, "reruns"), labels=labels)
    took = metrics.histogram(
        "overworld_lane_batch_seconds", "Time to commit a batch.", labels=("lane",), buckets=_BATCH_S
    ).labels(lane.name)
    size = metrics.histogram(
        "overworld_lane_batch_commands", "Commands in a batch.", labels=("lane",), buckets=_BATCH_SIZES
    ).labels(lane.name)

    def on_batch(commands: int, took_s: float) -> None:
        size.observe(commands)
        took.observe(took_s)

    lane.on_batch = on_batch


def _passes(metrics: Metrics, house: House) -> None:
    late = metrics.histogram("overworld_world_pass_late_seconds", "How late a pass began.", buckets=_PASS_S)
    took = metrics.histogram("overworld_world_pass_seconds", "Time of a pass.", buckets=_PASS_S)

    def on_pass(late_s: float, took_s: float) -> None:
        late.observe(late_s)
        took.observe(took_s)

    house.domains.world.service.tick.on_pass = on_pass


def _depth(queue: Queue) -> float:
    return queue.waiting


def _bound(queue: Queue) -> float:
    return queue.waiting_max


def _oldest(queue: Queue) -> float:
    return queue.oldest_s


def _refused(queue: Queue) -> float:
    return queue.refused
