"""What staff write and read of flags, what players get, and the events."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.experiments.types import (
    RULES_MAX,
    UNIT_LENGTH_MAX,
    VARIANTS_MAX,
    Definition,
    Experiment,
    Flag,
    FlagKey,
    Name,
    Reason,
    Rule,
    Text,
    Variant,
)
from overworld.kernel.clock import rfc3339
from overworld.kernel.events import Event

FLAGS_ASKED_MAX = 500
PLAYERS_ASKED_MAX = 1_000
ATTRIBUTES_MAX = 100

Keys = Annotated[tuple[FlagKey, ...], Meta(min_length=1, max_length=FLAGS_ASKED_MAX)]
Given = Annotated[dict[Annotated[str, Meta(max_length=64)], Any], Meta(max_length=ATTRIBUTES_MAX)]


class FlagBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is declared of a flag. `salt` is what the draw is salted with: the flag's key where it is empty."""

    description: Text = ""
    enabled: bool = True
    variants: Annotated[tuple[Variant, ...], Meta(min_length=1, max_length=VARIANTS_MAX)]
    default: Name
    rules: Annotated[tuple[Rule, ...], Meta(max_length=RULES_MAX)] = ()
    salt: Annotated[str, Meta(max_length=64)] = ""
    experiment: Experiment | None = None


class NewFlagBody(FlagBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A flag to be made."""

    key: FlagKey


class FlagShown(Struct, frozen=True, kw_only=True):
    """A flag as staff read it. Times are RFC 3339 UTC.

    `allocation` counts changes of what players are given by chance; exposures are compared within one alone.
    """

    id: UUID
    key: str
    description: str
    enabled: bool
    variants: tuple[Variant, ...]
    default: str
    rules: tuple[Rule, ...]
    salt: str
    experiment: Experiment | None
    revision: int
    allocation: int
    allocated_at: str
    created_at: str
    updated_at: str


class FlagsAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which flags, and what the client knows of the player that the server does not: `country`, `platform`, anything.

    Without `flags` all are evaluated. `expose` false only looks: who then shows what a flag gives asks for it again.
    """

    flags: Keys | None = None
    attributes: Given = {}
    expose: bool = True


class FlagGiven(Struct, frozen=True, kw_only=True):
    """The variant that somebody gets, its value, and why, in the words of OpenFeature."""

    variant: str
    value: Any
    reason: Reason


class FlagsGiven(Struct, frozen=True, kw_only=True):
    """What a player gets, by the flag's key."""

    flags: dict[str, FlagGiven]


class PlayerAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One player, and what the caller knows of them."""

    player_id: UUID
    attributes: Given = {}


class BulkAsked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which flags, of which players."""

    flags: Keys
    players: Annotated[tuple[PlayerAsked, ...], Meta(min_length=1, max_length=PLAYERS_ASKED_MAX)]
    expose: bool = True


class PlayerGiven(Struct, frozen=True, kw_only=True):
    """What one of the players gets."""

    player_id: UUID
    flags: dict[str, FlagGiven]


class BulkGiven(Struct, frozen=True, kw_only=True):
    """What each player gets, in the order in which they were asked for."""

    players: list[PlayerGiven]


class Unit(Struct, frozen=True, kw_only=True):
    """Whom flags are evaluated for: a player, or whatever else a caller draws for, and what is known of it."""

    key: Annotated[str, Meta(min_length=1, max_length=UNIT_LENGTH_MAX)]
    attributes: dict[str, Any]


class FlagsChanged(Event, frozen=True, kw_only=True):
    """Staff made, changed or deleted a flag; whoever decides by flags reads them again."""

    topic: ClassVar[str] = "events.flags.changed"

    flag: str
    revision: int
    changed_by: UUID | None = None

    @property
    def key(self) -> str:
        """The flag's key."""
        return self.flag


class FlagExposed(Event, frozen=True, kw_only=True):
    """A player was shown a variant of a flag that is measured, for the first time in a day (UTC).

    `randomised` says that chance gave it; in one `allocation` a player always gets the same one from it.
    """

    topic: ClassVar[str] = "events.flag.exposed"

    player_id: UUID
    flag: str
    variant: str
    allocation: int
    randomised: bool

    @property
    def key(self) -> str:
        """The player's id."""
        return str(self.player_id)


def definition_of(body: FlagBody) -> Definition:
    """What is declared in a body."""
    return Definition(
        description=body.description,
        enabled=body.enabled,
        variants=body.variants,
        default=body.default,
        rules=body.rules,
        salt=body.salt,
        experiment=body.experiment,
    )


def shown(flag: Flag) -> FlagShown:
    """A flag as staff read it."""
    declared = flag.definition
    return FlagShown(
        id=flag.id,
        key=flag.key,
        description=declared.description,
        enabled=declared.enabled,
        variants=declared.variants,
        default=declared.default,
        rules=declared.rules,
        salt=declared.salt or flag.key,
        experiment=declared.experiment,
        revision=flag.revision,
        allocation=flag.allocation,
        allocated_at=rfc3339(flag.allocated_at),
        created_at=rfc3339(flag.created_at),
        updated_at=rfc3339(flag.updated_at),
    )
