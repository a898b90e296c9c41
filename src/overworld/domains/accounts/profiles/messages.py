"""What profiles are told, the event, and the shapes that clients read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.accounts.profiles.rules import avatar_file
from overworld.domains.accounts.profiles.types import SIDES_PX, Edited, Privacy
from overworld.kernel.events import Event

AVATARS = "/avatars"
LOCALE = r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?(?!\n)$"

LocaleText = Annotated[
    str, Meta(max_length=12, pattern=LOCALE, description="Language, script and region, as sl, zh-Hant-TW or es-419.")
]


class ProfileBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that an owner changes of a profile. Nothing may be left out, so that nothing is reset by accident."""

    locale: LocaleText | None
    settings: dict[str, Any]
    privacy: Privacy

    @property
    def edited(self) -> Edited:
        """The values that are kept."""
        return Edited(locale=self.locale, settings=self.settings, privacy=self.privacy)


class Avatar(Struct, frozen=True):
    """A picture: where it is found, by its side in pixels. An address never shows another picture."""

    urls: dict[str, str]


def avatar_seen(name: bytes) -> Avatar:
    """A picture as clients read it."""
    return Avatar({str(side): f"{AVATARS}/{avatar_file(name, side)}" for side in SIDES_PX})


def maybe_avatar(name: bytes | None) -> Avatar | None:
    """The picture of an account as clients read it; None where it shows none."""
    return None if name is None else avatar_seen(name)


class UserSeen(Struct, frozen=True, kw_only=True):
    """A player as others read it; what the player does not show is null."""

    id: UUID
    username: str
    avatar: Avatar | None
    level: int | None
    experience: int | None
    memberships: tuple[str, ...] | None
    badges: tuple[str, ...] | None
    created_at: datetime


class UserFound(Struct, frozen=True, kw_only=True):
    """A player that a search found."""

    id: UUID
    username: str
    avatar: Avatar | None


class UserUpdated(Event, frozen=True, kw_only=True):
    """A player changed a profile; `changed` names what: `locale`, `settings`, `privacy`, `avatar`."""

    topic: ClassVar[str] = "events.user.updated"

    account_id: UUID
    changed: tuple[str, ...]

    @property
    def key(self) -> str:
        return str(self.account_id)
