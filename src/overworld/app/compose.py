"""The composition root: builds every part and hands each what it asks for. Nothing else builds things."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from os import urandom

from litestar.types import ControllerRouterHandler
from msgspec import Struct
from msgspec.structs import replace

from overworld import __version__
from overworld.app import measures, site, start
from overworld.app.aliases import also_named
from overworld.app.collector import Collector
from overworld.app.doors import (
    BoardsProgress,
    CellViews,
    CollectAction,
    CollectiblesAround,
    CollectOffline,
    NoMemberships,
    TrustEverybody,
)
from overworld.app.game import Game
from overworld.app.hooks.work import Counted
from overworld.app.live import wiring as live_wiring
from overworld.app.live.following import Following
from overworld.app.live.routes import PREFIX as LIVE_PREFIX
from overworld.app.live.routes import LiveMap
from overworld.app.live.routes import routes as live_routes
from overworld.app.loops import Loops
from overworld.app.settings import Settings
from overworld.app.versions import routes as version_routes
from overworld.app.versions import service as versions_service
from overworld.app.versions import wiring as versions_wiring
from overworld.app.versions.service import Current, Versions
from overworld.domains.accounts import wiring as accounts_wiring
from overworld.domains.accounts.consumers import TOPICS as REVOCATION_TOPICS
from overworld.domains.accounts.membership import wiring as membership_wiring
from overworld.domains.accounts.membership.wiring import MembershipParts
from overworld.domains.accounts.wiring import Accounts
from overworld.domains.gameplay import wiring as gameplay_wiring
from overworld.domains.gameplay.boards import wiring as boards_wiring
from overworld.domains.gameplay.boards.standings import TOPICS as STANDINGS_TOPICS
from overworld.domains.gameplay.boards.wiring import BoardsParts
from overworld.domains.gameplay.carry import wiring as carry_wiring
from overworld.domains.gameplay.carry.wiring import CarryParts
from overworld.domains.gameplay.consumers import TOPICS as PLACED_TOPICS
from overworld.domains.gameplay.quests import wiring as quests_wiring
from overworld.domains.gameplay.quests.wiring import QuestParts
from overworld.domains.gameplay.sync import wiring as sync_wiring
from overworld.domains.gameplay.sync.wiring import SyncParts
from overworld.domains.gameplay.wiring import GameplayParts
from overworld.domains.ledger import wiring as ledger_wiring
from overworld.domains.ledger.wiring import LedgerDomain, SendingParts
from overworld.domains.realtime import wiring as realtime_wiring
from overworld.domains.realtime.gateway import Gateway
from overworld.domains.world import wiring as world_wiring
from overworld.domains.world.consumers import TOPICS as VISIBILITY_TOPICS
from overworld.domains.world.wiring import WorldParts
from overworld.flows import (
    boards_to_sockets,
    carried_to_sockets,
    collections_to_sockets,
    levels_to_sockets,
    quests_to_sockets,
    revocations_to_sockets,
    transfers_to_sockets,
)
from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope
from overworld.kernel.ids import IdSource
from overworld.platform.eventlog import EventLog, Handle, PostgresOutbox
from overworld.platform.http import KeyScopes
from overworld.platform.http.build import build_http
from overworld.platform.http.edge import Edge
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import HealthChecks, Metrics
from overworld.platform.postgres import Database


class House(Struct, frozen=True, kw_only=True):
    """A server that is built and not yet listening."""

    http: Edge
    live: LiveMap
    gateway: Gateway
    world: WorldParts
    gameplay: GameplayParts
    carry: CarryParts
    quests: QuestParts
    sync: SyncParts
    boards: BoardsParts
    ledger: LedgerDomain
    sending: SendingParts
    accounts: Accounts
    membership: MembershipParts
    log: EventLog
    loops: Loops
    collector: Collector
    metrics: Metrics
    health: HealthChecks
    database: Database
    clock: Clock
    versions: Versions
    hooks: Counted


class Domains(Struct, frozen=True, kw_only=True):
    """Every domain, built."""

    ledger: LedgerDomain
    sending: SendingParts
    world: WorldParts
    gameplay: GameplayParts
    carry: CarryParts
    quests: QuestParts
    sync: SyncParts
    boards: BoardsParts
    accounts: Accounts
    membership: MembershipParts
    gateway: Gateway
    carry_routes: list[ControllerRouterHandler]

    @property
    def routes(self) -> list[ControllerRouterHandler]:
        """What the domains answer over HTTP."""
        return [
            *self.accounts.routes,
            *self.membership.routes,
            *self.ledger.routes,
            *self.sending.routes,
            *self.world.routes,
            *self.gameplay.routes,
            *self.carry_routes,
            *self.quests.routes,
            *self.sync.routes,
            *self.boards.routes,
        ]


class Platform(Struct, frozen=True, kw_only=True):
    """What every domain is built on."""

    settings: Settings
    game: Game
    current: Current
    database: Database
    clock: Clock
    ids: IdSource
    keys: KeyScopes
    limiter: MemoryLimiter
    outbox: PostgresOutbox


async def compose(
    *, settings: Settings, game: Game, database: Database, clock: Clock, keys: KeyScopes, metrics: Metrics
) -> House:
    """Builds the server on a migrated database."""
    current, hooks = Current(game), Counted()
    ids = IdSource(clock.now_us, urandom)
    platform = Platform(
        settings=settings,
        game=game,
        current=current,
        database=database,
        clock=clock,
        ids=ids,
        keys=keys,
        limiter=MemoryLimiter(monotonic_s=clock.monotonic_s, buckets_max=settings.limits.buckets_max),
        outbox=PostgresOutbox(ids=ids, game=current.digest),
    )
    domains = await _domains(platform)
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
        ids=ids,
        limiter=platform.limiter,
    )
    log = EventLog(database, clock=clock, settings=settings.events)
    health = HealthChecks()
    health.add("database", partial(_answers, database))
    health.add("ledger", domains.ledger.auditor.check, needed=False)
    house = House(
        http=_http(platform, domains, metrics, live, versions),
        live=live,
        gateway=domains.gateway,
        world=domains.world,
        gameplay=domains.gameplay,
        carry=domains.carry,
        quests=domains.quests,
        sync=domains.sync,
        boards=domains.boards,
        ledger=domains.ledger,
        sending=domains.sending,
        accounts=domains.accounts,
        membership=domains.membership,
        log=log,
        loops=Loops(),
        collector=Collector(monotonic_s=clock.monotonic_s),
        metrics=metrics,
        health=health,
        database=database,
        clock=clock,
        versions=versions,
        hooks=hooks,
    )
    measures.register(metrics, house=house)
    return house


async def _domains(platform: Platform) -> Domains:
    settings, game = platform.settings, platform.game
    ledger = _ledger(platform)
    world = world_wiring.build(
        database=platform.database,
        clock=platform.clock,
        outbox=platform.outbox,
        settings=replace(settings.world, share_fixes=settings.world.share_fixes or bool(settings.database.dsn)),
        rules=game.movement,
        interest=game.interest,
    )
    carry = await _carry(platform, ledger)
    gameplay = await _gameplay(platform, ledger=ledger, world=world, carry=carry)
    membership = _membership(platform, ledger)
    accounts = _accounts(platform, membership=membership, gameplay=gameplay)
    sending = _sending(platform, ledger=ledger, gameplay=gameplay, accounts=accounts)
    gateway = realtime_wiring.build(
        settings=settings.realtime,
        verifier=accounts.verifier,
        keys=platform.keys,
        locations=world.service,
        packed_fixes=world.service,
        interest=world.service.interest,
        listeners=world.service,
        cell_views=CellViews(world=world.service, gameplay=gameplay.service, clock=platform.clock),
        actions={"collect": CollectAction(gameplay.service)},
        sight=world.service,
        presence=world.service,
        limiter=platform.limiter,
        clock=platform.clock,
        ids=platform.ids,
        limits_enabled=settings.limits.enabled,
        collectible_noun=_noun(game),
        room_level=settings.world.room_level,
        around_m=game.interest.radius_m,
    )
    world.service.tells_every_cell = False
    world.service.on_crossed = gateway.crossed
    world.service.on_cells_changed = gateway.publish_players
    world.service.add_source(CollectiblesAround(gameplay.service, radius_max_m=settings.gameplay.nearby_radius_max_m))
    return Domains(
        ledger=ledger,
        sending=sending,
        world=world,
        gameplay=gameplay,
        carry=carry,
        quests=_quests(platform, ledger=ledger, world=world, carry=carry),
        sync=_sync(platform, world=world, gameplay=gameplay),
        boards=_boards(platform),
        accounts=accounts,
        membership=membership,
        gateway=gateway,
        carry_routes=_carry_routes(platform, carry=carry, accounts=accounts),
    )


async def _gameplay(platform: Platform, *, ledger: LedgerDomain, world: WorldParts, carry: CarryParts) -> GameplayParts:
    return await gameplay_wiring.build(
        database=platform.database,
        clock=platform.clock,
        ids=platform.ids,
        outbox=platform.outbox,
        ledger=ledger.service,
        last_fix=world.service,
        sight=world.service,
        trust=TrustEverybody(),
        gear=carry.reading,
        collectibles=platform.game.collectibles,
        progression=platform.game.progression,
        currencies=platform.game.currencies,
        alias=platform.game.routes.collectibles,
        settings=platform.settings.gameplay,
    )


async def _carry(platform: Platform, ledger: LedgerDomain) -> CarryParts:
    return await carry_wiring.build(
        database=platform.database,
        clock=platform.clock,
        ids=platform.ids,
        outbox=platform.outbox,
        ledger=ledger.service,
        kit=platform.game.kit,
        secret=platform.settings.gameplay.spawn_key,
        settings=platform.settings.carry,
    )


def _quests(platform: Platform, *, ledger: LedgerDomain, world: WorldParts, carry: CarryParts) -> QuestParts:
    return quests_wiring.build(
        database=platform.database,
        clock=platform.clock,
        outbox=platform.outbox,
        ledger=ledger.service,
        rewards=carry.rewards,
        last_fix=world.service,
        currencies=ledger.service.currencies,
        fix_age_max_s=platform.settings.gameplay.fix_age_max_s,
        settings=platform.settings.quests,
    )


def _carry_routes(platform: Platform, *, carry: CarryParts, accounts: Accounts) -> list[ControllerRouterHandler]:
    return carry.routes(
        database=platform.database,
        clock=platform.clock,
        ids=platform.ids,
        outbox=platform.outbox,
        directory=accounts.directory,
        tools_alias=platform.game.routes.tools,
    )


def _sync(platform: Platform, *, world: WorldParts, gameplay: GameplayParts) -> SyncParts:
    movement = platform.game.movement
    return sync_wiring.build(
        database=platform.database,
        clock=platform.clock,
        last_fix=world.service,
        acts={"collect": CollectOffline(gameplay.service)},
        rules=platform.game.sync,
        speed_max_km_h=movement.speed_max_km_h,
        accuracy_m=movement.accuracy_unknown_m,
    )


def _membership(platform: Platform, ledger: LedgerDomain) -> MembershipParts:
    return membership_wiring.build(
        database=platform.database,
        clock=platform.clock,
        ledger=ledger.service,
        outbox=platform.outbox,
        rules=platform.game.memberships,
        currencies=ledger.service.currencies,
        alias=platform.game.routes.memberships,
        settings=platform.settings.accounts,
    )


def _accounts(platform: Platform, *, membership: MembershipParts, gameplay: GameplayParts) -> Accounts:
    return accounts_wiring.build(
        database=platform.database,
        clock=platform.clock,
        ids=platform.ids,
        outbox=platform.outbox,
        limiter=platform.limiter,
        limits_enabled=platform.settings.limits.enabled,
        settings=platform.settings.accounts,
        progress=gameplay.service,
        clubs=membership.clubs,
    )


def _ledger(platform: Platform) -> LedgerDomain:
    return ledger_wiring.build(
        database=platform.database,
        clock=platform.clock,
        currencies={currency.code: currency for currency in platform.game.currencies},
        settings=platform.settings.ledger,
    )


def _boards(platform: Platform) -> BoardsParts:
    return boards_wiring.build(
        database=platform.database,
        clock=platform.clock,
        outbox=platform.outbox,
        progress=BoardsProgress(),
        memberships=NoMemberships(),
        declared=platform.game.leaderboards,
        currencies=platform.game.currencies,
        region_level=platform.settings.gameplay.region_level,
    )


def _sending(platform: Platform, *, ledger: LedgerDomain, gameplay: GameplayParts, accounts: Accounts) -> SendingParts:
    return ledger_wiring.build_sending(
        database=platform.database,
        clock=platform.clock,
        ledger=ledger.service,
        outbox=platform.outbox,
        directory=accounts.directory,
        trust=TrustEverybody(),
        progress=gameplay.service,
        currencies=ledger.service.currencies,
        rules=platform.game.transfers,
        settings=platform.settings.ledger,
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


def _http(platform: Platform, domains: Domains, metrics: Metrics, live: LiveMap, versions: Versions) -> Edge:
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
            *version_routes.routes(versions),
            *live_routes(live),
            *site.routes(),
        ],
        polled=(LIVE_PREFIX,),
        verifier=domains.accounts.verifier,
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
    to_sockets = collections_to_sockets.CollectionsToSockets(
        publisher=house.gateway, noun=_noun(game), room_level=room_level
    )
    end_sockets = revocations_to_sockets.RevocationsToSockets(house.gateway)

    boards = boards_to_sockets.BoardsToSockets(
        publisher=house.gateway, standings=house.boards.service.standings, moves=house.boards.moves
    )

    async def revoke(envelopes: Sequence[Envelope]) -> None:
        """The token first: a client whose socket ends must not get in again with it."""
        await house.accounts.on_events(envelopes)
        await end_sockets.handle(envelopes)

    levels = levels_to_sockets.LevelsToSockets(house.gateway)

    async def show_collected(envelopes: Sequence[Envelope]) -> None:
        """One reader for all: each one of its own would read every batch of claims again."""
        await house.live.recent.handle(envelopes)
        await to_sockets.handle(envelopes)
        await levels.handle(envelopes)

    return [
        ("revocations", sorted(REVOCATION_TOPICS), revoke),
        ("visibility", sorted(VISIBILITY_TOPICS), house.world.on_events),
        ("placed", sorted(PLACED_TOPICS), house.gameplay.on_events),
        ("versions", sorted(versions_service.TOPICS), versions_service.versions_tail(house.versions)),
        ("collections", sorted({*collections_to_sockets.TOPICS, *levels_to_sockets.TOPICS}), show_collected),
        (
            "transfers",
            sorted(transfers_to_sockets.TOPICS),
            transfers_to_sockets.TransfersToSockets(house.gateway).handle,
        ),
        ("quests-told", sorted(quests_to_sockets.TOPICS), quests_to_sockets.QuestsToSockets(house.gateway).handle),
        ("inventories", sorted(carried_to_sockets.TOPICS), carried_to_sockets.CarriedToSockets(house.gateway).handle),
        ("leaderboards", sorted(STANDINGS_TOPICS), boards.handle),
    ]


async def _answers(database: Database) -> None:
    async with database.read() as tx:
        await tx.fetchval("SELECT 1")


def _noun(game: Game) -> str:
    return game.routes.collectibles or "collectibles"
