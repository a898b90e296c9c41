"""A tree of settings as data: the leaves of nested frozen Structs, what each allows, and how it may be shown.

A section is a Struct, a leaf any other field. A leaf carries its bounds and its description in `msgspec.Meta`; with
`Meta(extra={"secret": True})` its value is never printed. Every section must be buildable without arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, inspect

T = TypeVar("T", bound=Struct)

MASK = "********"
_SHOWN_MAX = 80
_PASSWORD = re.compile(r'(://[^:/@"]*:)[^"]+(?=@)|(password=)[^&\s"]+')


class Leaf(Struct, frozen=True, kw_only=True):
    """One setting: its dotted key (`http.port`), its type, and what holds when nobody sets it."""

    key: str
    type: Any
    default: Any
    description: str = ""
    secret: bool = False


def leaves(tree: Struct, prefix: str = "") -> Iterator[Leaf]:
    """Every leaf below a tree of defaults, in the declared order."""
    for field in msgspec.structs.fields(tree):
        key, default = prefix + field.name, getattr(tree, field.name)
        if isinstance(default, Struct):
            yield from leaves(default, f"{key}.")
            continue
        marks = list(_marks(inspect.type_info(field.type)))
        yield Leaf(
            key=key,
            type=field.type,
            default=default,
            description=next(
                (text for mark in marks if (text := (mark.extra_json_schema or {}).get("description"))), ""
            ),
            secret=any((mark.extra or {}).get("secret", False) for mark in marks),
        )


def rebuild(tree: T, values: Mapping[str, Any], prefix: str = "") -> T:
    """The same tree with the leaves that `values` names by dotted key.

    Raises: CrossCheckFailed when a section's own `__post_init__` refuses the values together.
    """
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(tree):
        held, key = getattr(tree, field.name), prefix + field.name
        fields[field.name] = rebuild(held, values, f"{key}.") if isinstance(held, Struct) else values.get(key, held)
    try:
        return type(tree)(**fields)
    except ValueError as refused:
        raise CrossCheckFailed(prefix.rstrip("."), str(refused)) from refused


class CrossCheckFailed(Exception):
    """The values of one section, each right by itself, do not go together."""

    def __init__(self, section: str, problem: str) -> None:
        super().__init__(problem)
        self.section = section


def decode(leaf: Leaf, given: Any, *, from_text: bool) -> Any:
    """The typed value of what a source gives; `from_text` also reads `8080`, `true`, `a,b` and JSON out of text.

    Raises: msgspec.ValidationError when the leaf does not allow it.
    """
    if from_text and isinstance(given, str):
        given = _parts(leaf, given)
    value = msgspec.convert(given, leaf.type, strict=not from_text, dec_hook=_decode_custom)
    if isinstance(value, float) and not isfinite(value):
        raise msgspec.ValidationError("Expected a finite number")
    return value


def shown(leaf: Leaf, value: Any) -> str:
    """A value as TOML writes it, fit to be printed: secrets are masked, also a password within an address."""
    if leaf.secret and value:
        return f'"{MASK}"'
    return without_password(_toml(value))


def without_password(address: str) -> str:
    """The address of a database, with its password masked."""
    return _PASSWORD.sub(rf"\1\2{MASK}", address)


def excerpt(leaf: Leaf, given: Any) -> str:
    """What a source gave, as far as a message may repeat it."""
    text = shown(leaf, given)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}..."


def allowed(leaf: Leaf) -> str:
    """In words, which values a leaf takes: `a whole number from 1 to 65535`."""
    return _words(inspect.type_info(leaf.type))


def _marks(info: inspect.Type) -> Iterator[inspect.Metadata]:
    if isinstance(info, inspect.Metadata):
        yield info
        yield from _marks(info.type)
    elif isinstance(info, inspect.UnionType):
        for member in info.types:
            yield from _marks(member)


def _bare(info: inspect.Type) -> inspect.Type:
    return _bare(info.type) if isinstance(info, inspect.Metadata) else info


def _parts(leaf: Leaf, text: str) -> Any:
    info = _bare(inspect.type_info(leaf.type))
    if isinstance(info, inspect.DictType) or (isinstance(info, inspect.CollectionType) and text.startswith("[")):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as broken:
            raise msgspec.ValidationError(str(broken)) from broken
    if isinstance(info, inspect.CollectionType):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _decode_custom(wanted: type, given: Any) -> Any:
    if wanted is Path and isinstance(given, str | Path) and str(given):
        str(given).encode()  # a ValueError where it is no text: no DSN and no settings file could name it
        return Path(given).expanduser()
    raise ValueError("Expected a path")


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml(name)} = {_toml(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        return str(value)
    if isinstance(value, str | Path):
        value = str(value).encode(errors="backslashreplace").decode()
    # JSON's text is TOML's but for one character.
    return msgspec.json.encode(value, enc_hook=str).decode().replace("\x7f", "\\u007f")


def _words(info: inspect.Type) -> str:
    match _bare(info):
        case inspect.BoolType():
            words = "true or false"
        case inspect.IntType() as number:
            words = f"a whole number{_range(number)}"
        case inspect.FloatType() as number:
            words = f"a number{_range(number)}"
        case inspect.StrType() as text:
            words = _text(text)
        case inspect.LiteralType(values=values):
            words = f"one of {', '.join(map(str, values))}"
        case inspect.EnumType(cls=cls):
            words = f"one of {', '.join(str(member.value) for member in cls)}"
        case inspect.UnionType(types=types):
            members = [_words(member) for member in types if not isinstance(member, inspect.NoneType)]
            words = " or ".join(dict.fromkeys(members))
        case inspect.CollectionType(item_type=item):
            words = f"a list, each item {_words(item)}"
        case inspect.DictType(key_type=key, value_type=value):
            words = f"a table of {_words(key)} to {_words(value)}"
        case inspect.StructType():
            words = "a table"
        case inspect.CustomType(cls=cls) if cls is Path:
            words = "a path"
        case other:
            words = type(other).__name__.removesuffix("Type").lower()
    return words


def _range(number: inspect.IntType | inspect.FloatType) -> str:
    low = number.ge if number.ge is not None else number.gt
    high = number.le if number.le is not None else number.lt
    above, below = "above " * (number.ge is None), "below " * (number.le is None)
    if low is not None and high is not None:
        return f" from {above}{low} to {below}{high}"
    if low is not None:
        return f" {above or 'of at least '}{low}"
    return f" {below or 'of at most '}{high}" if high is not None else ""


def _text(text: inspect.StrType) -> str:
    form = f" of the form {text.pattern}" if text.pattern else ""
    low, high = text.min_length, text.max_length
    if low is not None and high is not None:
        return f"text{form} of {low} to {high} characters"
    if low is not None:
        return f"text{form} of {low} characters or more"
    return f"text{form}" + (f" of at most {high} characters" if high is not None else "")
