"""Builds the rooms of accounts, and hands them the doors of the others that they ask for."""

from __future__ import annotations

from overworld.app.mail import carrier_of
from overworld.app.platform import Platform
from overworld.domains.accounts import wiring as accounts_wiring
from overworld.domains.accounts.apikeys import wiring as apikeys_wiring
from overworld.domains.accounts.apikeys.wiring import ApiKeyParts
from overworld.domains.accounts.external import wiring as external_wiring
from overworld.domains.accounts.external.wiring import ExternalParts
from overworld.domains.accounts.membership.wiring import MembershipParts
from overworld.domains.accounts.profiles import wiring as profiles_wiring
from overworld.domains.accounts.profiles.wiring import ProfileParts
from overworld.domains.accounts.users import wiring as users_wiring
from overworld.domains.accounts.users.wiring import UsersParts
from overworld.domains.accounts.wiring import Accounts
from overworld.domains.gameplay.carry.wiring import CarryParts
from overworld.domains.gameplay.wiring import GameplayParts


def accounts(
    platform: Platform, *, membership: MembershipParts, gameplay: GameplayParts, carry: CarryParts
) -> Accounts:
    return accounts_wiring.build(
        database=platform.database,
        clock=platform.clock,
        ids=platform.ids,
        outbox=platform.outbox,
        limiter=platform.limiter,
        limits_enabled=platform.settings.limits.enabled,
        settings=platform.settings.accounts,
        progress=gameplay.service,
        badges=carry.reading,
        clubs=membership.clubs,
        carrier=carrier_of(platform.settings, game_title=platform.game.title, clock=platform.clock),
        game_title=platform.game.title,
    )


def external(platform: Platform, accounts: Accounts) -> ExternalParts:
    return external_wiring.build(
        database=platform.database,
        clock=platform.clock,
        outbox=platform.outbox,
        accounts=accounts,
        settings=platform.settings.sign_in,
        others=[accounts.passkeys],
    )


def api_keys(platform: Platform, accounts: Accounts) -> ApiKeyParts:
    return apikeys_wiring.build(
        database=platform.database,
        clock=platform.clock,
        ids=platform.ids,
        outbox=platform.outbox,
        audit=platform.audit.trail,
        book=accounts.book,
        settings=platform.settings.accounts,
    )


def users(platform: Platform, accounts: Accounts) -> UsersParts:
    return users_wiring.build(
        database=platform.database,
        clock=platform.clock,
        ids=platform.ids,
        outbox=platform.outbox,
        audit=platform.audit.trail,
        revocations=accounts.revocations,
        book=accounts.book,
    )


def profiles(platform: Platform, accounts: Accounts) -> ProfileParts:
    return profiles_wiring.build(
        database=platform.database,
        clock=platform.clock,
        outbox=platform.outbox,
        blobs=platform.blobs,
        limiter=platform.limiter,
        limits_enabled=platform.settings.limits.enabled,
        profiles=accounts.profiles,
        settings=platform.settings.accounts,
    )
