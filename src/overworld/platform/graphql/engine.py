"""Documents read, checked and answered. This module and those below it import the library: only when it is needed."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from inspect import isawaitable
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    execute,
    parse,
    print_schema,
    validate,
)
from graphql.validation import MaxIntrospectionDepthRule, specified_rules
from msgspec import Struct

from overworld.kernel.refusals import Refusal
from overworld.platform.graphql.asking import Asker, Catalogue, Feed
from overworld.platform.graphql.bounds import check_cost, check_size, fragments_of
from overworld.platform.graphql.errors import (
    AnsweredElsewhere,
    NotADocument,
    NotInSchema,
    TooDeep,
    TooLong,
    WrongOperation,
)
from overworld.platform.graphql.replies import Outcome, outcome_of, refused
from overworld.platform.graphql.settings import GraphqlSettings
from overworld.platform.graphql.shapes import schema_of
from overworld.platform.graphql.ticker import Frame

_CHARACTERS_MAX = 16_384
_FAULTS_MAX = 10
_KEPT_TOKENS_MAX = 20_000
_DESCRIPTIONS_MAX = 8
_RULES = (*specified_rules, MaxIntrospectionDepthRule)


class Asked(Struct, frozen=True, kw_only=True):
    """One document with what belongs to it, as it came."""

    query: str
    operation_name: str | None = None
    variables: Mapping[str, Any] = {}

    def key(self) -> bytes:
        """The same for the same document, operation and variables."""
        return msgspec.msgpack.encode((self.query, self.operation_name, self.variables))


class _Document(Struct, frozen=True):
    node: DocumentNode
    fragments: dict[str, FragmentDefinitionNode]
    operations: dict[str | None, OperationDefinitionNode]
    tokens: int


class _Faulty(Exception):
    """A document that is not executed."""

    def __init__(self, refusal: Refusal, faults: list[GraphQLError]) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self.faults = faults


class Listening(Struct, frozen=True, kw_only=True):
    """A subscription that is in order, and the feed that it is of."""

    asked: Asked
    key: bytes
    feed: Feed
    document: DocumentNode


class Engine:
    """Answers documents from a catalogue. Documents that were found to be right are kept, in a bounded number."""

    def __init__(self, catalogue: Catalogue, settings: GraphqlSettings) -> None:
        self.schema: GraphQLSchema = schema_of(catalogue)
        self._settings = settings
        self._kept: OrderedDict[str, _Document] = OrderedDict()
        self._kept_tokens = 0
        self._descriptions: OrderedDict[bytes, Outcome] = OrderedDict()
        self._describing = asyncio.Lock()

    @property
    def kept_tokens(self) -> int:
        """How many tokens the documents have that are kept."""
        return self._kept_tokens

    def written(self) -> str:
        """The schema in its own language."""
        return print_schema(self.schema)

    async def answer(self, asked: Asked, asker: Asker, *, trace_id: str) -> Outcome:
        """The answer to a query, or why there is none. Refusals of single fields stand in it."""
        try:
            document, operation = self._operation(asked)
            if operation.operation is not OperationType.QUERY:
                raise AnsweredElsewhere
        except _Faulty as faulty:
            return refused(faulty.refusal, trace_id=trace_id, faults=faulty.faults)
        except Refusal as refusal:
            return refused(refusal, trace_id=trace_id)
        if _asks_about_the_schema(operation):
            return await self._describe(asked, document, trace_id=trace_id)
        result = self._execute(asked, document.node, context=asker)
        done: ExecutionResult = await result if isawaitable(result) else result
        return outcome_of(done, trace_id=trace_id, invalid=NotInSchema)

    def listen(self, asked: Asked, asker: Asker, *, trace_id: str) -> Listening | Outcome:
        """What a subscription hears, or why it hears nothing."""
        try:
            document, operation = self._operation(asked)
            if operation.operation is not OperationType.SUBSCRIPTION:
                raise AnsweredElsewhere
            feed = self._feed(document, operation)
            asker.require(feed.scope, or_lent=feed.or_lent)
        except _Faulty as faulty:
            return refused(faulty.refusal, trace_id=trace_id, faults=faulty.faults)
        except Refusal as refusal:
            return refused(refusal, trace_id=trace_id)
        return Listening(asked=asked, key=asked.key(), feed=feed, document=document.node)

    def render(self, listening: Listening, frame: Frame[Any]) -> Outcome:
        """What a subscription hears of a frame. It is told to many, so it names nobody's request."""
        if frame.refusal is not None:
            return refused(frame.refusal, trace_id=None)
        result = self._execute(listening.asked, listening.document, root=frame.value)
        if not isinstance(result, ExecutionResult):
            raise TypeError("a frame is there already: nothing in it is waited for")
        return outcome_of(result, trace_id=None, invalid=NotInSchema)

    def _execute(self, asked: Asked, document: DocumentNode, *, root: Any = None, context: Any = None) -> Any:
        return execute(
            self.schema,
            document,
            root_value=root,
            context_value=context,
            variable_values=dict(asked.variables),
            operation_name=asked.operation_name,
            max_coercion_errors=_FAULTS_MAX,
        )

    def _operation(self, asked: Asked) -> tuple[_Document, OperationDefinitionNode]:
        document = self._kept.get(asked.query)
        if document is None:
            document = self._read(asked.query)
            self._keep(asked.query, document)
        else:
            self._kept.move_to_end(asked.query)
        operations = document.operations
        operation = operations.get(asked.operation_name or None)
        if operation is None and not asked.operation_name and len(operations) == 1:
            (operation,) = operations.values()
        if operation is None:
            raise WrongOperation
        check_cost(self.schema, operation, document.fragments, asked.variables, self._settings)
        return document, operation

    def _read(self, text: str) -> _Document:
        if len(text) > _CHARACTERS_MAX:
            raise TooLong(tokens_max=self._settings.tokens_max)
        try:
            node = parse(text, max_lexical_tokens=self._settings.tokens_max)
        except GraphQLError as error:
            # The library has no types for these two; they are the last words of its message.
            if error.message.endswith("nested too deeply. Parsing aborted."):
                raise TooDeep(depth_max=self._settings.depth_max) from error
            if error.message.endswith("tokens. Parsing aborted."):
                raise TooLong(tokens_max=self._settings.tokens_max) from error
            raise _Faulty(NotADocument(), [error]) from error
        check_size(node, self._settings)
        if faults := validate(self.schema, node, _RULES, max_errors=_FAULTS_MAX):
            raise _Faulty(NotInSchema(), faults)
        operations = {
            each.name.value if each.name else None: each
            for each in node.definitions
            if isinstance(each, OperationDefinitionNode)
        }
        return _Document(node, fragments_of(node), operations, node.token_count or 0)

    def _keep(self, text: str, document: _Document) -> None:
        self._kept[text] = document
        self._kept_tokens += document.tokens
        while self._kept_tokens > _KEPT_TOKENS_MAX:
            _, oldest = self._kept.popitem(last=False)
            self._kept_tokens -= oldest.tokens

    async def _describe(self, asked: Asked, document: _Document, *, trace_id: str) -> Outcome:
        """The schema about itself: the same to everybody, so worked out once, aside, and one at a time."""
        key = asked.key()
        async with self._describing:
            outcome = self._descriptions.get(key)
            if outcome is None:
                result = await asyncio.to_thread(self._execute, asked, document.node)
                outcome = outcome_of(result, trace_id=trace_id, invalid=NotInSchema)
                if outcome.refusal is None:
                    self._descriptions[key] = outcome
                if len(self._descriptions) > _DESCRIPTIONS_MAX:
                    self._descriptions.popitem(last=False)
        return outcome

    def _feed(self, document: _Document, operation: OperationDefinitionNode) -> Feed:
        """The feed of a subscription's one field, which validation has seen to."""
        fields = self.schema.subscription_type.fields if self.schema.subscription_type else {}
        waiting: list[Any] = [*operation.selection_set.selections]
        while waiting:
            node = waiting.pop()
            if isinstance(node, FieldNode):
                feed: Feed = fields[node.name.value].extensions["feed"]
                return feed
            spread = getattr(node, "selection_set", None) or document.fragments[node.name.value].selection_set
            waiting += spread.selections
        raise WrongOperation


def _asks_about_the_schema(operation: OperationDefinitionNode) -> bool:
    return all(
        isinstance(node, FieldNode) and node.name.value.startswith("__") for node in operation.selection_set.selections
    )
