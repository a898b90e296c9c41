"""The composition root: builds every part and hands each what it asks for. Nothing else builds things."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from os import urandom

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld import __version__
from overworld.app import backbone, graphql, limits, measures, site, start
from overworld.app.aliases import also_named
from overworld.app.backbone import Backbone
from overworld.app.collector import Collector
from overworld.app.domains import Domains, noun_of
from overworld.app.domains import build as domains_built
from overworld.app.event_desk import routes as desk_routes
from overworld.app.event_desk.schemas import Registering, registering_of
from overworld.app.event_desk.service import EventDesk
from overworld.app.game import Game
from overworld.app.hooks.work import Counted
from overworld.app.limits import Limits
from overworld.app.live import wiring as live_wiring
from overworld.app.live.following import Following
from overworld.app.live.routes import PREFIX as LIVE_PREFIX
from overworld.app.live.routes import LiveMap
from overworld.app.live.routes import routes as live_routes
from overworld.app.log_watch import LogWatch, Stored
from overworld.app.loops import Loops
from overworld.app.platform import Platform
from overworld.app.settings import Settings
from overworld.app.versions import routes as version_routes
from overworld.app.versions import service as versions_service
from overworld.app.versions import wiring as versions_wiring
from overworld.app.versions.service import Current, Versions
from overworld.app.webhooks import poster_of
from overworld.domains.accounts.audit import wiring as audit_wiring
from overworld.domains.accounts.consumers import TOPICS as REVOCATION_TOPICS
from overworld.domains.experiments.consumers import TOPICS as FLAG_TOPICS
from overworld.domains.experiments.consumers import flags_tail
from overworld.domains.gameplay.boards.standings import TOPICS as STANDINGS_TOPICS
from overworld.domains.gameplay.consumers import TOPICS as PLACED_TOPICS
from overworld.domains.realtime.gateway import Gateway
from overworld.domains.telemetry.types import PREFIX as TELEMETRY_PREFIX
from overworld.domains.world.consumers import TOPICS as CHOICE_TOPICS
from overworld.domains.world.fences.consumers import TOPICS as FENCE_TOPICS
from overworld.flows import (
    boards_to_sockets,
    carried_to_sockets,
    collections_to_sockets,
    levels_to_sockets,
    quests_to_sockets,
    revocations_to_sockets,
    rewards_to_sockets,
    transfers_to_sockets,
    trust_to_sockets,
    zones_to_sockets,
)
from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope
from overworld.kernel.ids import IdSource
from overworld.platform.avro import Released
from overworld.platform.blobs import blobs_of
from overworld.platform.columns.room import Room
from overworld.platform.eventlog import EventLog, Handle, PostgresOutbox
from overworld.platform.eventlog.topics import Topics
from overworld.platform.graphql import GraphqlParts
from overworld.platform.graphql.routes import STREAM_PATH
from overworld.platform.http import KeyScopes
from overworld.platform.http.build import build_http
from overworld.platform.http.edge import Edge
from overworld.platform.observability import HealthChecks, Metrics
from overworld.platform.outbound import Poster
from overworld.platform.postgres import Database


class House(Struct, frozen=True, kw_only=True):
    """A server that is built and not yet listening."""

    http: Edge
    live: LiveMap
    domains: Domains
    poster: Poster
    limits: Limits
    log: EventLog
    backbone: Backbone
    schemas: Registering | None
    loops: Loops
    collector: Collector
    metrics: Metrics
    health: HealthChecks
    database: Database
    clock: Clock
    versions: Versions
    hooks: Counted
    watch: LogWatch
    columns: Room
    graphql: GraphqlParts


async def compose(
    *, settings: Settings, game: Game, database: Database, clock: Clock, keys: KeyScopes, metrics: Metrics
) -> House:
    """Builds the server on a migrated database."""
    current, hooks, counting = Current(game), Counted(), limits.build(settings, clock=clock)
    platform = _platform(settings, current, counting, database=database, clock=clock, keys=keys)
    domains = await domains_built(platform)
    versions = versions_wiring.build(
        current=current,
        database=database,
        clock=clock,
        outbox=platform.outbox,
        ledger=domains.ledger,
        sending=domains.sending,
        gameplay=domains.gameplay,
        carry=domains.carry,
        quests=domains.quests,
        audit=platform.audit.trail,
        fences=domains.world.fences.service,
        counted=hooks,
    )
    live = live_wiring.build(
        settings=settings,
        game=lambda: current.game,
        world=domains.world.service,
        gameplay=domains.gameplay.service,
        gateway=domains.gateway,
        following=_following(domains),
        clock=clock,
        ids=platform.ids,
        limiter=platform.limiter,
    )
    log, released = EventLog(database, clock=clock, settings=settings.events), Released()
    reading = backbone.build(settings, log, database=database, clock=clock, released=released)
    staff_routes = [*version_routes.routes(versions), *desk_routes.routes(_desk(platform, reading, released))]
    graph = graphql.build(platform, domains, live.viewers)
    house = House(
        http=_http(platform, domains, metrics, live, [*staff_routes, *graph.routes]),
        live=live,
        domains=domains,
        poster=platform.poster,
        limits=counting,
        log=log,
        backbone=reading,
        schemas=registering_of(settings.events, released),
        loops=Loops(),
        collector=Collector(monotonic_s=clock.monotonic_s),
        metrics=metrics,
        health=_health(database, domains),
        database=database,
        clock=clock,
        versions=versions,
        hooks=hooks,
        columns=platform.columns,
        graphql=graph,
        watch=_watch(database, clock, log, domains),
    )
    measures.register(metrics, house=house)
    house.backbone.watch(metrics)
    counting.watch(metrics=metrics, health=house.health)
    return house


def _desk(platform: Platform, reading: Backbone, released: Released) -> EventDesk:
    return EventDesk(
        reading.log.desk,
        topics=Topics.read(),
        released=released,
        database=platform.database,
        clock=platform.clock,
        audit=platform.audit.trail,
    )


def _platform(
    settings: Settings, current: Current, counting: Limits, *, database: Database, clock: Clock, keys: KeyScopes
) -> Platform:
    ids = IdSource(clock.now_us, urandom)
    outbox = PostgresOutbox(ids=ids, game=current.digest)
    return Platform(
        settings=settings,
        game=current.game,
        current=current,
        database=database,
        clock=clock,
        ids=ids,
        keys=keys,
        limiter=counting.limiter,
        outbox=outbox,
        audit=audit_wiring.build(database=database, clock=clock, ids=ids, outbox=outbox),
        poster=poster_of(settings),
        blobs=blobs_of(settings.blobs, data=settings.data),
        columns=Room(settings.data, settings=settings.columns),
    )


def _watch(database: Database, clock: Clock, log: EventLog, domains: Domains) -> LogWatch:
    sender, queueing = domains.webhooks.sender, domains.webhooks.queueing
    mails, mail_sender = domains.accounts.mail.queue, domains.accounts.mail.sender
    return LogWatch(
        database=database,
        clock=clock,
        log=log,
        webhooks=Stored(
            waiting_max=queueing.waiting_max,
            read_oldest_s=lambda: sender.behind_s,
            read_refused=lambda: queueing.dropped,
        ),
        mails=Stored(
            waiting_max=mails.waiting_max,
            read_oldest_s=lambda: mail_sender.behind_s if mail_sender else 0.0,
            read_refused=lambda: mails.refused,
        ),
    )


def _following(domains: Domains) -> Following:
    return Following(
        profiles=domains.accounts.profiles,
        directory=domains.accounts.directory,
        ledger=domains.ledger.service,
        carried=domains.carry.reading,
        quests=domains.quests.showing,
        boards=domains.boards.service,
        world=domains.world.service,
    )


def _http(
    platform: Platform, domains: Domains, metrics: Metrics, live: LiveMap, of_the_house: Sequence[HTTPRouteHandler]
) -> Edge:
    settings = platform.settings
    of_no_domain = start.routes(
        current=platform.current,
        profiles=domains.accounts.profiles,
        quests=domains.quests.showing,
        ledger=domains.ledger.service,
        carried=domains.carry.reading,
        room_level=settings.world.room_level,
        realtime=lambda: socket_address(settings, domains.gateway),
    )
    return build_http(
        routes=[
            *also_named(domains.routes, platform.game.routes),
            *of_no_domain,
            *of_the_house,
            *live_routes(live),
            *site.routes(),
        ],
        polled=(LIVE_PREFIX, TELEMETRY_PREFIX, STREAM_PATH),
        quiet=settings.demo.enabled,  # hundreds of walkers ask all the time, and nobody would find the welcome again
        verifier=domains.accounts.verifier,
        csrf=domains.accounts.csrf,
        plain_cookies=settings.mode == "development",
        keys=platform.keys,
        limiter=platform.limiter,
        settings=settings.http,
        limits=settings.limits,
        metrics=metrics,
        title=f"Overworld: {platform.game.title}",
        version=__version__,
    )


def socket_address(settings: Settings, gateway: Gateway) -> str:
    """Where clients find the socket: the address set for them, else the one it listens on."""
    host = settings.realtime.host
    scheme = "wss" if settings.realtime.tls_certificate else "ws"
    if settings.realtime.public_url:
        return settings.realtime.public_url
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{gateway.port}/v1/realtime"


def readers(house: House, *, game: Game, room_level: int) -> Sequence[tuple[str, Sequence[str], Handle]]:
    """What this process hears from the log as it happens: (name, topics, handler)."""
    domains, gateway = house.domains, house.domains.gateway
    to_sockets = collections_to_sockets.CollectionsToSockets(
        publisher=gateway, noun=noun_of(game), room_level=room_level
    )
    end_sockets = revocations_to_sockets.RevocationsToSockets(gateway)

    boards = boards_to_sockets.BoardsToSockets(
        publisher=gateway,
        standings=domains.boards.service.standings,
        moves=domains.boards.moves,
    )

    async def revoke(envelopes: Sequence[Envelope]) -> None:
        """The token first: a client whose socket ends must not get in again with it."""
        await domains.accounts.on_events(envelopes)
        await end_sockets.handle(envelopes)

    levels = levels_to_sockets.LevelsToSockets(gateway)
    tell_standing = trust_to_sockets.TrustToSockets(gateway)

    async def know_standings(envelopes: Sequence[Envelope]) -> None:
        """What is given away follows it first; then its player hears of it."""
        await domains.trust.standings.on_events(envelopes)
        await tell_standing.handle(envelopes)

    async def show_collected(envelopes: Sequence[Envelope]) -> None:
        """One reader for all: each one of its own would read every batch of claims again."""
        await house.live.recent.handle(envelopes)
        await to_sockets.handle(envelopes)
        await levels.handle(envelopes)

    show_zones = zones_to_sockets.ZonesToSockets(gateway)

    async def follow_fences(envelopes: Sequence[Envelope]) -> None:
        """One reader for both, as for what is collected."""
        await show_zones.handle(envelopes)
        await domains.world.fences.on_events(envelopes)

    return [
        ("revocations", sorted(REVOCATION_TOPICS), revoke),
        ("choices", sorted(CHOICE_TOPICS), domains.world.on_events),
        ("fences", sorted(FENCE_TOPICS), follow_fences),
        ("placed", sorted(PLACED_TOPICS), domains.gameplay.on_events),
        ("versions", sorted(versions_service.TOPICS), versions_service.versions_tail(house.versions)),
        ("collections", sorted({*collections_to_sockets.TOPICS, *levels_to_sockets.TOPICS}), show_collected),
        ("transfers", sorted(transfers_to_sockets.TOPICS), transfers_to_sockets.TransfersToSockets(gateway).handle),
        ("quests-told", sorted(quests_to_sockets.TOPICS), quests_to_sockets.QuestsToSockets(gateway).handle),
        ("held-rewards-told", sorted(rewards_to_sockets.TOPICS), rewards_to_sockets.RewardsToSockets(gateway).handle),
        ("inventories", sorted(carried_to_sockets.TOPICS), carried_to_sockets.CarriedToSockets(gateway).handle),
        ("leaderboards", sorted(STANDINGS_TOPICS), boards.handle),
        ("flags", sorted(FLAG_TOPICS), flags_tail(domains.experiments.book)),
        ("standings", sorted(trust_to_sockets.TOPICS), know_standings),
    ]


def _health(database: Database, domains: Domains) -> HealthChecks:
    health = HealthChecks()
    health.add("database", partial(_answers, database))
    health.add("ledger", domains.ledger.auditor.check, needed=False)
    health.add("audit", domains.audit.sealer.check, needed=False)
    return health


async def _answers(database: Database) -> None:
    async with database.read() as tx:
        await tx.fetchval("SELECT 1")
