"""What the rooms of API keys decide over."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from overworld.domains.accounts.types import Role
from overworld.kernel.secretive import Secretive

NAME_LENGTH_MAX = 100
LIFE_MIN_S = 60
LIFE_MAX_S = 315_360_000
OVERLAP_MAX_S = 604_800


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key without what proves it. `account_id` is whom its bearer acts as; `used_at` is exact to about a minute.

    `old_ends_at` is until when the key before the last rotation is good as well.
    """

    id: UUID
    account_id: UUID
    name: str
    scopes: tuple[str, ...]
    hint: str
    life_s: int
    made_at: datetime
    ends_at: datetime
    old_ends_at: datetime | None = None
    used_at: datetime | None = None
    revoked_at: datetime | None = None


class LiveKey(Secretive, frozen=True, kw_only=True):
    """One good proof of a key, as each process knows it: its hash, whom it stands for, and until when."""

    hash: bytes
    key_id: UUID
    account_id: UUID
    role: Role
    scopes: tuple[str, ...]
    ends_at: datetime
