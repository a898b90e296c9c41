"""The commands, the events, and the shapes that clients read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.accounts.external.types import SECRET_LENGTH
from overworld.domains.accounts.messages import DeviceIdText, UsernameText
from overworld.kernel.events import Event
from overworld.kernel.secretive import Secretive

FlowText = Annotated[str, Meta(min_length=SECRET_LENGTH, max_length=SECRET_LENGTH)]
CodeText = Annotated[str, Meta(min_length=1, max_length=4_096)]
TokenText = Annotated[str, Meta(min_length=1, max_length=16_384)]
StateText = Annotated[str, Meta(min_length=1, max_length=255)]
UrlText = Annotated[str, Meta(min_length=1, max_length=2_048)]
OpenIdFields = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=2_048)]], Meta(max_length=32)
]
MessageText = Annotated[str, Meta(min_length=1, max_length=4_096)]
SignatureText = Annotated[str, Meta(pattern="^0x[0-9a-fA-F]{130}$")]


class BeginVisit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client wants to send somebody to a provider, or without `redirect_uri` get an ID token from its app."""

    redirect_uri: UrlText | None = None


class Visit(Secretive, frozen=True, kw_only=True):
    """A visit that was begun. Open `url`; when `state` comes back, hand in what came with it under `flow`.

    `flow` is a secret: keep it where the visit began, never in a URL. An app that gets ID tokens by itself asks for one
    with `nonce`; its `url` is null.
    """

    flow: str
    url: str | None
    state: str
    nonce: str
    expires_in: int


class SignInExternal(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody is back from a provider: with a `code`, an `id_token`, or the fields of OpenID 2.0 (Steam).

    `username` is a wish for a new account: a known one keeps its name, and a name that is taken gets an ending.
    """

    flow: FlowText
    state: StateText | None = None
    code: CodeText | None = None
    iss: UrlText | None = None
    id_token: TokenText | None = None
    openid: OpenIdFields | None = None
    username: UsernameText | None = None


class Challenge(Struct, frozen=True, kw_only=True):
    """What a wallet's message has to hold: the nonce, one of the domains as the page's own, one of the chains."""

    nonce: str
    domains: tuple[str, ...]
    chain_ids: tuple[int, ...]
    expires_in: int


class SignInWallet(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody signed in with Ethereum: the message of EIP-4361 and its signature, 65 bytes in hexadecimal."""

    message: MessageText
    signature: SignatureText
    username: UsernameText | None = None


class LinkWay(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody adds a way in to their account: what signing in by it takes, of a visit begun for linking.

    A provider takes `flow` and what came back, a wallet `message` and `signature`, a device its `device_id`.
    """

    flow: FlowText | None = None
    state: StateText | None = None
    code: CodeText | None = None
    iss: UrlText | None = None
    id_token: TokenText | None = None
    openid: OpenIdFields | None = None
    message: MessageText | None = None
    signature: SignatureText | None = None
    device_id: DeviceIdText | None = None


class WaySeen(Struct, frozen=True, kw_only=True):
    """A way into an account as its owner reads it; `account` is what the provider calls theirs."""

    way: str
    account: str | None = None
    linked_at: datetime | None = None


class ProviderSeen(Struct, frozen=True, kw_only=True):
    """A provider that people may sign in with; where `id_token` holds, also by the ID token of an app."""

    name: str
    id_token: bool


class WayLinked(Event, frozen=True, kw_only=True):
    """An account has a new way in."""

    topic: ClassVar[str] = "events.auth.linked"

    account_id: UUID
    way: str
    address: str

    @property
    def key(self) -> str:
        return str(self.account_id)


class WayUnlinked(Event, frozen=True, kw_only=True):
    """An account lost a way in."""

    topic: ClassVar[str] = "events.auth.unlinked"

    account_id: UUID
    way: str
    address: str

    @property
    def key(self) -> str:
        return str(self.account_id)
