"""Memberships over HTTP: decode, call, encode. The founding club also answers under the name the game declares."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.params import Parameter
from litestar.response import Response
from litestar.types import ControllerRouterHandler

from overworld.domains.accounts.errors import TokenRevoked
from overworld.domains.accounts.membership.errors import (
    AlreadyMember,
    MembershipFull,
    NoSuchMembership,
    PaidAhead,
    PriceFrozen,
    PriceNotHeld,
    ProofMissing,
    ProofUnavailable,
    ProofUsed,
)
from overworld.domains.accounts.membership.messages import Apply, ApplyBody, ClubSeen, Granted, MemberSeen, Verified
from overworld.domains.accounts.membership.service import Memberships
from overworld.domains.accounts.membership.types import NUMBER_MAX
from overworld.kernel.identity import Scope
from overworld.platform.http import (
    Caller,
    CursorQuery,
    LimitQuery,
    Page,
    decode_cursor,
    encode_cursor,
    keyed_reply,
    needs,
)
from overworld.platform.http.errors import BadCursor
from overworld.platform.http.paging import LIMIT_DEFAULT
from overworld.platform.postgres.idempotency import KeyReused

APPLY_REFUSALS = (
    NoSuchMembership,
    ProofUnavailable,
    ProofMissing,
    KeyReused,
    AlreadyMember,
    ProofUsed,
    MembershipFull,
    PaidAhead,
    PriceFrozen,
    PriceNotHeld,
    TokenRevoked,
)
ROOT = "/v1/memberships/{name:str}"

NamePath = Annotated[str, Parameter(max_length=32, description="The membership's name in the game's definition.")]


def routes(service: Memberships, *, alias: str | None, founding: str | None) -> list[ControllerRouterHandler]:
    """The handlers; `alias` is what the game calls its `founding` club in paths, if it has one."""
    handlers = _named(service)
    return [*handlers, *_founding(service, f"/v1/{alias}", founding)] if alias and founding else handlers


def _named(service: Memberships) -> list[ControllerRouterHandler]:
    @post(f"{ROOT}/apply", opt=needs(Scope.GAME_PLAY, key_required=True, refusals=APPLY_REFUSALS), status_code=200)
    async def membership_apply(
        *, caller: Caller, idempotency_key: str | None, name: NamePath, data: ApplyBody
    ) -> Response[Granted]:
        """A number in a club, or more time in it; what it costs is paid in the same moment."""
        return keyed_reply(await service.apply(_command(caller, idempotency_key, name)))

    @get(f"{ROOT}/verify", opt=needs(Scope.GAME_READ, refusals=(NoSuchMembership,)))
    async def membership_verify(*, caller: Caller, name: NamePath) -> Verified:
        """Whether you are a member, and your number."""
        return await service.verified(caller.principal.account_id, name)

    @get(f"{ROOT}/members", opt=needs(Scope.GAME_READ, refusals=(NoSuchMembership, BadCursor)))
    async def membership_members(
        *, name: NamePath, limit: LimitQuery = LIMIT_DEFAULT, cursor: CursorQuery = None
    ) -> Page[MemberSeen]:
        """The members of a club, in the order of their numbers."""
        return await _page(service, name, limit, cursor)

    @get(f"{ROOT}/benefits", opt=needs(Scope.GAME_READ, refusals=(NoSuchMembership,)))
    async def membership_benefits(*, name: NamePath) -> ClubSeen:
        """What a club is, what it brings, and how many numbers are left."""
        return await service.seen(name)

    return [membership_apply, membership_verify, membership_members, membership_benefits]


def _founding(service: Memberships, root: str, name: str) -> list[ControllerRouterHandler]:
    @post(f"{root}/apply", opt=needs(Scope.GAME_PLAY, key_required=True, refusals=APPLY_REFUSALS), status_code=200)
    async def founding_apply(*, caller: Caller, idempotency_key: str | None, data: ApplyBody) -> Response[Granted]:
        """A number in the game's founding club."""
        return keyed_reply(await service.apply(_command(caller, idempotency_key, name)))

    @get(f"{root}/verify", opt=needs(Scope.GAME_READ, refusals=(NoSuchMembership,)))
    async def founding_verify(*, caller: Caller) -> Verified:
        """Whether you are a member of the game's founding club, and your number."""
        return await service.verified(caller.principal.account_id, name)

    @get(f"{root}/members", opt=needs(Scope.GAME_READ, refusals=(NoSuchMembership, BadCursor)))
    async def founding_members(*, limit: LimitQuery = LIMIT_DEFAULT, cursor: CursorQuery = None) -> Page[MemberSeen]:
        """The members of the game's founding club, in the order of their numbers."""
        return await _page(service, name, limit, cursor)

    @get(f"{root}/benefits", opt=needs(Scope.GAME_READ, refusals=(NoSuchMembership,)))
    async def founding_benefits() -> ClubSeen:
        """What the game's founding club brings, and how many numbers are left."""
        return await service.seen(name)

    return [founding_apply, founding_verify, founding_members, founding_benefits]


def _command(caller: Caller, key: str | None, name: str) -> Apply:
    return Apply(account_id=caller.principal.account_id, membership=name, key=key or "")


async def _page(service: Memberships, name: str, limit: int, cursor: str | None) -> Page[MemberSeen]:
    after = 0 if cursor is None else _number_in(cursor)
    found = await service.members(name, after=after, limit=limit + 1)
    page = found[:limit]
    return Page(page, encode_cursor(page[-1].number) if len(found) > limit else None)


def _number_in(cursor: str) -> int:
    """The number of the last one shown. Raises: BadCursor."""
    [number] = decode_cursor(cursor, (int,))
    if not 0 <= number <= NUMBER_MAX:
        raise BadCursor
    return int(number)
