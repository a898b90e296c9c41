"""What the audit log consists of."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from overworld.kernel.audit import AuditEntry


class Kept(Struct, frozen=True, kw_only=True):
    """An entry as it lies in the log. `number` and `hash` are None until it is sealed."""

    id: UUID
    at: datetime
    entry: AuditEntry
    number: int | None = None
    hash: bytes | None = None


class Link(Struct, frozen=True):
    """A place in the chain: its number, from 1, the entry there, and the hash that stands for all up to it."""

    number: int
    entry_id: UUID
    hash: bytes


class Head(Struct, frozen=True):
    """The end of the chain: how many entries it has, and the hash of the last one."""

    number: int
    hash: bytes


class Asked(Struct, frozen=True, kw_only=True):
    """Which entries somebody wants to see; None leaves a condition out.

    `action` also stands for everything below it: `ledger` for `ledger.mint`. `until` is the first instant left out.
    """

    actor_id: UUID | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Verdict(Struct, frozen=True, kw_only=True):
    """What a walk along the whole chain found. `waiting` entries have no number yet, and nothing vouches for them."""

    head: Head
    waiting: int
    faults: list[str]
