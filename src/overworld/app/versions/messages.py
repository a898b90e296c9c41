"""What is told of versions."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from msgspec import Struct

from overworld.kernel.events import Event


class Effect(StrEnum):
    """When a change of a definition is in force: at once, with the next window, or after a restart."""

    AT_ONCE = "at once"
    WINDOW = "next window"
    RESTART = "restart"


class Change(Struct, frozen=True, kw_only=True):
    """A key of the definition that differs; `before` or `after` is null where it is not there."""

    key: str
    before: str | None
    after: str | None
    effect: Effect


class Reloaded(Struct, frozen=True, kw_only=True):
    """The version in force after a reload; `changes` is empty when the definition was the same.

    What spawns is that of this version from `spawns_from` on, RFC 3339 UTC.
    """

    game: str
    number: int
    version: str
    spawns_from: str
    changes: list[Change]


class GameReloaded(Event, frozen=True, kw_only=True):
    """Another version of the game's definition is in force: `digest` names its content. Every server follows."""

    topic: ClassVar[str] = "events.game.reloaded"

    name: str
    number: int
    digest: str
    spawns_from: datetime

    @property
    def key(self) -> str:
        return self.name
