"""The one layer around the application: traces, callers, limits, headers, the last catch, logs and measures."""

from __future__ import annotations

from time import perf_counter
from typing import Any, cast

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from overworld.kernel import tracing
from overworld.kernel.identity import Principal
from overworld.kernel.ports import TokenVerifier
from overworld.kernel.refusals import Refusal
from overworld.platform.http.addresses import UNKNOWN, Addresses
from overworld.platform.http.browser import CSRF, SITE, WISH, Browser, Browsers, session_refusal
from overworld.platform.http.caller import Caller, KeyScopes
from overworld.platform.http.cors import Cors
from overworld.platform.http.exchange import Exchange, attach
from overworld.platform.http.headers import ReplyHeaders
from overworld.platform.http.lanes import Lanes
from overworld.platform.http.measures import HttpMeasures
from overworld.platform.http.outlet import Outlet
from overworld.platform.http.problems import MEDIA_TYPE, note, problem_bytes, problem_headers, refusal_of
from overworld.platform.http.rates import Rates
from overworld.platform.http.settings import LimitSettings
from overworld.platform.observability import info_straight

_FORWARDED_FOR = b"x-forwarded-for"
_READ = frozenset(
    {
        b"access-control-request-method",
        b"authorization",
        b"content-length",
        b"content-type",
        b"cookie",
        b"host",
        b"idempotency-key",
        b"if-match",
        b"if-none-match",
        b"origin",
        b"overworld-key",
        b"traceparent",
        b"user-agent",
        _FORWARDED_FOR,
        CSRF,
        SITE,
        WISH,
    }
)
_LOGGER = "overworld.http"
_BEARER = b"bearer "
_NO_CONTENT = 204
_SERVER_ERROR = 500
_NOTHING: frozenset[str] = frozenset()
_USER_AGENT_LENGTH_MAX = 256


class Edge:
    """An ASGI application around another: every request passes here once, and every reply leaves here.

    Requests whose path begins with one of `quiet` are logged at debug when they succeed.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        lanes: Lanes,
        verifier: TokenVerifier,
        keys: KeyScopes,
        browsers: Browsers,
        rates: Rates,
        addresses: Addresses,
        cors: Cors,
        headers: ReplyHeaders,
        measures: HttpMeasures,
        quiet: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._lanes = lanes
        self._verifier = verifier
        self._keys = keys
        self._browsers = browsers
        self._rates = rates
        self._addresses = addresses
        self._cors = cors
        self._headers = headers
        self._measures = measures
        self._quiet = quiet
        self._log = structlog.get_logger(_LOGGER)

    def limit(self, settings: LimitSettings) -> None:
        """From now on these rate limits hold."""
        self._rates.apply(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await self._answer(scope, receive, send)
        elif scope["type"] == ScopeType.WEBSOCKET:
            await send({"type": "websocket.close", "code": 1000, "reason": None})
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        started_s = perf_counter()
        head = {name: value for name, value in scope["headers"] if name in _READ}
        trace, parent_id = tracing.entered(_text(head.get(b"traceparent")))
        exchange = Exchange(method=scope["method"], head=head, trace=trace)
        attach(scope, exchange)
        span = tracing.first_span("request", trace, parent_id=parent_id, kind=tracing.Kind.SERVER)
        if scope["method"] == "HEAD":
            scope = cast("HTTPScope", {**scope, "method": "GET"})

        outlet = Outlet(exchange, self._headers, scope, send)
        self._measures.in_flight += 1
        with tracing.at(trace):
            try:
                await self._pass_on(scope, exchange, receive, outlet)
            except Exception as error:
                await self._catch(error, exchange, outlet)
            finally:
                self._measures.in_flight -= 1
                self._finish(scope, exchange, span, started_s=started_s)

    async def _pass_on(self, scope: HTTPScope, exchange: Exchange, receive: Receive, send: Outlet) -> None:
        origin = exchange.head.get(b"origin")
        exchange.reply_headers = self._cors.reply_headers(origin)
        if origin is not None and exchange.method == "OPTIONS" and b"access-control-request-method" in exchange.head:
            await _send_whole(send, _NO_CONTENT, self._cors.preflight_headers(origin), b"")
            return
        key = exchange.head.get(b"overworld-key")
        key_scopes = self._keys.scopes(key.decode("latin-1")) if key is not None else _NOTHING
        exchange.caller = self._caller(scope, exchange, key_scopes=key_scopes)
        rate = await self._rates.take(scope["path"], exchange.caller, holds_key=bool(key_scopes))
        exchange.reply_headers += rate.headers
        if rate.refusal is not None:
            self._measures.limited(rate.refusal.fields["kind"])
            raise rate.refusal
        lane = self._lanes.get((scope["method"], scope["path"]))
        if lane is None or not await lane.answer(scope, exchange, receive, send):
            await self._app(scope, receive, send)

    async def _catch(self, error: Exception, exchange: Exchange, send: Send) -> None:
        """The last catch: what comes before routing, and bugs in the framework or in a reply."""
        refusal = refusal_of(error)
        note(exchange, refusal, error=error)
        if exchange.status == 0:
            body = problem_bytes(refusal, trace_id=exchange.trace.trace_id)
            headers = [(b"content-type", MEDIA_TYPE), *problem_headers(refusal)]
            await _send_whole(send, refusal.status, headers, body)

    def _caller(self, scope: HTTPScope, exchange: Exchange, *, key_scopes: frozenset[str]) -> Caller:
        head = exchange.head
        authorization = head.get(b"authorization")
        is_bearer = authorization is not None and authorization[: len(_BEARER)].lower() == _BEARER
        browser = self._browser(scope, exchange) if b"cookie" in head or WISH in head else None
        principal, refusal = None, None
        if authorization is not None and is_bearer:
            principal, refusal = self._principal(authorization)
        elif browser is not None:
            principal, refusal = session_refusal(browser, self._verifier)
        exchange.account = principal.account_id if principal else None
        scopes = principal.scopes if principal else _NOTHING
        client = scope.get("client")
        idempotency_key = head.get(b"idempotency-key")
        return Caller(
            maybe=principal,
            refusal=refusal,
            address=self._addresses.caller(
                client[0] if client else UNKNOWN, _list(scope, _FORWARDED_FOR) if _FORWARDED_FOR in head else None
            ),
            user_agent=head.get(b"user-agent", b"")[:_USER_AGENT_LENGTH_MAX].decode("latin-1"),
            scopes=scopes | key_scopes if key_scopes else scopes,
            trace_id=exchange.trace.trace_id,
            idempotency_key=idempotency_key.decode("latin-1") if idempotency_key is not None else None,
            browser=browser,
            is_by_cookie=browser is not None and not is_bearer and principal is not None,
        )

    def _browser(self, scope: HTTPScope, exchange: Exchange) -> Browser:
        cookies = [value for name, value in scope["headers"] if name == b"cookie"]
        return self._browsers.of(method=exchange.method, head=exchange.head, cookies=cookies)

    def _principal(self, authorization: bytes) -> tuple[Principal | None, Refusal | None]:
        try:
            return self._verifier.verify(authorization[len(_BEARER) :].strip().decode("latin-1")), None
        except Refusal as refusal:
            return None, refusal

    def _finish(self, scope: Scope, exchange: Exchange, span: tracing.Span | None, *, started_s: float) -> None:
        seconds = perf_counter() - started_s
        route = cast("dict[str, Any]", scope).get("path_template", "unmatched")
        if span is not None:
            _end(span, exchange, route)
        self._measures.request(
            method=exchange.method,
            route=route,
            status=exchange.status,
            refusal_code=exchange.refusal_code,
            seconds=seconds if exchange.answered_s is None else exchange.answered_s - started_s,
        )
        fields: dict[str, Any] = {
            "method": exchange.method,
            "route": route,
            "status": exchange.status,
            "ms": round(seconds * 1e3, 3),
            "account": exchange.account,
            "trace_id": exchange.trace.trace_id,
        }
        if exchange.refusal_code is not None:
            self._log.info("request", **fields, code=exchange.refusal_code, refusal=exchange.refusal_fields)
        elif route.startswith(self._quiet):
            self._log.debug("request", **fields)
        else:
            info_straight(_LOGGER, "request", fields)


async def _send_whole(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = [] if status == _NO_CONTENT else [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _list(scope: HTTPScope, name: bytes) -> bytes:
    """A header that is a list, whole: each proxy may add a line of its own. Source: RFC 9110, section 5.3."""
    return b",".join(value for each, value in scope["headers"] if each == name)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _end(span: tracing.Span, exchange: Exchange, route: str) -> None:
    """Keeps the span of a request. Source: OpenTelemetry, semantic conventions for HTTP server spans."""
    span.name = f"{exchange.method} {route}"
    span.attributes |= {
        "http.request.method": exchange.method,
        "http.route": route,
        "http.response.status_code": exchange.status,
    }
    if exchange.refusal_code is not None:
        span.attributes["overworld.refusal"] = exchange.refusal_code
    span.end(error=exchange.refusal_code or "error" if exchange.status >= _SERVER_ERROR or not exchange.status else "")
