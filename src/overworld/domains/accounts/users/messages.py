"""What staff ask for and are told about accounts, and what everybody hears of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.accounts.messages import SessionSeen
from overworld.domains.accounts.types import Role
from overworld.domains.accounts.users.types import NOTE_LENGTH_MAX, WHY_LENGTH_MAX, Note, Person
from overworld.kernel.events import Event


class SuspendBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an account is suspended: for staff, and for the audit log."""

    why: Annotated[str, Meta(min_length=1, max_length=WHY_LENGTH_MAX)]


class RestoreBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an account is given back: for the audit log."""

    why: Annotated[str, Meta(min_length=1, max_length=WHY_LENGTH_MAX)]


class RoleBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The role that an account gets."""

    role: Role


class NoteBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to remember about an account."""

    text: Annotated[str, Meta(min_length=1, max_length=NOTE_LENGTH_MAX)]


class PersonFound(Struct, frozen=True, kw_only=True):
    """An account in a list."""

    id: UUID
    username: str
    role: Role
    created_at: datetime
    signed_in_at: datetime | None
    suspended_at: datetime | None

    @classmethod
    def of(cls, person: Person) -> PersonFound:
        """The account as lists show it."""
        return cls(
            id=person.id,
            username=person.username,
            role=person.role,
            created_at=person.created_at,
            signed_in_at=person.signed_in_at,
            suspended_at=person.suspended_at,
        )


class PersonSeen(PersonFound, frozen=True, kw_only=True):
    """An account as staff look at it. `email` is null for who may not manage users, as where there is none."""

    email: str | None
    suspended_why: str | None
    sessions: list[SessionSeen]


class NoteSeen(Struct, frozen=True, kw_only=True):
    """What somebody of the staff wrote about an account."""

    id: UUID
    author_id: UUID | None
    text: str
    at: datetime

    @classmethod
    def of(cls, note: Note) -> NoteSeen:
        """The note as it is shown."""
        return cls(id=note.id, author_id=note.author_id, text=note.text, at=note.at)


class UserSuspended(Event, frozen=True, kw_only=True):
    """An account was suspended: none of its tokens and keys is good, and it cannot sign in."""

    topic: ClassVar[str] = "events.user.suspended"

    account_id: UUID

    @property
    def key(self) -> str:
        return str(self.account_id)


class UserRestored(Event, frozen=True, kw_only=True):
    """An account is no longer suspended."""

    topic: ClassVar[str] = "events.user.restored"

    account_id: UUID

    @property
    def key(self) -> str:
        return str(self.account_id)


class UserRoleChanged(Event, frozen=True, kw_only=True):
    """An account has another role."""

    topic: ClassVar[str] = "events.user.role_changed"

    account_id: UUID
    role: Role

    @property
    def key(self) -> str:
        return str(self.account_id)
