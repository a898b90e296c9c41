"""GraphQL over HTTP: queries at `/graphql`, live figures at `/graphql/stream`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from overworld.kernel.ports import Limit, Limiter, TokenVerifier
from overworld.kernel.refusals import Refusal
from overworld.platform.graphql import errors
from overworld.platform.graphql.asking import Asker, Catalogue
from overworld.platform.graphql.replies import RESPONSE_JSON, Outcome, accepts_events, media_type, refused
from overworld.platform.graphql.settings import GraphqlSettings
from overworld.platform.graphql.streams import EventsAtOnce, EventStream, Streams
from overworld.platform.http import Caller, open_to_all
from overworld.platform.http.addresses import limited_as
from overworld.platform.http.errors import BadRequest, TooManyRequests, Unauthenticated, UrlTooLong
from overworld.platform.http.exchange import exchange_of
from overworld.platform.http.problems import fault

if TYPE_CHECKING:
    from overworld.platform.graphql.engine import Asked, Engine, Listening
    from overworld.platform.graphql.ticker import Frame

PATH = "/graphql"
STREAM_PATH = "/graphql/stream"
_STREAMS = Limit(per_s=1.0, burst=30)
_BAD_REQUEST, _OK = 400, 200
_TEXT_MAX = 16_384

Lend = Callable[[Caller, Any], frozenset[str]]
"""What the app lends a caller beyond their scopes, by who they are and the headers of the request."""


class GraphqlRequest(Struct, frozen=True, kw_only=True, rename="camel"):
    """A document and what belongs to it. Source: GraphQL over HTTP, section 5."""

    query: Annotated[str, Meta(max_length=_TEXT_MAX, description="The document.")]
    operation_name: Annotated[str, Meta(max_length=255)] | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


class GraphqlAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked for, and what of it failed: each error has our code in `extensions.code`."""

    data: dict[str, Any] | None = None
    errors: list[dict[str, Any]] | None = None


class GraphqlEvent(Struct, frozen=True):
    """An event of a stream: `next` with an answer as JSON, at the end `complete` with nothing."""

    event: str
    data: str


DocumentQuery = Annotated[str, QueryParameter(name="query", max_length=2_000, description="The document.")]
NameQuery = Annotated[
    str | None, QueryParameter(name="operationName", max_length=255, description="Which of its operations.")
]
VariablesQuery = Annotated[
    str | None, QueryParameter(max_length=500, description="The values of its variables, an object as JSON.")
]
ExtensionsQuery = Annotated[str | None, QueryParameter(max_length=100, description="Taken, and not looked at.")]


class Desk:
    """Takes documents in. The engine behind it is made when the first one comes, in a thread."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        settings: GraphqlSettings,
        streams: Streams,
        verifier: TokenVerifier,
        limiter: Limiter,
        limits_enabled: bool,
        lend: Lend,
    ) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._streams = streams
        self._verifier = verifier
        self._limiter = limiter
        self._limits_enabled = limits_enabled
        self._lend = lend
        self._engine: Engine | None = None
        self._making = asyncio.Lock()

    async def engine(self) -> Engine:
        """What answers; made once."""
        async with self._making:
            if self._engine is None:
                self._engine = await asyncio.to_thread(self._made)
        return self._engine

    async def answer(self, asked: GraphqlRequest, caller: Caller, request: Request[Any, Any, Any]) -> Response[bytes]:
        """The answer to a query. Raises: the verifier's refusal of a token that is no good."""
        caller.require_no_bad_token()
        engine = await self.engine()
        asker = Asker(caller, lent=self._lend(caller, request.headers))
        outcome = await engine.answer(_asked(asked), asker, trace_id=caller.trace_id)
        _note(request, outcome)
        kind = media_type(request.headers.get("accept", ""))
        is_refused = not outcome.is_answered and kind == RESPONSE_JSON
        return Response(outcome.body, status_code=_BAD_REQUEST if is_refused else _OK, media_type=kind)

    async def stream(self, asked: GraphqlRequest, caller: Caller, request: Request[Any, Any, Any]) -> Response[bytes]:
        """The stream of a subscription. Raises: the verifier's refusal; NotAcceptable; TooManyRequests."""
        caller.require_no_bad_token()
        if not accepts_events(request.headers.get("accept", "")):
            raise errors.NotAcceptable(expected="text/event-stream")
        who = str(caller.maybe.account_id) if caller.maybe is not None else limited_as(caller.address)
        await self._count(who)
        engine = await self.engine()
        asker = Asker(caller, lent=self._lend(caller, request.headers))
        found = engine.listen(_asked(asked), asker, trace_id=caller.trace_id)
        if isinstance(found, Outcome):
            _note(request, found)
            return EventsAtOnce(found.body)
        return EventStream(
            self._streams,
            found.feed.ticker,
            who=who,
            heartbeat_s=self._settings.heartbeat_s,
            render=partial(_rendered, engine, found),
            stands=partial(self._require_standing, caller, exchange_of(request.scope).head.get(b"authorization")),
            told=lambda refusal: refused(refusal, trace_id=caller.trace_id).body,
        )

    def _made(self) -> Engine:
        from overworld.platform.graphql.engine import Engine  # noqa: PLC0415  # takes a fifth of a second

        return Engine(self._catalogue, self._settings)

    async def _count(self, who: str) -> None:
        if self._limits_enabled:
            taken = await self._limiter.take(f"graphql:{who}", _STREAMS)
            if not taken.allowed:
                raise TooManyRequests(retry_after_s=max(1, round(taken.retry_after_s)), kind="graphql")

    def _require_standing(self, caller: Caller, authorization: bytes | None) -> None:
        """Raises: the verifier's refusal when the token that began a stream has ended or was taken back."""
        if caller.maybe is None:
            return
        if not caller.is_by_cookie and authorization is not None:
            self._verifier.verify(authorization.decode("latin-1").split(None, 1)[1].strip())
        elif caller.browser is not None and caller.browser.principal(self._verifier) is None:
            raise Unauthenticated


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers."""
    document_refusals: tuple[type[Refusal], ...] = (
        errors.NotADocument,
        errors.NotInSchema,
        errors.WrongOperation,
        errors.AnsweredElsewhere,
        errors.TooLong,
        errors.TooDeep,
        errors.TooManyAliases,
        errors.TooManyFields,
        errors.TooCostly,
    )

    def opt(*more: type[Refusal]) -> dict[str, Any]:
        return open_to_all(refusals=(*document_refusals, Unauthenticated, *more), answers_as=(RESPONSE_JSON,))

    @post(PATH, opt=opt(), status_code=_OK)
    async def graphql(
        *, data: GraphqlRequest, caller: Caller, request: Request[Any, Any, Any]
    ) -> Response[GraphqlAnswer]:
        """Answers a GraphQL query.

        Scopes are those of each field; the schema may be read by anybody. A document that is not executed is 400 as
        `application/graphql-response+json`, and 200 with `errors` for clients that take `application/json` alone.
        """
        return await desk.answer(data, caller, request)  # type: ignore[return-value]

    @get(PATH, opt=opt(UrlTooLong))
    async def graphql_by_query(
        *,
        caller: Caller,
        request: Request[Any, Any, Any],
        document: DocumentQuery,
        operation: NameQuery = None,
        variables: VariablesQuery = None,
        extensions: ExtensionsQuery = None,
    ) -> Response[GraphqlAnswer]:
        """Answers a GraphQL query that stands in the address."""
        asked = GraphqlRequest(query=document, operation_name=operation, variables=_object("variables", variables))
        _object("extensions", extensions)
        return await desk.answer(asked, caller, request)  # type: ignore[return-value]

    @post(
        STREAM_PATH,
        opt=open_to_all(refusals=(Unauthenticated, errors.NotAcceptable, errors.TooManyStreams, errors.NoStreamFree)),
        status_code=_OK,
        media_type="text/event-stream",
    )
    async def graphql_stream(
        *, data: GraphqlRequest, caller: Caller, request: Request[Any, Any, Any]
    ) -> Response[GraphqlEvent]:
        """Tells live figures by a GraphQL subscription, as server-sent events.

        Events are `next`, with an answer, and at the end `complete`: GraphQL over SSE, distinct connections mode. A
        document that is not in order is told why in the stream.
        """
        return await desk.stream(data, caller, request)  # type: ignore[return-value]

    return [graphql, graphql_by_query, graphql_stream]


def _rendered(engine: Engine, listening: Listening, frame: Frame[Any]) -> bytes:
    """What a listener hears of a frame, written once for all who ask by the same document."""
    known = frame.rendered.get(listening.key)
    if known is None:
        outcome = engine.render(listening, frame)
        known = frame.rendered[listening.key] = outcome.body
    return known


def _asked(asked: GraphqlRequest) -> Asked:
    from overworld.platform.graphql.engine import Asked  # noqa: PLC0415  # it is loaded by now

    return Asked(query=asked.query, operation_name=asked.operation_name, variables=asked.variables or {})


def _object(name: str, text: str | None) -> dict[str, Any] | None:
    """The object that a parameter holds as JSON. Raises: BadRequest."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, Any] | None)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadRequest(errors=[fault("query", name, "It is an object as JSON")]) from error


def _note(request: Request[Any, Any, Any], outcome: Outcome) -> None:
    """Keeps for the log what was refused; never the document, whose arguments may hold what is nobody's business."""
    if outcome.refusal is not None:
        exchange = exchange_of(request.scope)
        exchange.refusal_code = outcome.refusal.code
