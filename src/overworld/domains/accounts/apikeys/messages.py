"""What is asked for and told about API keys."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.accounts.apikeys import rules
from overworld.domains.accounts.apikeys.types import LIFE_MAX_S, LIFE_MIN_S, NAME_LENGTH_MAX, OVERLAP_MAX_S, ApiKey
from overworld.kernel.events import Event
from overworld.kernel.secretive import Secretive

_ScopeText = Annotated[str, Meta(min_length=3, max_length=64)]


class ApiKeyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key is wanted: what it is for, what it may do, and for how long."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH_MAX)]
    scopes: Annotated[tuple[_ScopeText, ...], Meta(min_length=1, max_length=64)]
    life_s: Annotated[int, Meta(ge=LIFE_MIN_S, le=LIFE_MAX_S)] | None = None


class KeyRotateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how long the old key is good beside the new one."""

    overlap_s: Annotated[int, Meta(ge=0, le=OVERLAP_MAX_S)] = 86_400


class ApiKeySeen(Struct, frozen=True, kw_only=True):
    """A key as staff read it: `hint` is how it begins, `used_at` is exact to about a minute."""

    id: UUID
    account_id: UUID
    name: str
    ingest: bool
    scopes: tuple[str, ...]
    hint: str
    made_at: datetime
    ends_at: datetime
    old_ends_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> ApiKeySeen:
        """The key as it is shown."""
        return cls(
            id=key.id,
            account_id=key.account_id,
            name=key.name,
            ingest=rules.is_ingest(key.scopes),
            scopes=key.scopes,
            hint=key.hint,
            made_at=key.made_at,
            ends_at=key.ends_at,
            old_ends_at=key.old_ends_at,
            used_at=key.used_at,
            revoked_at=key.revoked_at,
        )


class ApiKeyMade(Secretive, frozen=True, kw_only=True):
    """A key with `secret`, what its bearer sends; it is shown this once."""

    key: ApiKeySeen
    secret: str


class KeyChange(StrEnum):
    """What became of a key."""

    MADE = "made"
    ROTATED = "rotated"
    REVOKED = "revoked"


class ApiKeyChanged(Event, frozen=True, kw_only=True):
    """A key was made, rotated or revoked; every process then knows it so."""

    topic: ClassVar[str] = "events.api_key.changed"

    key_id: UUID
    account_id: UUID
    change: KeyChange

    @property
    def key(self) -> str:
        return str(self.account_id)
