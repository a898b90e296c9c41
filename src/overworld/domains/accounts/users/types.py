"""What staff see of accounts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from overworld.domains.accounts.types import Role

QUERY_LENGTH_MAX = 255
WHY_LENGTH_MAX = 500
NOTE_LENGTH_MAX = 2_000


class Person(Struct, frozen=True, kw_only=True):
    """An account as staff handle it. `suspended_why` is for staff alone."""

    id: UUID
    username: str
    username_folded: str
    email: str | None
    role: Role
    created_at: datetime
    signed_in_at: datetime | None
    suspended_at: datetime | None
    suspended_why: str | None


class Asked(Struct, frozen=True, kw_only=True):
    """Which accounts are looked for: names that begin with a folded text, a role, suspended or not."""

    prefix: str = ""
    role: Role | None = None
    suspended: bool | None = None


class Note(Struct, frozen=True, kw_only=True):
    """What somebody of the staff wrote about an account."""

    id: UUID
    author_id: UUID | None
    text: str
    at: datetime
