"""Mails that wait, and the tokens that were sent."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct


class Kind(StrEnum):
    """What a mail says. The first two carry a token for the purpose of the same name."""

    CONFIRM_EMAIL = "confirm_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - the name of a mail
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of a mail
    EMAIL_CHANGED = "email_changed"


class Purpose(StrEnum):
    """What a token is for."""

    CONFIRM_EMAIL = "confirm_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - the name of a purpose


class Waiting(Struct, frozen=True, kw_only=True):
    """A mail in the queue; `attempts` were made before. Without `account_id` it is for whoever has the address."""

    id: UUID
    kind: Kind
    account_id: UUID | None
    email: str
    address: str
    made_at: datetime
    attempts: int = 0


class Owner(Struct, frozen=True):
    """The account that has an e-mail address, as it wrote it."""

    account_id: UUID
    email: str


class Addressee(Struct, frozen=True):
    """Where a mail goes, and whose token is in it; None for one without a token."""

    email: str
    account_id: UUID | None


class NewToken(Struct, frozen=True, kw_only=True):
    """What is kept of a token that is about to be sent."""

    mail_id: UUID
    hash: bytes
    purpose: Purpose
    account_id: UUID
    email: str
    ends_at: datetime


class Proof(Struct, frozen=True):
    """What a good token proves: that its bearer reads mail at `email`, and may act for the account."""

    account_id: UUID
    email: str
