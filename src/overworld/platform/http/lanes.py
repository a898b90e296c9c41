"""The short way to hot routes: what Litestar finds out at every request, found out once; see `needs(..., hot=True)`.

A lane calls the same function as Litestar would, after the same checks of the edge, and encodes what it returns by the
same rules. What it does not understand at once, a query with escapes or one that is wrong, it leaves to Litestar.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from math import isfinite
from typing import Any

import msgspec
from litestar import Response
from litestar.enums import MediaType
from litestar.handlers import HTTPRouteHandler
from litestar.routes import BaseRoute, HTTPRoute
from litestar.serialization import default_serializer
from litestar.types import HTTPScope, Receive, Send
from msgspec import Struct
from msgspec.structs import asdict

from overworld.platform.http.access import OPT_KEY, Access
from overworld.platform.http.bodies import EdgeRequest, body_reader, decoded
from overworld.platform.http.errors import BadRequest
from overworld.platform.http.exchange import Exchange
from overworld.platform.http.gate import admit
from overworld.platform.http.outlet import Outlet
from overworld.platform.http.plans import Plan, plan_of_handler
from overworld.platform.http.problems import fault

_ESCAPED = re.compile(rb"[^!-$&-*,-~]")  # what is no visible ASCII character, % or +
_NO_BODY = frozenset({204, 304})
_encode = msgspec.json.Encoder(enc_hook=default_serializer).encode

Lanes = Mapping[tuple[str, str], "Lane"]


def lanes_of(routes: Iterable[BaseRoute]) -> dict[tuple[str, str], Lane]:
    """The lanes of the hot routes, by method and path, once the routes have their plans.

    Raises: TypeError for a hot route that asks for what only Litestar can give it.
    """
    lanes: dict[tuple[str, str], Lane] = {}
    for route in routes:
        if not isinstance(route, HTTPRoute):
            continue
        for method, (handler, _) in route.route_handler_map.items():
            if handler.opt.get(OPT_KEY, Access(None)).hot:
                _check(handler, route)
                lanes[str(method), route.path] = Lane(handler, template=route.path_format)
    return lanes


class Lane:
    """The short way to one handler."""

    def __init__(self, handler: HTTPRouteHandler, *, template: str) -> None:
        fields = {field.name: field for field in msgspec.structs.fields(handler.signature_model)}
        self._plan: Plan = plan_of_handler(handler)
        self._handler = handler
        self._template = template
        self._call: Callable[..., Awaitable[Any]] = handler.fn
        self._status = handler.status_code
        self._given = [(name, _GIVEN[name]) for name in fields if name in _GIVEN]
        self._takes_data = "data" in fields
        self._query: type[Struct] = msgspec.defstruct(
            "Query",
            [
                (name, field.type) if field.required else (name, field.type, field.default)
                for name, field in fields.items()
                if name in (self._plan.query or ())
            ],
            forbid_unknown_fields=True,
            kw_only=True,
        )

    async def answer(self, scope: HTTPScope, exchange: Exchange, receive: Receive, send: Outlet) -> bool:
        """Answers a request of this route. False when it is left to Litestar: then nothing was read or sent.

        Raises: whatever the gate and the handler raise.
        """
        query = self._read(scope["query_string"])
        if query is None:
            return False
        scope["path_template"] = self._template
        scope["route_handler"] = self._handler
        admit(self._plan, exchange, scope, query_is_read=True)
        taken = asdict(query)
        for name, give in self._given:
            taken[name] = give(scope, exchange, receive, send)
        if self._takes_data:
            await self._take_data(taken, scope, receive)
        result = await self._call(**taken)
        if isinstance(result, Response):
            request = EdgeRequest(scope, receive, send)
            reply = result.to_asgi_response(None, request, media_type=MediaType.JSON, status_code=self._status)
            await reply(scope, receive, send)
            return True
        await send.whole(self._status, None if self._status in _NO_BODY else _encode(result))
        return True

    def _read(self, query_string: bytes) -> Struct | None:
        """The parameters of a plain query; None where Litestar has to look."""
        if _ESCAPED.search(query_string):
            return None
        pairs = query_string.decode("ascii").split("&") if query_string else ()
        try:
            texts = dict([pair.split("=", 1) for pair in pairs])
            query = msgspec.convert(texts, self._query, strict=False)
        except ValueError:  # msgspec.ValidationError is one
            return None
        if len(texts) != len(pairs):
            return None
        for name in self._plan.finite:
            value = getattr(query, name)
            if name in texts and not (isinstance(value, float) and isfinite(value)):
                return None
        return query

    async def _take_data(self, taken: dict[str, Any], scope: HTTPScope, receive: Receive) -> None:
        body = await body_reader(self._plan, receive).whole()
        if body:
            taken["data"] = decoded(self._plan, body)
        elif self._handler.parsed_data_field is not None and self._handler.parsed_data_field.is_required:
            raise BadRequest(errors=[fault("body", "", "A body is required")])


_GIVEN: dict[str, Callable[[HTTPScope, Exchange, Receive, Send], Any]] = {
    "caller": lambda _scope, exchange, _receive, _send: exchange.caller,
    "idempotency_key": lambda _scope, exchange, _receive, _send: exchange.caller.idempotency_key,
    "trace_id": lambda _scope, exchange, _receive, _send: exchange.caller.trace_id,
    "reader": lambda scope, _exchange, receive, _send: body_reader(plan_of_handler(scope["route_handler"]), receive),
    "request": lambda scope, _exchange, receive, send: EdgeRequest(scope, receive, send),
}


def _check(handler: HTTPRouteHandler, route: HTTPRoute) -> None:
    plan = plan_of_handler(handler)
    known = {*_GIVEN, "data", *(plan.query or ())}
    unknown = sorted(set(handler.parsed_fn_signature.parameters) - known)
    data = handler.parsed_data_field
    faults = {
        "its path has parameters": bool(route.path_parameters),
        f"it takes {', '.join(unknown)}": bool(unknown),
        "its function is not async": handler.has_sync_callable,
        "its body is a form": data is not None and plan.media_types != (b"application/json",),
        "it has guards, hooks, a cache, or headers and exception handlers of its own": any(
            (
                handler.resolve_guards(),
                handler.resolve_before_request(),
                handler.after_request,
                handler.resolve_after_response(),
                handler.cache,
                handler.background,
                handler.response_headers,
                handler.response_cookies,
                handler.exception_handlers,
                handler.middleware,
            )
        ),
        "its answer is not JSON": handler.media_type not in ("", MediaType.JSON),
    }
    if found := [fault for fault, is_so in faults.items() if is_so]:
        raise TypeError(f"{route.path} cannot be hot: {'; '.join(found)}")
