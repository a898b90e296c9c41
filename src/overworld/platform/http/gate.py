"""The gate before every handler: scopes, the query, the idempotency key and the body's announced shape."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from litestar.types import ASGIApp, Receive, Scope, Send

from overworld.platform.http.access import Access
from overworld.platform.http.caller import Caller
from overworld.platform.http.errors import BadRequest, BodyTooLarge, Forbidden, KeyRequired
from overworld.platform.http.exchange import Exchange, exchange_of
from overworld.platform.http.plans import Plan, plan_of
from overworld.platform.http.problems import fault

_VISIBLE_ASCII = re.compile(rb"[\x21-\x7e]{1,255}")


class Gate:
    """Lets a request through to its handler when it meets the plan of its route. Raises: as `admit`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        plan = plan_of(scope)
        admit(plan, exchange_of(scope), scope)
        await self._app(scope, receive, send)


def admit(plan: Plan, exchange: Exchange, scope: Scope, *, query_is_read: bool = False) -> None:
    """Passes a request that meets a plan; `query_is_read` says that its query was found to be right.

    Raises, in this order: Unauthenticated or the verifier's refusal; Forbidden; BadRequest, CookiesNeedTls or
    NotOurPage where a session is asked for in cookies; BadRequest for the path and the query; KeyRequired or
    BadRequest for the key; UnsupportedMediaType; BodyTooLarge.
    """
    _check_access(plan.access, exchange.caller)
    if plan.access.gives_session and exchange.caller.browser is not None:
        exchange.caller.browser.check_wish()
    _check_path(scope.get("raw_path", b""))
    if not query_is_read:
        plan.check_query(scope.get("query_string", b""))
    _check_key(plan.access, exchange.head.get(b"idempotency-key"))
    plan.check_media_type(exchange.head.get(b"content-type"))
    _check_length(plan, exchange.head.get(b"content-length"))


def _check_access(access: Access, caller: Caller) -> None:
    if access.scope is not None and caller.principal and access.scope not in caller.scopes:
        raise Forbidden(scope=access.scope)


def _check_path(raw_path: bytes) -> None:
    if b"%" not in raw_path:
        return
    path = unquote_to_bytes(raw_path)
    try:
        path.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(errors=[fault("path", "", "The path is not UTF-8")]) from error
    if b"\x00" in path:
        raise BadRequest(errors=[fault("path", "", "The path must not contain U+0000")])


def _check_key(access: Access, key: bytes | None) -> None:
    if key is None:
        if access.key_required:
            raise KeyRequired
    elif not _VISIBLE_ASCII.fullmatch(key):
        raise BadRequest(errors=[fault("header", "Idempotency-Key", "Must be 1 to 255 visible ASCII characters")])


def _check_length(plan: Plan, content_length: bytes | None) -> None:
    if content_length is not None and content_length.isdigit() and int(content_length) > plan.body_bytes_max:
        raise BodyTooLarge(bytes_max=plan.body_bytes_max)
