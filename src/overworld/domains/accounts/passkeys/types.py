"""What passkeys consist of."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from overworld.kernel.secretive import Secretive


class Passkey(Struct, frozen=True, kw_only=True):
    """A key pair's public half, in COSE, and what is known of it. Authenticators that do not count leave 0."""

    id: UUID
    account_id: UUID
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    transports: tuple[str, ...]
    is_synced: bool
    made_at: datetime
    used_at: datetime | None = None


class Ceremony(Secretive, frozen=True, kw_only=True):
    """What was asked of an authenticator. Without an account somebody signs in; with one, it gets a passkey."""

    challenge: bytes
    ends_at: datetime
    account_id: UUID | None = None
    session_id: UUID | None = None


class Made(Struct, frozen=True, kw_only=True):
    """What an authenticator answered that made a key pair."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    is_synced: bool


class Signed(Struct, frozen=True, kw_only=True):
    """What an authenticator answered that signed: by which passkey, its count, and whether it checked who uses it."""

    passkey_id: UUID
    account_id: UUID
    sign_count: int
    is_synced: bool
    is_user_verified: bool
