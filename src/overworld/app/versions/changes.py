"""What is different between two definitions, and when it can be in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from overworld.app.game import Game, GameFile
from overworld.app.hooks.loading import FILE_NAME as HOOKS_FILE
from overworld.app.versions.messages import Change, Effect
from overworld.domains.gameplay.carry.types import ItemType

_EFFECTS = {
    "game": Effect.RESTART,
    "routes": Effect.RESTART,
    "movement": Effect.RESTART,
    "interest": Effect.RESTART,
    "leaderboards": Effect.RESTART,
    "memberships": Effect.RESTART,
    "sync": Effect.RESTART,
    "trust": Effect.RESTART,
    "collectibles.cell_level": Effect.RESTART,
    "collectibles.window_s": Effect.RESTART,
    "collectibles.mean_per_cell": Effect.WINDOW,
    "collectibles.near_land": Effect.WINDOW,
    "collectibles.types": Effect.WINDOW,
    "collectibles.biomes": Effect.WINDOW,
}
_SHOWN_MAX = 60


def changes(before: Game, after: Game) -> list[Change]:
    """Every key that differs, in the order of the keys; defaults count as written out."""
    found = list(_differing(_flat(before.written), _flat(after.written)))
    if before.hooks.digest != after.hooks.digest:
        old, new = (game.hooks.digest[:12] or None for game in (before, after))
        found.append(Change(key=HOOKS_FILE, before=old, after=new, effect=Effect.AT_ONCE))
    return found


class Gone(Struct, frozen=True):
    """What is no longer there, by name: currencies (also those whose amounts would mean something else), types."""

    currencies: list[str]
    items: list[str]
    tools: list[str]

    @property
    def keys(self) -> list[str]:
        """The tables in game.toml that are missed."""
        return [
            *(f"currencies.{name}" for name in self.currencies),
            *(f"items.types.{name}" for name in self.items),
            *(f"tools.types.{name}" for name in self.tools),
        ]


def removed(before: GameFile, after: GameFile) -> Gone:
    """What players could hold by one definition, and could not by the other."""
    kept = after.currencies
    return Gone(
        [code for code, rules in before.currencies.items() if code not in kept or kept[code].scale != rules.scale],
        [name for name, one in before.items.types.items() if _differs(one, after.items.types.get(name))],
        [name for name in before.tools.types if name not in after.tools.types],
    )


def _differs(before: ItemType, after: ItemType | None) -> bool:
    """Whether what players hold of a type would be lost: stacks do not become unique items, nor the other way."""
    return after is None or after.unique != before.unique


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield Change(key=key, before=_said(before, key), after=_said(after, key), effect=_effect(key))


def _effect(key: str) -> Effect:
    around = key.split(".")
    tables = (".".join(around[:count]) for count in range(len(around), 0, -1))
    return next((_EFFECTS[table] for table in tables if table in _EFFECTS), Effect.AT_ONCE)


def _said(flat: Mapping[str, Any], key: str) -> str | None:
    if key not in flat:
        return None
    said = msgspec.json.encode(flat[key]).decode()
    return said if len(said) <= _SHOWN_MAX else f"{said[: _SHOWN_MAX - 3]}..."


def _flat(written: GameFile) -> dict[str, Any]:
    return dict(_leaves(msgspec.to_builtins(written), ""))


def _leaves(table: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value
