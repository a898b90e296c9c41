"""GraphQL types made of msgspec Structs: a name for each Struct, a camel-cased field for each of its fields."""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from functools import partial
from inspect import cleandoc
from operator import attrgetter
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLDefaultInput,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLField,
    GraphQLFloat,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
)
from msgspec import NODEFAULT, Meta, Struct

from overworld.platform.graphql.asking import Asker, Catalogue, Feed, Many, Part, Question
from overworld.platform.graphql.connections import Connection, Edge
from overworld.platform.graphql.errors import BadArgument
from overworld.platform.http.problems import REASON_LENGTH_MAX

COST, MANY = "cost", "many"
"""Under these names a field's `extensions` hold what it costs and how many items its list may have."""

_AT = " - at `$"
_NAMED = re.compile(r"(?<=`)[a-z_]+(?=[`\[])")


def _text(said: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError(f"Expected {said}")
        return value

    return read


_LONG = GraphQLScalarType(
    "Long", serialize=int, description="A whole number of up to 2^53, where `Int` ends at 2^31. In JSON a number."
)
_DATE_TIME = GraphQLScalarType(
    "DateTime",
    serialize=msgspec.to_builtins,
    parse_value=_text("a time as 2026-06-01T12:00:00Z"),
    description="An instant (RFC 3339); answers are in UTC, and what has no offset is taken for UTC.",
)
_DATE = GraphQLScalarType(
    "Date",
    serialize=msgspec.to_builtins,
    parse_value=_text("a day as 2026-06-01"),
    description="A day in UTC, as 2026-06-01.",
)
_UUID = GraphQLScalarType(
    "UUID", serialize=str, parse_value=_text("an id with hyphens"), description="An id of 128 bits."
)
_SCALARS: dict[Any, GraphQLScalarType] = {
    str: GraphQLString,
    float: GraphQLFloat,
    bool: GraphQLBoolean,
    datetime: _DATE_TIME,
    date: _DATE,
    UUID: _UUID,
}


def schema_of(catalogue: Catalogue) -> GraphQLSchema:
    """The schema of what domains declare. Raises: TypeError for a type that GraphQL has no word for."""
    return _Shapes(catalogue).schema()


class _Shapes:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._objects: dict[Any, GraphQLObjectType] = {}
        self._enums: dict[type[Enum], GraphQLEnumType] = {}

    def schema(self) -> GraphQLSchema:
        questions = {_camel(each.name): self._question(each) for each in self._catalogue.questions}
        feeds = {_camel(each.name): self._feed(each) for each in self._catalogue.feeds}
        return GraphQLSchema(
            query=GraphQLObjectType("Query", questions, description="What can be asked once."),
            subscription=GraphQLObjectType("Subscription", feeds, description="What is told again and again.")
            if feeds
            else None,
        )

    def _question(self, question: Question) -> GraphQLField:
        async def resolve(_root: Any, info: Any, **arguments: Any) -> Any:
            asker: Asker = info.context
            asker.require(question.scope)
            return await question.resolve(_asked(question.asked, arguments), asker)

        return self._field(
            question.answers,
            question.asked,
            resolve=resolve,
            cost=question.cost,
            said=f"{question.said} Needs `{question.scope}`.",
        )

    def _feed(self, feed: Feed) -> GraphQLField:
        field = self._field(
            feed.answers,
            None,
            resolve=lambda frame, _info: frame,
            cost=feed.cost,
            said=f"{feed.said} Needs `{feed.scope}`.",
        )
        field.extensions["feed"] = feed
        return field

    def _part(self, part: Part, said: str | None) -> GraphQLField:
        async def resolve(parent: Any, info: Any, **arguments: Any) -> Any:
            return await part.resolve(parent, _asked(part.asked, arguments), info.context)

        return self._field(part.answers, part.asked, resolve=resolve, cost=part.cost, said=said)

    def _field(
        self, answers: Any, asked: type[Struct] | None, *, resolve: Callable[..., Any], cost: int, said: str | None
    ) -> GraphQLField:
        """A field that may fail by itself: null then stands in its place alone."""
        many = {MANY: Many(argument="first")} if get_origin(answers) is Connection else {}
        return GraphQLField(
            self._object(answers),
            args=self._arguments(asked),
            resolve=resolve,
            description=said,
            extensions={COST: cost} | many,
        )

    def _object(self, shape: Any) -> GraphQLObjectType:
        known = self._objects.get(shape)
        if known is None:
            origin = get_origin(shape) or shape
            known = self._objects[shape] = GraphQLObjectType(
                _name(shape), partial(self._fields, shape), description=_described(origin)
            )
        return known

    def _fields(self, shape: Any) -> dict[str, GraphQLField]:
        origin = get_origin(shape) or shape
        hints = get_type_hints(shape, include_extras=True) if origin is shape else _filled(shape)
        found: dict[str, GraphQLField] = {}
        for name in origin.__struct_fields__:
            part = self._catalogue.parts.get((origin, name))
            if part is not None:
                found[_camel(name)] = self._part(part, None)
                continue
            many = self._catalogue.sizes.get((origin, name))
            found[_camel(name)] = GraphQLField(
                self._output(hints[name]),
                resolve=_taking(name),
                extensions={} if many is None else {MANY: many},
            )
        return found

    def _output(self, hint: Any) -> Any:
        hint, is_optional = _bare(hint)
        return self._plain(hint) if is_optional else GraphQLNonNull(self._plain(hint))

    def _plain(self, hint: Any) -> Any:
        if get_origin(hint) is list:
            return GraphQLList(self._output(get_args(hint)[0]))
        if hint is int:
            return _LONG
        if hint in _SCALARS:
            return _SCALARS[hint]
        if isinstance(hint, type) and issubclass(hint, Enum):
            return self._enum(hint)
        origin = get_origin(hint) or hint
        if isinstance(origin, type) and issubclass(origin, Struct):
            return self._object(hint)
        raise TypeError(f"GraphQL has no type for {hint}")

    def _arguments(self, asked: type[Struct] | None) -> dict[str, GraphQLArgument]:
        if asked is None:
            return {}
        msgspec.json.Decoder(asked)  # raises here for bounds that msgspec would refuse with the first question
        hints = get_type_hints(asked, include_extras=True)
        return {_camel(field.name): self._argument(field, hints[field.name]) for field in msgspec.structs.fields(asked)}

    def _argument(self, field: Any, hint: Any) -> GraphQLArgument:
        bare, is_optional = _bare(hint)
        kind = self._input(bare)
        default = None if field.default is NODEFAULT else field.default
        if field.default_factory is not NODEFAULT:
            default = field.default_factory()
        if isinstance(default, Enum):
            default = default.value
        return GraphQLArgument(
            kind if is_optional else GraphQLNonNull(kind),
            default=None if default is None else GraphQLDefaultInput(default),
            description=_said(hint),
            out_name=field.name,
        )

    def _input(self, bare: Any) -> Any:
        if get_origin(bare) is list:
            inner, _ = _bare(get_args(bare)[0])
            return GraphQLList(GraphQLNonNull(self._input(inner)))
        if bare is int:
            return GraphQLInt
        if isinstance(bare, type) and issubclass(bare, Enum):
            return self._enum(bare)
        return _SCALARS[bare]

    def _enum(self, enum: type[Enum]) -> GraphQLEnumType:
        known = self._enums.get(enum)
        if known is None:
            values = {str(each.value): GraphQLEnumValue(str(each.value)) for each in enum}
            known = self._enums[enum] = GraphQLEnumType(enum.__name__, values, description=_described(enum))
        return known


def _asked(asked: type[Struct] | None, arguments: dict[str, Any]) -> Any:
    """The Struct of a field's arguments. Raises: BadArgument with the place and the reason."""
    if asked is None:
        return None
    try:
        _refuse_nul(arguments)
        return msgspec.convert(arguments, asked)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        reason, found, place = str(error).rpartition(_AT)
        path = _camel(place.removesuffix("`").removeprefix(".")) if found else ""
        told = (reason if found else str(error))[:REASON_LENGTH_MAX]
        raise BadArgument(errors=[{"path": path, "reason": told}]) from error


def _refuse_nul(arguments: dict[str, Any]) -> None:
    for name, value in arguments.items():
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(text, str) and "\0" in text for text in texts):
            raise msgspec.ValidationError(f"Text must not contain U+0000{_AT}.{name}`")


def _described(kind: type) -> str:
    """The docstring of a type, with the names of its fields as GraphQL has them."""
    return _NAMED.sub(lambda found: _camel(found[0]), cleandoc(kind.__doc__ or ""))


def _taking(name: str) -> Callable[[Any, Any], Any]:
    take = attrgetter(name)
    return lambda parent, _info: take(parent)


def _filled(shape: Any) -> dict[str, Any]:
    """The types of the fields of a generic Struct, with what stands in the brackets put in."""
    (inner,) = get_args(shape)
    origin = get_origin(shape)
    if origin is Connection:
        hints = get_type_hints(Connection, include_extras=True)
        return hints | {"edges": list[Edge[inner]]}  # type: ignore[valid-type]
    if origin is Edge:
        return {"cursor": str, "node": inner}
    raise TypeError(f"{shape} is no Struct that GraphQL has a name for")


def _name(shape: Any) -> str:
    inner = "".join(each.__name__ for each in get_args(shape))
    return f"{inner}{(get_origin(shape) or shape).__name__}"


def _bare(hint: Any) -> tuple[Any, bool]:
    """A type without its notes, and whether it may be null."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in {Union, types.UnionType}:
        some = [each for each in get_args(hint) if each is not types.NoneType]
        if len(some) == 1 and len(get_args(hint)) == len(some) + 1:
            return _bare(some[0])[0], True
    return hint, False


def _metas(hint: Any) -> list[Meta]:
    """The notes on a type, or on what it is when it is not null."""
    if get_origin(hint) in {Union, types.UnionType}:
        return [meta for each in get_args(hint) for meta in _metas(each)]
    if get_origin(hint) is not Annotated:
        return []
    inner, *notes = get_args(hint)
    return [*(each for each in notes if isinstance(each, Meta)), *_metas(inner)]


def _said(hint: Any) -> str | None:
    metas = _metas(hint)
    bounds = [
        f"{word} {bound}"
        for meta in metas
        for word, bound in (
            ("at least", meta.ge),
            ("more than", meta.gt),
            ("at most", meta.le),
            ("not shorter than", meta.min_length),
            ("not longer than", meta.max_length),
        )
        if bound is not None
    ]
    said = next((meta.description for meta in metas if meta.description), None)
    return said if not bounds else " ".join([said or "", f"({', '.join(bounds)})"]).strip()


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
