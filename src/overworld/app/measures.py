"""What the server measures of itself beyond requests: pools, lanes, passes, sockets and loops."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from overworld.app import columns, queues, telemetry
from overworld.domains.trust.types import Kind
from overworld.domains.world.service import World
from overworld.domains.world.types import Reason
from overworld.kernel.standing import Gate
from overworld.platform.observability import Metrics
from overworld.platform.postgres import Database

if TYPE_CHECKING:
    from overworld.app.collector import Collector
    from overworld.app.compose import House

_PASSES = {
    "passes": "Verdict passes run.",
    "records": "Fixes judged.",
    "late": "Passes that began later than they were due.",
    "late_max_s": "The latest that a pass began, in seconds.",
    "over_budget": "Passes that took longer than their budget.",
    "longest_s": "The longest pass, in seconds.",
    "refused_full": "Fixes refused because the inbox was full.",
}

_HOOKS = {
    "calls": "Calls of the game's hooks.",
    "claims": "Claims that its hooks have judged.",
    "failed": "Claims refused because a hook failed on them.",
    "slow": "Calls of hooks that took longer than 10 ms.",
    "off": "Times that a hook was switched off for being slow.",
}

_HISTORY = {
    "waiting": "Fixes that wait to be written to the history.",
    "written": "Fixes written to it.",
    "dropped": "Fixes lost because the queue was full, or the server ended.",
    "late": "Fixes left out because their day is not kept.",
}

_WEBHOOKS = {
    "under_way": "Deliveries that this process is sending.",
    "delivered": "Deliveries that receivers took from this process.",
    "failed": "Tries of this process that failed.",
    "given_up": "Deliveries given up after their last try.",
    "paused": "Webhooks that this process paused.",
    "behind_s": "Age of the longest due delivery, in seconds.",
}

_MAIL = {
    "sent": "Mails that this process handed over.",
    "failed": "Tries of this process that failed.",
    "given_up": "Mails given up.",
    "behind_s": "Age of the longest due mail, in seconds.",
}

_INTEREST = {
    "watchers": "Watchers of packed surroundings.",
    "frames": "Frames of surroundings made.",
    "sections": "Sections in these frames.",
    "entities": "Players told of, each once a publication however many watch.",
    "bytes": "Bytes of these frames.",
    "encode_s": "Seconds spent on encoding changed cells.",
    "serve_s": "Seconds spent on gathering frames and handing them over.",
}


def register(metrics: Metrics, *, house: House) -> None:
    """Registers the gauges; each is read when somebody scrapes."""
    _database(metrics, house.database)
    queues.register(metrics, house=house)
    house.watch.register(metrics)
    _promises(metrics, house)
    _held(metrics, house)
    _world(metrics, house)
    _ledger(metrics, house)
    _leaderboards(metrics, house)
    _trust(metrics, house)
    _sockets(metrics, house)
    _collections(metrics, house.collector)
    _game(metrics, house)
    _webhooks(metrics, house)
    _experiments(metrics, house)
    _mail(metrics, house)
    telemetry.measure(metrics, house)
    house.graphql.watch(metrics)
    columns.measure(metrics, house.columns)
    metrics.count(
        "overworld_loop_failures", "Times a background loop failed and ran again.", house.loops.failures.total
    )


_NOW = frozenset({"late_max_s", "longest_s", "waiting", "under_way", "behind_s", "watchers"})


def _shown(metrics: Metrics, name: str, meaning: str, read: Callable[[], float]) -> None:
    """One figure of a table: what is so now, or a count that only grows; seconds are called so."""
    figure = name.removesuffix("_s") + "_seconds" if name.endswith("_s") else name
    is_now = any(name.endswith(f"_{each}") for each in _NOW)
    (metrics.gauge if is_now else metrics.count)(figure, meaning, read)


def _collections(metrics: Metrics, collector: Collector) -> None:
    for generation in range(3):
        labels = {"generation": str(generation)}
        counted, longest = (
            partial(column.__getitem__, generation) for column in (collector.counts, collector.longest_s)
        )
        metrics.count("overworld_gc_collections", "Collections of garbage.", counted, labels=labels)
        metrics.gauge("overworld_gc_longest_seconds", "The longest collection, in seconds.", longest, labels=labels)


def _game(metrics: Metrics, house: House) -> None:
    hooks, versions = house.hooks, house.versions
    metrics.gauge("overworld_game_version", "Number of the definition's version in force.", lambda: versions.number)
    metrics.gauge(
        "overworld_game_behind", "1 while others run a version that this server cannot.", lambda: versions.behind
    )
    for name, meaning in _HOOKS.items():
        metrics.count(f"overworld_game_hook_{name}", meaning, partial(getattr, hooks, name))


def _webhooks(metrics: Metrics, house: House) -> None:
    sender, queueing = house.domains.webhooks.sender, house.domains.webhooks.queueing
    metrics.count(
        "overworld_audit_sealed", "Audit entries sealed by this process.", lambda: house.domains.audit.sealer.sealed
    )
    metrics.count("overworld_webhooks_queued", "Deliveries queued by this process.", lambda: queueing.queued)
    metrics.count("overworld_webhooks_dropped", "Events that found too many waiting.", lambda: queueing.dropped)
    for name, meaning in _WEBHOOKS.items():
        _shown(metrics, f"overworld_webhooks_{name}", meaning, partial(getattr, sender, name))


def _experiments(metrics: Metrics, house: House) -> None:
    parts = house.domains.experiments
    metrics.gauge("overworld_flags", "Flags that this process evaluates.", lambda: len(parts.book))
    metrics.count("overworld_flags_evaluated", "Flags evaluated.", lambda: parts.evaluating.evaluated)
    metrics.count(
        "overworld_flags_exposed", "Exposures written, one a player, flag and day.", lambda: parts.evaluating.exposed
    )
    metrics.count("overworld_experiment_facts", "Facts counted for experiments.", lambda: parts.facts.counted)


def _mail(metrics: Metrics, house: House) -> None:
    sender = house.domains.accounts.mail.sender
    for name, meaning in _MAIL.items():
        _shown(metrics, f"overworld_mail_{name}", meaning, partial(getattr, sender, name, 0))


def _database(metrics: Metrics, database: Database) -> None:
    metrics.gauge("overworld_database_connections", "Connections to the database.", lambda: database.use().open)
    metrics.gauge("overworld_database_connections_used", "Of these, in use.", lambda: database.use().in_use)
    metrics.gauge(
        "overworld_database_callers_waiting",
        "Callers waiting for a connection to the database.",
        lambda: database.use().waiting,
    )


def _ledger(metrics: Metrics, house: House) -> None:
    sealed, audited = house.domains.ledger.sealer.state, house.domains.ledger.auditor.state
    metrics.count("overworld_ledger_blocks", "Blocks sealed by this process.", lambda: sealed.blocks)
    metrics.count("overworld_ledger_sealed", "Transfers sealed by this process.", lambda: sealed.transfers)
    metrics.gauge("overworld_ledger_waiting", "Transfers not sealed yet, up to some blocks.", lambda: sealed.waiting)
    metrics.count("overworld_ledger_audits", "Looks of the running auditor at the books.", lambda: audited.looks)
    metrics.gauge("overworld_ledger_audit_seconds", "How long its last look took, in seconds.", lambda: audited.took_s)
    metrics.gauge("overworld_ledger_faults", "Faults that its last look found.", lambda: len(audited.faults))


def _leaderboards(metrics: Metrics, house: House) -> None:
    boards = house.domains.boards
    metrics.count("overworld_leaderboard_updates", "Scores that this process changed.", lambda: boards.scoring.added)
    metrics.count(
        "overworld_leaderboard_late",
        "Scores that came when those of their window were gone.",
        lambda: boards.scoring.late,
    )
    metrics.count(
        "overworld_leaderboard_archived", "Windows whose results this process kept.", lambda: boards.archive.archived
    )
    metrics.gauge("overworld_leaderboard_sets", "Ranked sets held in memory.", lambda: boards.service.standings.sets)


def _trust(metrics: Metrics, house: House) -> None:
    trust = house.domains.trust
    metrics.count(
        "overworld_trust_windows", "Windows of movement that this process judged.", lambda: trust.folding.windows
    )
    metrics.gauge("overworld_trust_cached", "Players whose standing is in memory.", trust.standings.__len__)
    for kind in Kind:
        metrics.count(
            "overworld_trust_evidence",
            "Evidence that this process found, by kind.",
            partial(trust.folding.found.__getitem__, kind),
            labels={"kind": kind.value},
        )
    for gate in Gate:
        if gate is not Gate.NORMAL:
            metrics.gauge(
                "overworld_trust_players",
                "Players at each gate but the normal one, at the last look.",
                partial(_standing_at, house, gate),
                labels={"gate": gate.value},
            )


def _standing_at(house: House, gate: Gate) -> float:
    return float(house.domains.trust.recovery.players.get(gate, 0))


def _promises(metrics: Metrics, house: House) -> None:
    expiry = house.domains.ledger.expiry
    metrics.gauge("overworld_ledger_promises", "Promises that are open, at the last look.", lambda: expiry.open)
    metrics.count(
        "overworld_ledger_promises_expired", "Promises that this process let go, over time.", lambda: expiry.expired
    )


def _held(metrics: Metrics, house: House) -> None:
    held = house.domains.gameplay.held
    meaning = "Rewards that were held, by what this process made of them."
    metrics.count("overworld_held_rewards", meaning, lambda: held.released, labels={"state": "released"})
    metrics.count("overworld_held_rewards", meaning, lambda: held.denied, labels={"state": "denied"})


def _world(metrics: Metrics, house: House) -> None:
    parts = house.domains.world
    world, events, history = parts.service, parts.events, parts.history
    for name, meaning in _PASSES.items():
        _shown(metrics, f"overworld_world_{name}", meaning, partial(getattr, world.tick, name))
    for reason in Reason:
        labels = {"reason": reason.wire}
        metrics.count(
            "overworld_world_verdicts",
            "Verdicts by reason; none is accepted.",
            partial(_judged, world, reason),
            labels=labels,
        )
    metrics.gauge("overworld_world_players", "Players with a track in memory.", world.engine.players.__len__)
    metrics.count("overworld_world_expired", "Players who left for want of a fix.", lambda: world.expired)
    _interest(metrics, world)
    _fences(metrics, house)
    events, history = house.domains.world.events, house.domains.world.history
    metrics.gauge("overworld_world_events_waiting", "Movement events not written.", lambda: events.waiting)
    metrics.count("overworld_world_events_dropped", "Movement events dropped.", lambda: events.dropped)
    if history is not None:
        for name, meaning in _HISTORY.items():
            _shown(metrics, f"overworld_history_{name}", meaning, partial(getattr, history.recorder, name))


def _fences(metrics: Metrics, house: House) -> None:
    fences = house.domains.world.fences
    writer, triggers = fences.writer, fences.triggers
    metrics.gauge("overworld_fences", "Geofences that fixes are judged by.", fences.service.book.__len__)
    metrics.count("overworld_fence_events_made", "Events of fences that this process saw.", lambda: writer.made)
    metrics.count("overworld_fence_events_written", "Of these, written to the log.", lambda: writer.written)
    metrics.count(
        "overworld_fence_events_void",
        "Of these, that changed nothing: another server was quicker, or the fence was changed.",
        lambda: writer.void,
    )
    metrics.gauge("overworld_fence_events_waiting", "Of these, waiting to be written.", lambda: writer.waiting)
    metrics.gauge(
        "overworld_fence_fixes_waiting",
        "Fixes waiting until it is read which fences their players are in.",
        lambda: triggers.waiting,
    )


def _interest(metrics: Metrics, world: World) -> None:
    for name, meaning in _INTEREST.items():
        _shown(metrics, f"overworld_interest_{name}", meaning, partial(getattr, world.interest, name))
    metrics.count(
        "overworld_interest_late", "Turns that began more than a whole period late.", lambda: world.cadence.late
    )


def _judged(world: World, reason: Reason) -> float:
    return float(world.judged[reason])


def _sockets(metrics: Metrics, house: House) -> None:
    gateway, counted = house.domains.gateway, house.domains.gateway.counters
    metrics.gauge("overworld_sockets", "Connections open.", lambda: gateway.connections)
    metrics.gauge("overworld_sockets_bound", "Connections that may be open.", lambda: gateway.connections_max)
    metrics.gauge("overworld_sockets_detached", "Streams that may be resumed.", lambda: gateway.detached)
    metrics.gauge("overworld_sockets_channels", "Channels listened to.", lambda: gateway.channels)
    metrics.gauge("overworld_sockets_actions_in_flight", "Actions under way.", lambda: gateway.in_flight)
    metrics.count("overworld_sockets_resumed", "Streams resumed with all that was missed.", lambda: counted.resumed)
    metrics.count("overworld_sockets_resynced", "Streams resumed without.", lambda: counted.resynced)
    metrics.count("overworld_sockets_frames_in", "Frames received.", lambda: counted.frames_in)
    metrics.count("overworld_sockets_frames_out", "Frames sent.", lambda: counted.frames_out)
    metrics.count(
        "overworld_sockets_positions_dropped", "Position messages left out.", lambda: counted.positions_dropped
    )
