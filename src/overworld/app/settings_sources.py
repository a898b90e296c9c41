"""Where settings come from: a TOML file, the environment, flags. Later sources win, and every fault is told at once.

Nothing is guessed: a key that no setting has, a value out of bounds and a file that cannot be read are all faults,
each with the source, the spelling that source uses, and what would be allowed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Generic

import msgspec
from msgspec import Struct

from overworld.app.settings_tree import CrossCheckFailed, Leaf, T, allowed, decode, excerpt, leaves, rebuild

DEFAULTS = "default"
ENVIRONMENT_PREFIX = "OVERWORLD_"
FILE_NAME = "overworld.toml"
DATA = Path("data")
_FILE_BYTES_MAX = 1_000_000
_SUGGESTIONS_MAX = 3


class SettingFault(Struct, frozen=True):
    """One thing that is wrong: in which source, under which key in that source's spelling, and what."""

    source: str
    key: str
    problem: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.key, self.problem) if part)


class BadSettings(Exception):
    """The settings cannot be used; `faults` says everything that is wrong with them."""

    def __init__(self, faults: Sequence[SettingFault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


class Source(Struct, frozen=True, kw_only=True):
    """What one source gives: raw values by dotted key, how it spells a key, and what could not be read at all.

    `text` is set where all values arrive as text and have to be read as numbers, switches and lists.
    """

    name: str
    values: Mapping[str, Any] = {}
    spell: Callable[[str], str] = str
    text: bool = False
    faults: tuple[SettingFault, ...] = ()


class Resolved(Struct, Generic[T], frozen=True):
    """The tree in force, and for each leaf's key the name of the source that decided it."""

    tree: T
    leaves: tuple[Leaf, ...]
    values: dict[str, Any]
    origins: dict[str, str]


def all_sources(*, flags: Source, environment: Mapping[str, str], folder: Path, tree: Struct) -> list[Source]:
    """The file in `folder` or the one that a flag or the environment chooses, the environment, the flags.

    A chosen file must be there; otherwise one is read only if there is one.
    """
    variables = environment_source(environment)
    chosen = flags.values.get("config") or variables.values.get("config")
    name = str(chosen or FILE_NAME)
    if not chosen and not (folder / name).exists():
        return [variables, flags]
    file = file_source(folder / name, name=name, tree=tree)
    if "config" in file.values:
        misplaced = SettingFault(name, "config", "a file cannot choose itself; use --config or OVERWORLD_CONFIG")
        return [msgspec.structs.replace(file, faults=(misplaced,)), variables, flags]
    return [file, variables, flags]


def file_source(path: Path, *, name: str, tree: Struct) -> Source:
    """The settings of a TOML file of at most 1 MB; one that cannot be read gives a fault instead of values."""
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_BYTES_MAX + 1)
        if len(content) > _FILE_BYTES_MAX:
            return _unreadable(name, f"is larger than {_FILE_BYTES_MAX} bytes")
        tables = tomllib.loads(content.decode())
    except OSError as failed:
        return _unreadable(name, f"cannot be read: {failed.strerror}")
    except (ValueError, RecursionError) as broken:
        return _unreadable(name, f"is not TOML: {broken}")
    return Source(name=name, values=dict(_flatten(tables, {leaf.key for leaf in leaves(tree)})))


def environment_source(environment: Mapping[str, str]) -> Source:
    """The variables that begin with `OVERWORLD_`; two underscores part section and key; an empty one is not set."""
    values = {
        name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", "."): text
        for name, text in sorted(environment.items())
        if name.startswith(ENVIRONMENT_PREFIX) and text
    }
    return Source(name="environment", values=values, spell=environment_name, text=True)


def environment_name(key: str) -> str:
    """The variable that sets a key: `http.port` is `OVERWORLD_HTTP__PORT`."""
    return ENVIRONMENT_PREFIX + key.upper().replace(".", "__")


def resolve(tree: T, sources: Sequence[Source]) -> Resolved[T]:
    """The tree of defaults with every source laid over it, the last one on top.

    Raises: BadSettings with all faults of all sources; also of values that a stronger source would have hidden.
    """
    known = {leaf.key: leaf for leaf in leaves(tree)}
    values = {key: leaf.default for key, leaf in known.items()}
    origins = dict.fromkeys(known, DEFAULTS)
    faults: list[SettingFault] = []
    for source in sources:
        faults.extend(source.faults)
        for key, given in source.values.items():
            try:
                values[key] = _value(known, key, given, source)
            except _NotAllowed as refused:
                faults.append(SettingFault(source.name, source.spell(key), str(refused)))
            else:
                origins[key] = source.name
    if faults:
        raise BadSettings(faults)
    try:
        return Resolved(rebuild(tree, values), tuple(known.values()), values, origins)
    except CrossCheckFailed as refused:
        raise BadSettings([_cross_fault(refused, origins)]) from refused


class _Nothing(Struct):
    pass


def data_folder(*, flags: Source, environment: Mapping[str, str], folder: Path) -> Path:
    """The data folder that the settings will name, for what has to know it before they can be loaded.

    Nothing is checked here; settings that cannot be used are refused when they are loaded.
    """
    sources = all_sources(flags=flags, environment=environment, folder=folder, tree=_Nothing())
    given = [source.values["data"] for source in sources if "data" in source.values]
    return folder / Path(str(given[-1] if given else DATA)).expanduser()


class _NotAllowed(Exception):
    pass


def _value(known: Mapping[str, Leaf], key: str, given: Any, source: Source) -> Any:
    leaf = known.get(key)
    if leaf is None:
        raise _NotAllowed(_unknown(known, key, source))
    try:
        return decode(leaf, given, from_text=source.text)
    except msgspec.ValidationError as refused:
        where = f" ({refused})" if isinstance(given, dict | list) else ""
        raise _NotAllowed(f"{excerpt(leaf, given)} is not allowed{where}; it takes {allowed(leaf)}") from refused


def _unknown(known: Mapping[str, Leaf], key: str, source: Source) -> str:
    if any(name.startswith(f"{key}.") for name in known):
        return "is a section, not a setting"
    last = key.rpartition(".")[2]
    meant = [name for name in known if name.rpartition(".")[2] == last] if "." not in key else []
    sections = {name.rpartition(".")[0] for name in known} - {""}
    meant = meant or get_close_matches(key, [*known, *sections], n=1)
    if not meant:
        return "there is no such setting"
    return f"there is no such setting; did you mean {' or '.join(map(source.spell, meant[:_SUGGESTIONS_MAX]))}?"


def _cross_fault(refused: CrossCheckFailed, origins: Mapping[str, str]) -> SettingFault:
    prefix = f"{refused.section}." if refused.section else ""
    involved = {origin for key, origin in origins.items() if key.startswith(prefix)} - {DEFAULTS}
    return SettingFault(", ".join(sorted(involved)), refused.section, str(refused))


def _unreadable(name: str, problem: str) -> Source:
    return Source(name=name, faults=(SettingFault(name, "", problem),))


def _flatten(table: Mapping[str, Any], known: set[str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        key = prefix + name
        is_section = any(leaf.startswith(f"{key}.") for leaf in known)
        if isinstance(value, dict) and is_section:
            yield from _flatten(value, known, f"{key}.")
        else:
            yield key, value
