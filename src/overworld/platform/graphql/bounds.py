"""How large a document is, before anything of it is answered: depth, aliases, fields, and what an operation may cost.

Fragments are measured once, however often they are spread, so that measuring takes no longer than reading. One that
leads back to itself ends there; validation refuses it afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)
from msgspec import Struct

from overworld.platform.graphql.asking import Many
from overworld.platform.graphql.errors import TooCostly, TooDeep, TooManyAliases, TooManyFields
from overworld.platform.graphql.settings import GraphqlSettings
from overworld.platform.graphql.shapes import COST, MANY

_INTROSPECTION = frozenset({"__schema", "__type"})
_INTROSPECTION_DEPTH_MAX = 20
_INTROSPECTION_COST_MAX = 200_000
# How many a list of the schema about itself has, on the whole; a schema that grows does not get dearer by that.
_LISTS = {"types": 60, "fields": 8, "args": 5, "enumValues": 8, "inputFields": 4, "directives": 6}
_HUGE = 10**12
_DIGITS_MAX = 13
_ONE = Many()


class Size(Struct, frozen=True):
    """The depth, aliases and named fields of a document."""

    depth: int
    aliases: int
    fields: int


def check_size(document: DocumentNode, settings: GraphqlSettings) -> Size:
    """The size of a document. Raises: TooManyFields, TooManyAliases, TooDeep."""
    try:
        size = _Sizes(document).size()
    except RecursionError as error:  # a chain of hundreds of fragments
        raise TooDeep(depth_max=settings.depth_max) from error
    if size.fields > settings.fields_max:
        raise TooManyFields(fields=size.fields, fields_max=settings.fields_max)
    if size.aliases > settings.aliases_max:
        raise TooManyAliases(aliases=size.aliases, aliases_max=settings.aliases_max)
    if size.depth > settings.depth_max:
        raise TooDeep(depth=size.depth, depth_max=settings.depth_max)
    return size


class _Sizes:
    """Depths below `__schema` and `__type` have a bound of their own: the usual question is deep and harmless."""

    def __init__(self, document: DocumentNode) -> None:
        self._document = document
        self._fragments = fragments_of(document)
        self._depths: dict[str, int] = {}
        self._under_way: set[str] = set()

    def size(self) -> Size:
        fields = aliases = depth = 0
        for definition in self._document.definitions:
            selections = getattr(definition, "selection_set", None)
            if selections is None:
                continue
            for node in _named(selections):
                fields += 1
                aliases += isinstance(node, FieldNode) and node.alias is not None
            if isinstance(definition, OperationDefinitionNode):
                depth = max(depth, self._depth(selections))
        return Size(depth, aliases, fields)

    def _depth(self, selections: SelectionSetNode | None) -> int:
        return max((self._depth_of(node) for node in selections.selections), default=0) if selections else 0

    def _depth_of(self, node: Any) -> int:
        if isinstance(node, InlineFragmentNode):
            return self._depth(node.selection_set)
        if isinstance(node, FragmentSpreadNode):
            return self._fragment(node.name.value)
        if node.name.value in _INTROSPECTION:
            below = self._depth(node.selection_set)
            if below > _INTROSPECTION_DEPTH_MAX:
                raise TooDeep(depth=below, depth_max=_INTROSPECTION_DEPTH_MAX)
            return 1
        return 1 + self._depth(node.selection_set)

    def _fragment(self, name: str) -> int:
        fragment = self._fragments.get(name)
        if fragment is None or name in self._under_way:
            return 0
        if name not in self._depths:
            self._under_way.add(name)
            self._depths[name] = self._depth(fragment.selection_set)
            self._under_way.discard(name)
        return self._depths[name]


def check_cost(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
    settings: GraphqlSettings,
) -> int:
    """What an operation that is valid may cost. Raises: TooCostly."""
    costs = _Costs(schema, fragments, _with_defaults(operation, variables))
    root = schema.get_root_type(operation.operation)
    try:
        cost = costs.of(root, operation.selection_set)
    except RecursionError as error:
        raise TooDeep(depth_max=settings.depth_max) from error
    if costs.introspection > _INTROSPECTION_COST_MAX:
        raise TooCostly(cost=costs.introspection, cost_max=_INTROSPECTION_COST_MAX)
    if cost > settings.cost_max:
        raise TooCostly(cost=cost, cost_max=settings.cost_max)
    return cost


class _Costs:
    """A field costs 1, or what its declaration says; what is selected below a list costs that for each item."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables
        self._known: dict[tuple[str, str], int] = {}
        self.introspection = 0

    def of(self, parent: Any, selections: SelectionSetNode | None) -> int:
        return min(_HUGE, sum(self._node(parent, node) for node in selections.selections)) if selections else 0

    def _node(self, parent: Any, node: Any) -> int:
        if isinstance(node, InlineFragmentNode):
            return self.of(self._type(parent, node.type_condition), node.selection_set)
        if isinstance(node, FragmentSpreadNode):
            return self._fragment(parent, node.name.value)
        name = node.name.value
        if name in _INTROSPECTION:
            self.introspection = min(_HUGE, self.introspection + self._about_itself(node.selection_set))
            return 1
        field: GraphQLField | None = parent.fields.get(name) if isinstance(parent, GraphQLObjectType) else None
        if field is None:
            return 1
        inner = self.of(get_named_type(field.type), node.selection_set)
        many = field.extensions.get(MANY, _ONE)
        return int(field.extensions.get(COST, 1)) + inner * self._count(many, field, node)

    def _fragment(self, parent: Any, name: str) -> int:
        fragment = self._fragments[name]
        on = self._type(parent, fragment.type_condition)
        key = name, getattr(on, "name", "")
        if key not in self._known:
            self._known[key] = self.of(on, fragment.selection_set)
        return self._known[key]

    def _type(self, parent: Any, condition: Any) -> Any:
        return parent if condition is None else self._schema.get_type(condition.name.value)

    def _count(self, many: Many, field: GraphQLField, node: FieldNode) -> int:
        if many.argument is None:
            return many.count
        given = next((each.value for each in node.arguments or () if each.name.value == many.argument), None)
        if isinstance(given, IntValueNode):
            return max(1, _number(given))
        if isinstance(given, VariableNode) and isinstance(value := self._variables.get(given.name.value), int):
            return max(1, value)
        default = field.args[many.argument].default
        return int(default.value) if default is not None and isinstance(default.value, int) else 1

    def _about_itself(self, selections: SelectionSetNode | None) -> int:
        cost = 0
        nodes: list[Any] = [*selections.selections] if selections else []
        for node in nodes:
            if isinstance(node, FragmentSpreadNode):
                cost += self._fragment_about_itself(node.name.value)
            elif isinstance(node, InlineFragmentNode):
                cost += self._about_itself(node.selection_set)
            else:
                cost += 1 + _LISTS.get(node.name.value, 1) * self._about_itself(node.selection_set)
        return min(_HUGE, cost)

    def _fragment_about_itself(self, name: str) -> int:
        key = name, "__"
        if key not in self._known:
            self._known[key] = self._about_itself(self._fragments[name].selection_set)
        return self._known[key]


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """The fragments of a document by their names."""
    return {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}


def _named(selections: SelectionSetNode) -> Iterator[Any]:
    """Every field and spread in a selection, in any depth; the parser allows no depth that would be too much."""
    waiting = [*selections.selections]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, InlineFragmentNode):
            yield node
        below = getattr(node, "selection_set", None)
        if below is not None:
            waiting += below.selections


def _with_defaults(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {
        each.variable.name.value: _number(each.default_value)
        for each in operation.variable_definitions or ()
        if isinstance(each.default_value, IntValueNode)
    }
    return defaults | dict(variables)


def _number(node: IntValueNode) -> int:
    """What a literal says. Python reads no number of thousands of digits, which one of another type may have."""
    return int(node.value) if len(node.value) < _DIGITS_MAX else _HUGE
