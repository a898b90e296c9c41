"""The scenarios of a game as they are written: `tests/*.toml` beside its `game.toml`.

A scenario is a table named `[KIND."what should happen"]` of three parts: what is `given`, `when` what happens, and what
`then` should follow. Keys that are left out have their defaults, and of the outcome only what `then` names is compared.

    [collect."a coin within reach is taken"]
    given.collectible.type = "gold"
    given.player.away_m = 30
    then.amount = "20"

    [move."nobody gets 600 m far in ten seconds"]
    when.after_s = 10
    when.away_m = 600
    then.refused = "too_fast"

    [level."190 points make level 3"]
    when.experience = 190
    then.level = 3

docs/game-tests.md lists every key.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from overworld.app.definition import Located, did_you_mean
from overworld.app.game import Game, GameErrors, read_text
from overworld.domains.gameplay.errors import (
    AlreadyCollected,
    CapReached,
    CoolingDown,
    Expired,
    LowTrust,
    NotFound,
    OutOfReach,
    StalePosition,
)
from overworld.domains.gameplay.types import EXPERIENCE_MAX
from overworld.domains.world.types import Reason

FOLDER = "tests"
REFUSALS = tuple(
    refusal.code
    for refusal in (
        NotFound,
        Expired,
        StalePosition,
        LowTrust,
        OutOfReach,
        CapReached,
        CoolingDown,
        AlreadyCollected,
    )
)
REASONS = tuple(reason.wire for reason in Reason if reason is not Reason.NONE)

Seconds = Annotated[float, Meta(ge=0, le=31_536_000)]
Metres = Annotated[float, Meta(ge=0, le=20_000_000)]
Experience = Annotated[int, Meta(ge=0, le=EXPERIENCE_MAX)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Level = Annotated[int, Meta(ge=1, le=1_001)]
Lat = Annotated[float, Meta(ge=-90, le=90)]
Lng = Annotated[float, Meta(ge=-180, le=180)]
Title = Annotated[str, Meta(min_length=1, max_length=200)]


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a scenario."""


class Collectible(_Part, frozen=True, kw_only=True):
    """What lies there. It opened `open_for_s` ago, below 0 in the future, and closes after the game's window."""

    type: str
    lat_deg: Lat = 46.0514
    lng_deg: Lng = 14.506
    open_for_s: Annotated[float, Meta(ge=-86_400, le=172_800)] = 60.0
    taken_by: Literal["nobody", "player", "another"] = "nobody"


class Collector(_Part, frozen=True, kw_only=True):
    """Who wants it, `away_m` from it by a fix that is `fix_age_s` old; `has_fix = false` hides where that is.

    `level` is what the experience makes it, unless it was higher once. `took_one_s` ago it took another of the type.
    """

    away_m: Metres = 0.0
    fix_age_s: Seconds = 0.0
    has_fix: bool = True
    experience: Experience = 0
    level: Level | None = None
    collected_today: Count = 0
    collected_yesterday: Count = 0
    took_one_s: Seconds | None = None
    memberships: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    trust: Annotated[float, Meta(ge=0, le=1)] = 1.0

    def __post_init__(self) -> None:
        if self.collected_today and self.collected_yesterday:
            raise ValueError("collected_today hides collected_yesterday: give one of them")


class GivenCollect(_Part, frozen=True, kw_only=True):
    """How things stand at noon (UTC)."""

    collectible: Collectible
    player: Collector = Collector()


class WhenCollect(_Part, frozen=True, kw_only=True):
    """The player collects it, `after_s` later."""

    after_s: Seconds = 0.0


class ThenCollect(_Part, frozen=True, kw_only=True):
    """The refusal's code, or what the player has then."""

    refused: str | None = None
    amount: str | None = None
    currency: str | None = None
    experience: Experience | None = None
    level: Level | None = None

    def __post_init__(self) -> None:
        _require_one(self)


class Collect(_Part, frozen=True, kw_only=True):
    """A `[collect."..."]`: may a player take a collectible, and what does it bring."""

    given: GivenCollect
    when: WhenCollect = WhenCollect()
    then: ThenCollect


class LastFix(_Part, frozen=True, kw_only=True):
    """The last fix that was accepted."""

    lat_deg: Lat = 46.0514
    lng_deg: Lng = 14.506
    accuracy_m: Metres | None = None


class GivenMove(_Part, frozen=True, kw_only=True):
    """Where the player was; `has_fix = false` makes the next fix the first."""

    has_fix: bool = True
    fix: LastFix = LastFix()


class WhenMove(_Part, frozen=True, kw_only=True):
    """A fix `after_s` later, `away_m` to the east, or at a place; `times` such fixes there, `after_s` apart.

    `clock_ahead_s` is how far the device's clock is ahead of the server's.
    """

    after_s: Annotated[float, Meta(ge=-86_400, le=31_536_000)] = 10.0
    away_m: Metres | None = None
    lat_deg: Lat | None = None
    lng_deg: Lng | None = None
    accuracy_m: Metres | None = None
    altitude_m: Annotated[float, Meta(ge=-100_000, le=1_000_000)] | None = None
    mock: bool = False
    clock_ahead_s: Annotated[float, Meta(ge=-86_400, le=86_400)] = 0.0
    times: Annotated[int, Meta(ge=1, le=1_000)] = 1

    def __post_init__(self) -> None:
        if (self.lat_deg is None) != (self.lng_deg is None):
            raise ValueError("lat_deg and lng_deg go together")
        if self.away_m is not None and self.lat_deg is not None:
            raise ValueError("a fix is away_m from the last one or at lat_deg, lng_deg, not both")


class ThenMove(_Part, frozen=True, kw_only=True):
    """The verdict on the (last) fix: `accepted = true`, or the reason why it is refused."""

    accepted: bool | None = None
    refused: str | None = None

    def __post_init__(self) -> None:
        if (self.refused is None) == (self.accepted is not True):
            raise ValueError('is `accepted = true`, or `refused = "REASON"`')


class Move(_Part, frozen=True, kw_only=True):
    """A `[move."..."]`: is a fix believed."""

    given: GivenMove = GivenMove()
    when: WhenMove
    then: ThenMove


class GivenLevel(_Part, frozen=True, kw_only=True):
    """How far the player has come; `level` as of a collector."""

    experience: Experience = 0
    level: Level | None = None


class WhenLevel(_Part, frozen=True, kw_only=True):
    """So much experience is earned at once."""

    experience: Experience


class ThenLevel(_Part, frozen=True, kw_only=True):
    """Where the player stands then."""

    level: Level | None = None
    experience: Experience | None = None

    def __post_init__(self) -> None:
        _require_one(self)


class LevelUp(_Part, frozen=True, kw_only=True):
    """A `[level."..."]`: what experience makes of a player."""

    given: GivenLevel = GivenLevel()
    when: WhenLevel
    then: ThenLevel


Scenario = Collect | Move | LevelUp


class ScenarioFile(_Part, frozen=True, kw_only=True):
    """A file of scenarios."""

    collect: dict[Title, Collect] = {}
    move: dict[Title, Move] = {}
    level: dict[Title, LevelUp] = {}

    def scenarios(self) -> Iterator[tuple[str, Scenario]]:
        """Every scenario with its name, kind by kind."""
        yield from self.collect.items()
        yield from self.move.items()
        yield from self.level.items()


def files(game: Game) -> list[Path]:
    """The test files of a game, by name."""
    return sorted((game.file.parent / FOLDER).glob("*.toml"))


def read(file: Path, *, game: Game) -> ScenarioFile:
    """The scenarios of a file.

    Raises: GameErrors with everything that is wrong, in the order of the lines.
    """
    located = Located(read_text(file))
    written: ScenarioFile | None = None
    if not located.errors:
        written = located.read(located.table, ScenarioFile)
    if not located.errors and written is not None:
        _cross_check(written, located, game)
    if located.errors or written is None:
        raise GameErrors(file, sorted(located.errors, key=lambda error: error.line or 0))
    return written


def _cross_check(written: ScenarioFile, located: Located, game: Game) -> None:
    """What the game decides: which types there are, and what refusals are called."""
    if not any(True for _ in written.scenarios()):
        located.refuse((), "holds no scenario", allowed='[collect."..."], [move."..."] and [level."..."]')
    for name, scenario in written.collect.items():
        path = ("collect", name)
        kind, refused = scenario.given.collectible.type, scenario.then.refused
        if kind not in game.collectibles.types:
            problem = f"{game.name} has no collectible `{kind}`"
            located.refuse(
                (*path, "given", "collectible", "type"), problem, hint=did_you_mean(kind, game.collectibles.types)
            )
        _check_word(located, (*path, "then", "refused"), refused, REFUSALS)
    for name, move in written.move.items():
        accuracy_m = move.given.fix.accuracy_m
        if accuracy_m is not None and accuracy_m > game.movement.accuracy_max_m:
            problem = f"no fix of {accuracy_m:g} m is accepted, so it cannot be the last one"
            allowed = f"at most {game.movement.accuracy_max_m:g}"
            located.refuse(("move", name, "given", "fix", "accuracy_m"), problem, allowed=allowed)
        _check_word(located, ("move", name, "then", "refused"), move.then.refused, REASONS)


def _check_word(located: Located, path: tuple[str, ...], word: str | None, known: tuple[str, ...]) -> None:
    if word is not None and word not in known:
        located.refuse(path, f"nothing is refused as `{word}`", hint=did_you_mean(word, known))


def _require_one(then: Struct) -> None:
    if all(getattr(then, name) is None for name in then.__struct_fields__):
        raise ValueError(f"says nothing; it takes {', '.join(then.__struct_fields__)}")
    if getattr(then, "refused", None) is not None:
        others = [name for name in then.__struct_fields__ if name != "refused" and getattr(then, name) is not None]
        if others:
            raise ValueError(f"a refusal brings no {others[0]}")
