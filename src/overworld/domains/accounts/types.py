"""What accounts decides over: accounts, sessions, refresh tokens, signing keys, and what an operator may set."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.accounts.passkeys.origins import origin_fault
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
    EXTERNAL = "external"
    WALLET = "wallet"
    PASSKEY = "passkey"
    CODE = "code"


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
    """The active key signs from its time on, and a retiring one until then; it verifies until it ends."""

    ACTIVE = "active"
    RETIRING = "retiring"


class Origin(Struct, frozen=True):
    """Where a command came from: the client's address and what it calls itself, at most 256 characters."""

    address: str
    user_agent: str = ""

    @classmethod
    def of(cls, address: str, user_agent: str) -> Origin:
        """The origin of a call, its texts as the database takes them."""
        return cls(address, user_agent[:USER_AGENT_LENGTH_MAX].replace("\x00", ""))


class Membership(Struct, frozen=True):
    """A club that an account has a number in, and until when; None does not end."""

    club: str
    ends_at: datetime | None = None

    def runs_at(self, now: datetime) -> bool:
        """Whether it has not ended."""
        return self.ends_at is None or now < self.ends_at


class Account(Struct, frozen=True, kw_only=True):
    """An account without its credentials. Tokens that carry a smaller `security_version` are void.

    `memberships` are all that it ever had; `email_verified` says that its owner has read mail there. With a second
    factor its staff prove more than one thing about themselves.
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
    suspended_at: datetime | None = None
    memberships: tuple[Membership, ...] = ()
    email_verified: bool = False
    has_second_factor: bool = False


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
    """One signed-in client: the family of refresh tokens that follow from one sign-in.

    `second_factor_at` is when its owner last proved a second factor in it.
    """

    id: UUID
    account_id: UUID
    way: Way
    address: str
    user_agent: str
    created_at: datetime
    used_at: datetime
    ends_at: datetime
    revoked_at: datetime | None = None
    second_factor_at: datetime | None = None


class RefreshToken(Struct, frozen=True):
    """What is kept of a refresh token."""

    state: TokenState
    made_at: datetime
    rotated_at: datetime | None


class SigningKey(Secretive, frozen=True, kw_only=True):
    """A key pair for access tokens. `private_pem` is absent once the key only verifies.

    It is published from the first and signs from `signs_from` on: so everybody knows it when its first token shows up.
    """

    kid: str
    state: KeyState
    public_jwk: dict[str, Any]
    private_pem: str | None
    made_at: datetime
    signs_from: datetime | None = None
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
            description="Encrypts the signing keys and the secrets of second factors in the database; empty: none is.",
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
    api_keys_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Good API keys that there may be; each process keeps them in memory.")
    ] = 1_000
    membership_queue_max: Annotated[
        int, Meta(ge=1, le=65_536, description="Applications for memberships that may wait; one more is refused.")
    ] = 4_096
    registration_window_s: Annotated[int, Meta(ge=1, le=86_400, description="See `registrations_max`.")] = 3_600
    password_length_min: Annotated[int, Meta(ge=8, le=128, description="Fewest characters of a new password.")] = 8
    mail_link: Annotated[
        str,
        Meta(
            max_length=1_024,
            description="Page that mails lead to; `#purpose=...&token=...` is put behind; empty: no link.",
        ),
    ] = ""
    mail_templates: Annotated[
        str, Meta(max_length=4_096, description="Folder of texts that go before the built-in ones of mails.")
    ] = ""
    confirm_token_s: Annotated[
        int, Meta(ge=300, le=2_592_000, description="Life of the token that confirms an e-mail address.")
    ] = 86_400
    reset_token_s: Annotated[
        int, Meta(ge=300, le=86_400, description="Life of the token that sets a new password.")
    ] = 1_800
    mails_max: Annotated[
        int, Meta(ge=1, le=1_000, description="Mails to one e-mail address that may be asked for in `mail_window_s`.")
    ] = 5
    mails_from_address_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Mails that one network address may ask for in `mail_window_s`.")
    ] = 20
    mail_window_s: Annotated[int, Meta(ge=1, le=86_400, description="See `mails_max`.")] = 3_600
    mails_waiting_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Mails that may wait to be sent; one more is refused.")
    ] = 10_000
    passkey_rp_id: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9.-]{1,253}$",
            description="Domain that passkeys are made for; changing it makes every passkey useless.",
        ),
    ] = "localhost"
    passkey_rp_name: Annotated[
        str, Meta(min_length=1, max_length=64, description="What authenticators call this server.")
    ] = "Overworld"
    passkey_origins: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            max_length=32,
            description="Pages that may use passkeys, as https://play.example; apps as android:apk-key-hash:DIGEST.",
        ),
    ] = ("http://localhost:7400",)
    passkey_user_verification: Annotated[
        Literal["required", "preferred", "discouraged"],
        Meta(description="Whether authenticators check who uses them, by a finger, a face or a number."),
    ] = "required"
    passkey_ceremony_s: Annotated[
        int, Meta(ge=30, le=3_600, description="How long making or using a passkey may take.")
    ] = 300
    passkeys_max: Annotated[int, Meta(ge=1, le=100, description="Passkeys of one account.")] = 20
    second_factor_required: Annotated[
        bool, Meta(description="Staff get what only staff may do after proving a second factor alone.")
    ] = False
    second_factor_s: Annotated[
        int, Meta(ge=300, le=31_536_000, description="How long a session of staff goes on after it proved one.")
    ] = 43_200
    code_failures_max: Annotated[
        int, Meta(ge=1, le=1_000, description="Wrong codes of one account within `code_window_s`.")
    ] = 5
    code_window_s: Annotated[int, Meta(ge=1, le=86_400, description="See `code_failures_max`.")] = 900
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

    def __post_init__(self) -> None:
        for origin in self.passkey_origins:
            if fault := origin_fault(origin, self.passkey_rp_id):
                raise ValueError(f"passkey_origins: {origin!r} {fault}")
