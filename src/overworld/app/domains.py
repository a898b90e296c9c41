"""Builds every domain on one platform, and hands each the doors of the others that it asks for."""

from __future__ import annotations

from litestar.types import ControllerRouterHandler
from msgspec import Struct
from msgspec.structs import replace

from overworld.app import accounts_rooms as rooms
from overworld.app import analytics as analytics_doors
from overworld.app import offline
from overworld.app.doors import (
    BoardsProgress,
    CellViews,
    CollectAction,
    CollectiblesAround,
    TrustProgress,
)
from overworld.app.experiments import wiring as experiments_wiring
from overworld.app.game import Game
from overworld.app.platform import Platform
from overworld.app.webhooks import public_topics, webhooks_go_inside
from overworld.domains.accounts.apikeys.wiring import ApiKeyParts
from overworld.domains.accounts.audit.wiring import AuditParts
from overworld.domains.accounts.external.proofs import LinkedProofs
from overworld.domains.accounts.external.wiring import ExternalParts
from overworld.domains.accounts.membership import wiring as membership_wiring
from overworld.domains.accounts.membership.wiring import MembershipParts
from overworld.domains.accounts.profiles.wiring import ProfileParts
from overworld.domains.accounts.users.wiring import UsersParts
from overworld.domains.accounts.wiring import Accounts
from overworld.domains.analytics.wiring import AnalyticsParts
from overworld.domains.experiments.wiring import ExperimentParts
from overworld.domains.gameplay import wiring as gameplay_wiring
from overworld.domains.gameplay.boards import wiring as boards_wiring
from overworld.domains.gameplay.boards.wiring import BoardsParts
from overworld.domains.gameplay.carry import wiring as carry_wiring
from overworld.domains.gameplay.carry.wiring import CarryParts
from overworld.domains.gameplay.ports import Trust
from overworld.domains.gameplay.quests import wiring as quests_wiring
from overworld.domains.gameplay.quests.wiring import QuestParts
from overworld.domains.gameplay.sync import wiring as sync_wiring
from overworld.domains.gameplay.sync.wiring import SyncParts
from overworld.domains.gameplay.wiring import GameplayParts
from overworld.domains.ledger import wiring as ledger_wiring
from overworld.domains.ledger.wiring import LedgerDomain, SendingParts
from overworld.domains.realtime import wiring as realtime_wiring
from overworld.domains.realtime.gateway import Gateway
from overworld.domains.telemetry import wiring as telemetry_wiring
from overworld.domains.telemetry.wiring import TelemetryParts
from overworld.domains.trust import wiring as trust_wiring
from overworld.domains.trust.standings import Standings
from overworld.domains.trust.wiring import TrustParts
from overworld.domains.webhooks import wiring as webhooks_wiring
from overworld.domains.webhooks.wiring import WebhookParts
from overworld.domains.world import wiring as world_wiring
from overworld.domains.world.history import wiring as history_wiring
from overworld.domains.world.shares import wiring as shares_wiring
from overworld.domains.world.wiring import WorldParts


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
    external: ExternalParts
    api_keys: ApiKeyParts
    users: UsersParts
    profiles: ProfileParts
    membership: MembershipParts
    audit: AuditParts
    trust: TrustParts
    webhooks: WebhookParts
    experiments: ExperimentParts
    telemetry: TelemetryParts
    analytics: AnalyticsParts
    gateway: Gateway
    carry_routes: list[ControllerRouterHandler]

    @property
    def routes(self) -> list[ControllerRouterHandler]:
        """What the domains answer over HTTP."""
        return [
            *self.accounts.routes,
            *self.external.routes,
            *self.api_keys.routes,
            *self.users.routes,
            *self.profiles.routes,
            *self.membership.routes,
            *self.audit.routes,
            *self.trust.routes,
            *self.webhooks.routes,
            *self.experiments.routes,
            *self.telemetry.routes,
            *self.analytics.routes,
            *self.ledger.routes,
            *self.sending.routes,
            *self.world.routes,
            *self.gameplay.routes,
            *self.carry_routes,
            *self.quests.routes,
            *self.sync.routes,
            *self.boards.routes,
        ]


async def build(platform: Platform) -> Domains:
    """Every domain, on a migrated database."""
    settings, game = platform.settings, platform.game
    ledger = _ledger(platform)
    world = world_wiring.build(
        database=platform.database,
        clock=platform.clock,
        outbox=platform.outbox,
        audit=platform.audit.trail,
        settings=replace(settings.world, share_fixes=settings.world.share_fixes or bool(settings.database.dsn)),
        rules=game.movement,
        interest=game.interest,
        ids=platform.ids,
    )
    standings = trust_wiring.build_standings(database=platform.database, settings=settings.trust)
    carry = await _carry(platform, ledger, standings)
    gameplay = await _gameplay(platform, ledger=ledger, world=world, carry=carry, trust=standings)
    quests = _quests(platform, ledger=ledger, world=world, carry=carry, trust=standings)
    membership = _membership(platform, ledger)
    accounts = rooms.accounts(platform, membership=membership, gameplay=gameplay, carry=carry)
    sending = _sending(platform, ledger=ledger, gameplay=gameplay, accounts=accounts, trust=standings)
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
        collectible_noun=noun_of(game),
        room_level=settings.world.room_level,
        around_m=game.interest.radius_m,
    )
    _join_world(platform, world=world, gameplay=gameplay, accounts=accounts, gateway=gateway)
    boards = _boards(platform, membership)
    return Domains(
        ledger=ledger,
        sending=sending,
        world=world,
        gameplay=gameplay,
        carry=carry,
        quests=quests,
        sync=_sync(platform, world=world, gameplay=gameplay, carry=carry, quests=quests),
        boards=boards,
        accounts=accounts,
        external=rooms.external(platform, accounts),
        api_keys=rooms.api_keys(platform, accounts),
        users=rooms.users(platform, accounts),
        profiles=rooms.profiles(platform, accounts),
        membership=membership,
        audit=platform.audit,
        trust=_trust(platform, accounts=accounts, standings=standings),
        webhooks=_webhooks(platform),
        experiments=experiments_wiring.build(platform, gameplay=gameplay),
        telemetry=_telemetry(platform, accounts),
        analytics=analytics_doors.build(
            platform, gameplay=gameplay.service, boards=boards.service, ledger=ledger.service
        ),
        gateway=gateway,
        carry_routes=_carry_routes(platform, carry=carry, accounts=accounts),
    )


def _join_world(
    platform: Platform, *, world: WorldParts, gameplay: GameplayParts, accounts: Accounts, gateway: Gateway
) -> None:
    """Gives the world its ears, its history and its sharing."""
    settings = platform.settings
    world.service.tells_every_cell = False
    world.service.on_crossed = gateway.crossed
    world.service.on_cells_changed = gateway.publish_players
    world.service.add_source(CollectiblesAround(gameplay.service, radius_max_m=settings.gameplay.nearby_radius_max_m))
    shares = shares_wiring.build(
        database=platform.database,
        clock=platform.clock,
        ids=platform.ids,
        outbox=platform.outbox,
        audit=platform.audit.trail,
        directory=accounts.directory,
        places=world.service,
        settings=settings.sharing,
        coarse_level=settings.world.coarse_level,
    )
    shares.stream.sockets = gateway
    history = history_wiring.build(
        players=world.service.engine.players,
        database=platform.database,
        clock=platform.clock,
        outbox=platform.outbox,
        audit=platform.audit.trail,
        settings=settings.history,
        coarse_level=settings.world.coarse_level,
    )
    world.join(history=history, shares=shares)


async def _gameplay(
    platform: Platform, *, ledger: LedgerDomain, world: WorldParts, carry: CarryParts, trust: Trust
) -> GameplayParts:
    return await gameplay_wiring.build(
        database=platform.database,
        clock=platform.clock,
        ids=platform.ids,
        outbox=platform.outbox,
        ledger=ledger.service,
        last_fix=world.service,
        sight=world.service,
        trust=trust,
        audit=platform.audit.trail,
        gear=carry.reading,
        collectibles=platform.game.collectibles,
        progression=platform.game.progression,
        currencies=platform.game.currencies,
        alias=platform.game.routes.collectibles,
        settings=platform.settings.gameplay,
    )


async def _carry(platform: Platform, ledger: LedgerDomain, trust: Trust) -> CarryParts:
    return await carry_wiring.build(
        database=platform.database,
        clock=platform.clock,
        ids=platform.ids,
        outbox=platform.outbox,
        ledger=ledger.service,
        kit=platform.game.kit,
        trust=trust,
        secret=platform.settings.gameplay.spawn_key,
        settings=platform.settings.carry,
    )


def _quests(
    platform: Platform, *, ledger: LedgerDomain, world: WorldParts, carry: CarryParts, trust: Trust
) -> QuestParts:
    return quests_wiring.build(
        database=platform.database,
        clock=platform.clock,
        outbox=platform.outbox,
        ledger=ledger.service,
        rewards=carry.rewards,
        last_fix=world.service,
        audit=platform.audit.trail,
        currencies=ledger.service.currencies,
        trust=trust,
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
        audit=platform.audit.trail,
        tools_alias=platform.game.routes.tools,
    )


def _sync(
    platform: Platform, *, world: WorldParts, gameplay: GameplayParts, carry: CarryParts, quests: QuestParts
) -> SyncParts:
    movement = platform.game.movement
    return sync_wiring.build(
        database=platform.database,
        clock=platform.clock,
        last_fix=world.service,
        acts=offline.acts(
            gameplay=gameplay.service,
            carry=carry.service,
            quests=quests,
            database=platform.database,
            clock=platform.clock,
        ),
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
        proofs=LinkedProofs(database=platform.database, settings=platform.settings.sign_in),
    )


def _ledger(platform: Platform) -> LedgerDomain:
    return ledger_wiring.build(
        database=platform.database,
        clock=platform.clock,
        currencies={currency.code: currency for currency in platform.game.currencies},
        settings=platform.settings.ledger,
    )


def _trust(platform: Platform, *, accounts: Accounts, standings: Standings) -> TrustParts:
    return trust_wiring.build(
        database=platform.database,
        clock=platform.clock,
        ids=platform.ids,
        outbox=platform.outbox,
        audit=platform.audit.trail,
        directory=accounts.directory,
        progress=TrustProgress(),
        standings=standings,
        rules=platform.game.trust,
        settings=platform.settings.trust,
    )


def _boards(platform: Platform, membership: MembershipParts) -> BoardsParts:
    return boards_wiring.build(
        database=platform.database,
        clock=platform.clock,
        outbox=platform.outbox,
        progress=BoardsProgress(),
        memberships=membership.service,
        declared=platform.game.leaderboards,
        currencies=platform.game.currencies,
        region_level=platform.settings.gameplay.region_level,
    )


def _sending(
    platform: Platform, *, ledger: LedgerDomain, gameplay: GameplayParts, accounts: Accounts, trust: Trust
) -> SendingParts:
    return ledger_wiring.build_sending(
        database=platform.database,
        clock=platform.clock,
        ledger=ledger.service,
        outbox=platform.outbox,
        directory=accounts.directory,
        trust=trust,
        progress=gameplay.service,
        currencies=ledger.service.currencies,
        rules=platform.game.transfers,
        settings=platform.settings.ledger,
    )


def _telemetry(platform: Platform, accounts: Accounts) -> TelemetryParts:
    return telemetry_wiring.build(
        database=platform.database,
        clock=platform.clock,
        limiter=platform.limiter,
        verifier=accounts.verifier,
        settings=platform.settings.telemetry,
    )


def _webhooks(platform: Platform) -> WebhookParts:
    return webhooks_wiring.build(
        database=platform.database,
        clock=platform.clock,
        ids=platform.ids,
        outbox=platform.outbox,
        audit=platform.audit.trail,
        poster=platform.poster,
        public=public_topics(),
        plain_allowed=webhooks_go_inside(platform.settings),
        settings=platform.settings.webhooks,
    )


def noun_of(game: Game) -> str:
    """What the game calls collectibles, in paths and events."""
    return game.routes.collectibles or "collectibles"
