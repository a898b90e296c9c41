"""Tables of TOML turned into frozen Structs, with everything that is wrong found at once and located."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct

from overworld.app.settings_tree import Leaf, allowed

Path_ = tuple[str, ...]
_ABSENT: Any = object()
_HEADER = re.compile(r"\s*\[\s*([^\[\]\s](?:[^\[\]]*[^\[\]\s])?)\s*\]\s*(?:#.*)?")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_QUOTES = re.compile(r'"""' + r"|'''")
_WHERE = re.compile(r" - at `\$.*")
_SYNTAX_LINE = re.compile(r" \(at line (\d+), column \d+\)")


class DefinitionError(Struct, frozen=True, kw_only=True):
    """One thing that is wrong: where, why, and what would be right. `line` is None where it cannot be told."""

    path: str
    problem: str
    line: int | None = None
    allowed: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        subject = f"{self.path}: " if self.path else ""
        more = [f"allowed: {self.allowed}"] * bool(self.allowed) + [self.hint] * bool(self.hint)
        return f"{place}{subject}" + "; ".join([self.problem, *more])


class Located:
    """The text of one TOML file as a table, and the errors found in it so far."""

    def __init__(self, text: str) -> None:
        self.errors: list[DefinitionError] = []
        self._line_of = dict(_lines(text))
        try:
            self.table: dict[str, Any] = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            self.table = {}
            place = _SYNTAX_LINE.search(str(error))
            line = int(place[1]) if place else None
            self.errors.append(DefinitionError(path="", problem=_SYNTAX_LINE.sub("", str(error)), line=line))

    def refuse(self, path: Sequence[str], problem: str, *, allowed: str = "", hint: str = "") -> None:
        """Notes an error at a key path; its line is that of the key, or of the nearest table around it."""
        around = (tuple(path[:n]) for n in range(len(path), 0, -1))
        line = next((self._line_of[key] for key in around if key in self._line_of), None)
        self.errors.append(DefinitionError(path=".".join(path), problem=problem, line=line, allowed=allowed, hint=hint))

    def read(self, given: Any, wanted: Any, path: Path_ = ()) -> Any:
        """`given` as the type `wanted`: a Struct, a dict or tuple of what this reads, or anything msgspec converts.

        Errors are noted and the reading goes on; what comes back is only whole when none was noted.
        """
        base, bounds = _unwrapped(_present(wanted))
        if isinstance(base, type) and issubclass(base, Struct):
            return self._struct(given, base, path)
        if get_origin(base) is dict and isinstance(given, Mapping):
            return self._entries(given, *get_args(base), bounds=bounds, path=path)
        if get_origin(base) is tuple and isinstance(given, list):
            items = tuple(self.read(item, get_args(base)[0], (*path, str(i))) for i, item in enumerate(given))
            self._bound(len(items), bounds, path)
            return items
        if (kinds := _kinds(base)) and isinstance(given, Mapping):
            return self._kind(given, *kinds, path=path)
        return self._leaf(given, _present(wanted), path)

    def _struct(self, given: Any, wanted: type[Struct], path: Path_) -> Any:
        if not isinstance(given, Mapping):
            self.refuse(path, "must be a table")
            return _ABSENT
        fields = {field.encode_name: field for field in msgspec.structs.fields(wanted)}
        for name in given:
            if name not in fields:
                self.refuse((*path, name), "unknown key", hint=did_you_mean(name, fields))
        for name, field in fields.items():
            if name not in given and field.default is NODEFAULT and field.default_factory is NODEFAULT:
                self.refuse((*path, name), "is missing", allowed=_words(field.type))
        before = len(self.errors)
        values = {
            field.name: self.read(given[name], field.type, (*path, name))
            for name, field in fields.items()
            if name in given
        }
        if len(self.errors) > before:
            return _ABSENT
        try:
            return wanted(**values)
        except TypeError:
            return _ABSENT
        except ValueError as error:
            self.refuse(path, str(error))
            return _ABSENT

    def _kind(self, given: Mapping[str, Any], field: str, kinds: Mapping[Any, type[Struct]], *, path: Path_) -> Any:
        kind = given.get(field)
        if not isinstance(kind, str) or kind not in kinds:
            problem = f"{kind!r} is not known" if field in given else "is missing"
            self.refuse((*path, field), problem, hint=did_you_mean(str(kind), kinds))
            return _ABSENT
        return self._struct({name: value for name, value in given.items() if name != field}, kinds[kind], path)

    def _entries(self, given: Mapping[str, Any], key: Any, value: Any, *, bounds: Sequence[Meta], path: Path_) -> Any:
        self._bound(len(given), bounds, path)
        return {
            self._leaf(name, key, (*path, name)): self.read(entry, value, (*path, name))
            for name, entry in given.items()
        }

    def _bound(self, count: int, bounds: Sequence[Meta], path: Path_) -> None:
        for meta in bounds:
            if meta.min_length is not None and count < meta.min_length:
                self.refuse(path, f"has {count} entries", allowed=f"at least {meta.min_length}")
            if meta.max_length is not None and count > meta.max_length:
                self.refuse(path, f"has {count} entries", allowed=f"at most {meta.max_length}")

    def _leaf(self, given: Any, wanted: Any, path: Path_) -> Any:
        try:
            return msgspec.convert(given, wanted)
        except msgspec.ValidationError as error:
            self.refuse(path, _WHERE.sub("", str(error)), allowed=_words(wanted))
            return _ABSENT


def did_you_mean(name: str, known: Iterator[str] | Mapping[str, Any] | Sequence[str]) -> str:
    """A hint that names the nearest known word, or lists all of them when none is near."""
    names = list(known)
    near = get_close_matches(name, names, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"known here: {', '.join(names)}"


def _unwrapped(wanted: Any) -> tuple[Any, list[Meta]]:
    if get_origin(wanted) is Annotated:
        base, *marks = get_args(wanted)
        return base, [mark for mark in marks if isinstance(mark, Meta)]
    return wanted, []


def _present(wanted: Any) -> Any:
    """The type of an optional value where there is one: TOML has no null."""
    given = [one for one in get_args(wanted) if one is not NoneType]
    return given[0] if get_origin(wanted) in {Union, UnionType} and len(given) == 1 else wanted


def _kinds(wanted: Any) -> tuple[str, dict[Any, type[Struct]]] | None:
    """The key that says which of several tables one is, and each of them by what stands there."""
    parts = get_args(wanted) if get_origin(wanted) in {Union, UnionType} else ()
    if not parts or not all(isinstance(part, type) and issubclass(part, Struct) for part in parts):
        return None
    field = parts[0].__struct_config__.tag_field
    return (field, {part.__struct_config__.tag: part for part in parts}) if field else None


def _words(wanted: Any) -> str:
    base, _ = _unwrapped(wanted)
    if isinstance(base, type) and issubclass(base, Struct):
        return "a table"
    return allowed(Leaf(key="", type=wanted, default=None))


def _lines(text: str) -> Iterator[tuple[Path_, int]]:
    """Each key path and table header, and every table around it, with its first line.

    Keys inside inline tables are not seen.
    """
    table: Path_ = ()
    seen: set[Path_] = set()
    quoted = False
    for number, line in enumerate(text.splitlines(), start=1):
        was_quoted, quoted = quoted, quoted ^ (len(_QUOTES.findall(line)) % 2 == 1)
        if was_quoted:
            continue
        if header := _HEADER.fullmatch(line):
            path = table = _parts(header[1])
        elif key := _KEY.match(line):
            path = table + _parts(key[1])
        else:
            continue
        for end in range(1, len(path) + 1):
            if path[:end] not in seen:
                seen.add(path[:end])
                yield path[:end], number


def _parts(dotted: str) -> Path_:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
