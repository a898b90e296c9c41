"""Turns routes into an application: `build_http`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.exceptions import LitestarDeprecationWarning
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.types import ControllerRouterHandler, Scope

from overworld.kernel.ports import Limiter, TokenVerifier
from overworld.platform.http.addresses import Addresses
from overworld.platform.http.bodies import BodyReader, EdgeRequest, StrictBody
from overworld.platform.http.browser import Browsers, CsrfTokens, NoCsrfTokens
from overworld.platform.http.caller import Caller, KeyScopes
from overworld.platform.http.cors import Cors
from overworld.platform.http.docs import docs_routes
from overworld.platform.http.edge import Edge
from overworld.platform.http.exchange import exchange_of
from overworld.platform.http.gate import Gate
from overworld.platform.http.headers import ReplyHeaders
from overworld.platform.http.lanes import lanes_of
from overworld.platform.http.measures import HttpMeasures
from overworld.platform.http.methods import options_of
from overworld.platform.http.openapi import describe, openapi_config
from overworld.platform.http.plans import plan_routes
from overworld.platform.http.problems import problem_reply
from overworld.platform.http.rates import Rates
from overworld.platform.http.settings import HttpSettings, LimitSettings
from overworld.platform.observability import Metrics


def build_http(
    *,
    routes: Sequence[ControllerRouterHandler],
    verifier: TokenVerifier,
    keys: KeyScopes,
    limiter: Limiter,
    settings: HttpSettings,
    limits: LimitSettings,
    metrics: Metrics,
    title: str = "Overworld",
    version: str = "0",
    polled: tuple[str, ...] = (),
    quiet: bool = False,
    csrf: CsrfTokens | None = None,
    plain_cookies: bool = False,
) -> Edge:
    """The whole HTTP edge around the routes, as one ASGI application; `/openapi.json` and `/docs` are added.

    Routes whose path begins with one of `polled`, which pages ask all the time, are not counted by the edge's rate
    limits, and their successes are logged at debug; where it is `quiet`, all successes are. With `csrf` sessions may be
    in cookies; `plain_cookies` allows it without TLS on this machine.
    Raises: TypeError for a route that does not declare who may call it; ValueError for a proxy network that is none.
    """

    def document() -> dict[str, Any]:
        return describe(
            _litestar(routes, openapi_config=openapi_config(title=title, version=version, tls=settings.tls))
        )

    served = _litestar([*routes, *docs_routes(document)], openapi_config=None)
    plan_routes(served.routes, settings)
    return Edge(
        served,
        lanes=lanes_of(served.routes),
        verifier=verifier,
        keys=keys,
        browsers=Browsers(tls=settings.tls, plain=plain_cookies, csrf=csrf or NoCsrfTokens()),
        rates=Rates(limiter=limiter, settings=limits, own_limits=polled),
        addresses=Addresses(settings.trusted_proxies),
        cors=Cors(settings.cors_origins),
        headers=ReplyHeaders(tls=settings.tls),
        measures=HttpMeasures(metrics),
        quiet=("",) if quiet else polled,
    )


def _litestar(routes: Sequence[ControllerRouterHandler], **options: Any) -> Litestar:
    """Litestar 2 warns that its third version wants every parameter marked; handlers here stay plain functions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LitestarDeprecationWarning)
        return _application(routes, **options)


class _Application(Litestar):
    """Litestar for messages of msgspec alone: looking for models of other libraries imports those, where installed."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def _application(routes: Sequence[ControllerRouterHandler], **options: Any) -> Litestar:
    return _Application(
        route_handlers=[*options_of(routes), *routes],
        dependencies={
            "caller": Provide(_caller, sync_to_thread=False),
            "idempotency_key": Provide(_idempotency_key, sync_to_thread=False),
            "trace_id": Provide(_trace_id, sync_to_thread=False),
            "reader": Provide(_reader, sync_to_thread=False),
        },
        exception_handlers={Exception: problem_reply},
        middleware=[Gate],
        dto=StrictBody,
        return_dto=None,
        request_class=EdgeRequest,
        request_max_body_size=None,
        logging_config=None,
        **options,
    )


def _caller(scope: Scope) -> Caller:
    return exchange_of(scope).caller


def _idempotency_key(caller: Caller) -> str | None:
    return caller.idempotency_key


def _reader(request: EdgeRequest) -> BodyReader:
    return request.reader()


def _trace_id(caller: Caller) -> str:
    return caller.trace_id
