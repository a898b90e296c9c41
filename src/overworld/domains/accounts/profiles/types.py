"""What players say of themselves, and what they let others see."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

SIDES_PX = (64, 256, 512)
"""The sides of the squares that an avatar is kept in."""

SETTINGS_BYTES_MAX = 8_192
SETTINGS_DEPTH_MAX = 8
SETTINGS_VALUES_MAX = 512
SETTINGS_NAME_LENGTH_MAX = 64
SEARCH_LENGTH_MIN = 2
SEARCH_LENGTH_MAX = 150
"""Of what was folded: a character becomes three at most, but for a few that no name is looked for by."""

IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")


class Privacy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What others see: whether a search finds this player, and which parts of the profile it shows."""

    findable: bool
    progress: bool
    badges: bool
    memberships: bool


class Edited(Struct, frozen=True, kw_only=True):
    """What owners change by themselves."""

    locale: str | None
    settings: dict[str, Any]
    privacy: Privacy


class Look(Struct, frozen=True, kw_only=True):
    """What is kept of a profile beside its account; `avatar` names a picture."""

    locale: str | None
    avatar: bytes | None
    privacy: Privacy


class Found(Struct, frozen=True, kw_only=True):
    """An account that a search found; `folded` is its place in the list."""

    id: UUID
    username: str
    folded: str
    avatar: bytes | None
