"""The commands, the events, and the shapes that clients read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from overworld.domains.accounts.profiles.messages import Avatar
from overworld.domains.accounts.profiles.types import Edited, Privacy
from overworld.domains.accounts.types import (
    EMAIL_LENGTH_MAX,
    USERNAME_LENGTH_MAX,
    USERNAME_LENGTH_MIN,
    Account,
    Session,
    Way,
)
from overworld.kernel.events import Event
from overworld.kernel.secretive import Secretive

UsernameText = Annotated[str, Meta(min_length=USERNAME_LENGTH_MIN, max_length=USERNAME_LENGTH_MAX)]
EmailText = Annotated[str, Meta(min_length=3, max_length=EMAIL_LENGTH_MAX)]
PasswordText = Annotated[str, Meta(min_length=8, max_length=1024)]
DeviceIdText = Annotated[str, Meta(min_length=16, max_length=255)]
RefreshTokenText = Annotated[str, Meta(min_length=1, max_length=255)]


class Register(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody wants an account with an e-mail address and a password."""

    email: EmailText
    username: UsernameText
    password: PasswordText


class LogIn(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody says which account is theirs and proves it by its password."""

    email: EmailText
    password: PasswordText


class SignInDevice(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device signs in by an id that only it knows; its first sign-in makes the account.

    `username` is a wish for a new account: a known one keeps its name, and a name that is taken gets an ending.
    """

    device_id: DeviceIdText
    username: UsernameText | None = None


class Refresh(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client wants the next access token of its session."""

    refresh_token: RefreshTokenText


class LogOut(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client ends its session, or with `all` every session of the account."""

    all: bool = False


class User(Struct, frozen=True, kw_only=True):
    """An account as its owner's clients read it."""

    id: UUID
    username: str
    level: int
    experience: int
    memberships: tuple[str, ...]
    created_at: datetime


class Me(User, frozen=True, kw_only=True):
    """The same with what nobody else sees."""

    email: str | None
    email_verified: bool
    wallet_address: str | None
    did: str
    settings: dict[str, Any]
    locale: str | None
    avatar: Avatar | None
    badges: tuple[str, ...]
    privacy: Privacy

    @property
    def edited(self) -> Edited:
        """What the owner changes of it."""
        return Edited(locale=self.locale, settings=self.settings, privacy=self.privacy)


class Grant(Secretive, frozen=True, kw_only=True):
    """What a sign-in gives: both tokens, seconds until the access token is over, and who signed in.

    Where `second_factor` is there, the token has what players have; staff prove theirs to get the rest.
    """

    access_token: str
    refresh_token: str
    expires_in: int
    user: User
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the type's name, RFC 6750
    second_factor: Literal["needed"] | UnsetType = UNSET


class InCookies(Struct, frozen=True, kw_only=True):
    """What a sign-in gives a page of ours: the tokens are in cookies, and no script has seen them."""

    expires_in: int
    user: User
    token_type: Literal["Cookie"] = "Cookie"  # noqa: S105 - no token
    second_factor: Literal["needed"] | UnsetType = UNSET

    @classmethod
    def of(cls, grant: Grant) -> InCookies:
        """What is left of a grant without its tokens."""
        return cls(expires_in=grant.expires_in, user=grant.user, second_factor=grant.second_factor)


class Entered(Struct, frozen=True):
    """What a sign-in gives that also makes accounts, and whether it made one."""

    grant: Grant
    is_new: bool


class SessionSeen(Struct, frozen=True, kw_only=True):
    """A session as its owner reads it; `current` marks the one that asks."""

    id: UUID
    way: Way
    address: str
    device: str
    created_at: datetime
    used_at: datetime
    ends_at: datetime
    current: bool

    @classmethod
    def of(cls, session: Session, *, current: bool) -> SessionSeen:
        """The session as it is shown."""
        return cls(
            id=session.id,
            way=session.way,
            address=session.address,
            device=session.user_agent,
            created_at=session.created_at,
            used_at=session.used_at,
            ends_at=session.ends_at,
            current=current,
        )


class Jwks(Struct, frozen=True):
    """The public keys of access tokens. Source: RFC 7517, section 5."""

    keys: tuple[dict[str, Any], ...]


class UserRegistered(Event, frozen=True, kw_only=True):
    """There is a new account."""

    topic: ClassVar[str] = "events.user.registered"

    account_id: UUID
    username: str
    way: Way

    @classmethod
    def of(cls, account: Account, way: Way) -> UserRegistered:
        """The event of an account just made."""
        return cls(account_id=account.id, username=account.username, way=way)

    @property
    def key(self) -> str:
        return str(self.account_id)


class SignedIn(Event, frozen=True, kw_only=True):
    """Somebody signed in and has a new session."""

    topic: ClassVar[str] = "events.auth.login"

    account_id: UUID
    session_id: UUID
    way: Way
    address: str
    user_agent: str

    @property
    def key(self) -> str:
        return str(self.account_id)


class SignInRefused(Event, frozen=True, kw_only=True):
    """Somebody was not let in. `account_id` is None where no account was named or the named one does not exist."""

    topic: ClassVar[str] = "events.auth.refused"

    account_id: UUID | None
    session_id: UUID | None = None
    way: Way
    reason: str
    address: str
    user_agent: str

    @property
    def key(self) -> str:
        return str(self.account_id or self.address)


class SigningKeyRotated(Event, frozen=True, kw_only=True):
    """There is another key for access tokens; it signs from an instant on."""

    topic: ClassVar[str] = "events.signing_key.rotated"

    kid: str
    signs_from: datetime

    @property
    def key(self) -> str:
        return self.kid


class SessionRevoked(Event, frozen=True, kw_only=True):
    """A session ended before its time; without `session_id` every session whose tokens carry less than `version`."""

    topic: ClassVar[str] = "events.session.revoked"

    account_id: UUID
    session_id: UUID | None
    version: int
    reason: str

    @property
    def key(self) -> str:
        return str(self.account_id)
