"""What accounts decides over: accounts, sessions, refresh tokens, signing keys, and what an operator may set."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from overworld.kernel.secretive import Secretive

USERNAME_LENGTH_MIN = 3
USERNAME_LENGTH_MAX = 50
EMAIL_LENGTH_MAX = 255
USER_AGENT_LENGTH_MAX = 256


class Role(StrEnum):
    """What an account is to the operator; `rules.scopes_of` says what each may do."""

    PLAYER = "player"
    MODERATOR = "moderator"
    ADVERTISER = "advertiser"
    SPONSOR = "sponsor"
    AUDITOR = "auditor"
    GOVERNMENT = "government"
    ADMIN = "admin"
    DEVELOPER = "developer"


class Way(StrEnum):
    """How somebody proved who they are."""

    PASSWORD = "password"  # noqa: S105 - the name of a way, not a secret
    DEVICE = "device"


class TokenState(StrEnum):
    """A refresh token can be used while live, once more shortly after it was rotated, and never when spent."""

    LIVE = "live"
    ROTATED = "rotated"
    SPENT = "spent"


class RefreshMove(StrEnum):
    """What becomes of a refresh token that is presented."""

    ROTATE = "rotate"
    SIBLING = "sibling"
    ENDED = "ended"
    REUSED = "reused"


class KeyState(StrEnum):
    """The active key signs and verifies; a retiring one only verifies, until it ends."""

    ACTIVE = "active"
    RETIRING = "retiring"


class Origin(Struct, frozen=True):
    """Where a command came from: the client's address and what it calls itself, at most 256 characters."""

    address: str
    user_agent: str = ""


class Membership(Struct, frozen=True):
    """A club that an account has a number in, and until when; None does not end."""

    club: str
    ends_at: datetime | None = None

    def runs_at(self, now: datetime) -> bool:
        """Whether it has not ended."""
        return self.ends_at is None or now < self.ends_at


class Account(Struct, frozen=True, kw_only=True):
    """An account without its credentials. Tokens that carry a smaller `security_version` are void.

    `memberships` are all that it ever had.
    """

    id: UUID
    username: str
    email: str | None
    role: Role
    did: str
    wallet_address: str | None
    settings: dict[str, Any]
    security_version: int
    created_at: datetime
    memberships: tuple[Membership, ...] = ()


class NewAccount(Secretive, frozen=True, kw_only=True):
    """An account to be made."""

    id: UUID
    username: str
    did: str
    created_at: datetime
    email: str | None = None
    password_hash: str | None = None


class Credentials(Secretive, frozen=True):
    """An account and the Argon2 hash its password is checked against; None when it has no password."""

    account: Account
    password_hash: str | None


class Session(Struct, frozen=True, kw_only=True):
    """One signed-in client: the family of refresh tokens that follow from one sign-in."""

    id: UUID
    account_id: UUID
    way: Way
    address: str
    user_agent: str
    created_at: datetime
    used_at: datetime
    ends_at: datetime
    revoked_at: datetime | None = None


class RefreshToken(Struct, frozen=True):
    """What is kept of a refresh token."""

    state: TokenState
    made_at: datetime
    rotated_at: datetime | None


class SigningKey(Secretive, frozen=True, kw_only=True):
    """A key pair for access tokens. `private_pem` is absent once the key only verifies."""

    kid: str
    state: KeyState
    public_jwk: dict[str, Any]
    private_pem: str | None
    made_at: datetime
    ends_at: datetime | None = None


class Revocation(Struct, frozen=True, kw_only=True):
    """Tokens that stopped being good before their end: those of one session, or all below a security version."""

    account_id: UUID
    session_id: UUID | None
    version: int
    at: datetime


class AccountsSettings(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `accounts`. Its limits count only while `limits.enabled` holds."""

    issuer: Annotated[str, Meta(min_length=1, max_length=255, description="`iss` of access tokens.")] = "overworld"
    audience: Annotated[str, Meta(min_length=1, max_length=255, description="`aud` of access tokens.")] = "overworld"
    access_token_s: Annotated[int, Meta(ge=60, le=86_400, description="Life of an access token.")] = 900
    refresh_token_s: Annotated[int, Meta(ge=3_600, le=31_536_000, description="Life of a refresh token.")] = 2_592_000
    refresh_reuse_s: Annotated[
        int, Meta(ge=0, le=60, description="How long after its use a refresh token is answered once more.")
    ] = 10
    sessions_max: Annotated[
        int, Meta(ge=1, le=200, description="Sessions of one account; the longest unused one ends first.")
    ] = 32
    signing_key_secret: Annotated[
        str,
        Meta(
            max_length=1_024,
            description="Encrypts the signing keys in the database; empty: they are kept as they are.",
            extra={"secret": True},
        ),
    ] = ""
    verified_tokens_max: Annotated[
        int, Meta(ge=100, le=1_000_000, description="Verified access tokens kept in memory.")
    ] = 20_000
    argon2_memory_kib: Annotated[int, Meta(ge=8, le=1_048_576, description="Memory of one password hash.")] = 19_456
    argon2_passes: Annotated[int, Meta(ge=1, le=64, description="Passes of one password hash.")] = 2
    argon2_lanes: Annotated[int, Meta(ge=1, le=16, description="Lanes of one password hash.")] = 1
    password_workers: Annotated[
        int, Meta(ge=0, le=256, description="Passwords hashed at once; 0: one less than there are cores.")
    ] = 0
    password_queue_max: Annotated[int, Meta(ge=1, le=100_000, description="Passwords that may wait for a worker.")] = (
        4_096
    )
    sign_ins_at_once: Annotated[
        int, Meta(ge=1, le=1_000, description="Sign-ins that use the database at once; the others wait their turn.")
    ] = 6
    sign_ins_waiting_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Sign-ins that may wait; one more is refused.")
    ] = 4_096
    account_failures_max: Annotated[
        int, Meta(ge=1, le=1_000, description="Failed sign-ins of one account within `account_window_s`.")
    ] = 5
    account_window_s: Annotated[int, Meta(ge=1, le=86_400, description="See `account_failures_max`.")] = 60
    address_failures_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Failed sign-ins from one address within `address_window_s`.")
    ] = 10
    address_window_s: Annotated[int, Meta(ge=1, le=86_400, description="See `address_failures_max`.")] = 600
    registrations_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Tries to register from one address within `registration_window_s`.")
    ] = 5
    new_devices_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Devices' new accounts from one address in `registration_window_s`.")
    ] = 600
    membership_queue_max: Annotated[
        int, Meta(ge=1, le=65_536, description="Applications for memberships that may wait; one more is refused.")
    ] = 4_096
    registration_window_s: Annotated[int, Meta(ge=1, le=86_400, description="See `registrations_max`.")] = 3_600
    avatar_bytes_max: Annotated[int, Meta(ge=1_024, le=2**26, description="Largest picture that is taken.")] = 5_242_880
    avatar_pixels_max: Annotated[
        int, Meta(ge=4_096, le=2**27, description="Pixels of a picture; each takes 4 bytes while it is made smaller.")
    ] = 16_777_216
    avatar_workers: Annotated[int, Meta(ge=1, le=64, description="Pictures decoded at once.")] = 1
    avatar_queue_max: Annotated[int, Meta(ge=0, le=1_000, description="Pictures that may wait for a worker.")] = 16
    avatars_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Pictures that one account may send within `avatar_window_s`.")
    ] = 20
    avatar_window_s: Annotated[int, Meta(ge=1, le=86_400, description="See `avatars_max`.")] = 3_600
