"""Every exception becomes the one error object, application/problem+json."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.enums import ParamType
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from overworld.kernel.refusals import Fault, Refusal, problem
from overworld.platform.http.errors import BadRequest, Internal, MethodNotAllowed, NotFound
from overworld.platform.http.exchange import Exchange, exchange_of

MEDIA_TYPE = b"application/problem+json"
ERRORS_MAX = 20
REASON_LENGTH_MAX = 200

_AT = " - at `$"
_UNAUTHENTICATED = 401
_CLIENT_ERRORS = range(400, 500)
_UNAVAILABLE = 503


def refusal_of(error: Exception) -> Refusal:
    """What an exception means to the client. Whatever is not an expected refusal is a bug: `Internal`."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        return BadRequest(errors=[_located(entry) for entry in error.extra[:ERRORS_MAX]])
    if isinstance(error, MethodNotAllowedException):
        return MethodNotAllowed(allow=_allowed(error))
    if isinstance(error, NotFoundException):
        return NotFound()
    if isinstance(error, HTTPException) and error.status_code in _CLIENT_ERRORS:
        return BadRequest(error.detail[:REASON_LENGTH_MAX])
    return Internal()


def body_fault(error: Exception) -> BadRequest:
    """The refusal of a body that could not be decoded, located as far as the decoder says."""
    reason, found, place = str(error).rpartition(_AT)
    path = place.removesuffix("`").removeprefix(".")
    if not found or not place.endswith("`"):
        path, reason = "", str(error)
    if not isinstance(error, msgspec.MsgspecError):
        reason = "The body is not UTF-8" if isinstance(error, UnicodeDecodeError) else "The body cannot be read"
    return BadRequest(errors=[fault("body", path, reason)])


def fault(place: str, path: str, reason: str) -> dict[str, str]:
    """One entry of `errors`: `place` is body, query, path or header."""
    return {"path": f"{place}.{path}" if path else place, "reason": reason[:REASON_LENGTH_MAX]}


def problem_bytes(refusal: Refusal, *, trace_id: str) -> bytes:
    """The body that a client gets for a refusal."""
    return msgspec.json.encode(problem(refusal, trace_id=trace_id).as_dict())


def problem_headers(refusal: Refusal) -> list[tuple[bytes, bytes]]:
    """The headers that belong to a refusal, without those of its body."""
    headers: list[tuple[bytes, bytes]] = []
    if refusal.status == _UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(refusal, MethodNotAllowed):
        headers.append((b"allow", ", ".join(refusal.fields["allow"]).encode()))
    if refusal.replayed:
        headers.append((b"idempotency-replayed", b"true"))
    wait_s = refusal.fields.get("retry_after_s", 1 if refusal.status == _UNAVAILABLE else None)
    if wait_s is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(wait_s))).encode()))
    return headers


def note(exchange: Exchange, refusal: Refusal, *, error: Exception) -> None:
    """Keeps what was refused for the request's log line; a bug gets a line of its own, with its traceback."""
    exchange.refusal_code = refusal.code
    exchange.refusal_fields = refusal.fields
    if isinstance(refusal, Fault) and refusal.detail:
        exchange.refusal_fields = refusal.fields | {"detail": refusal.detail}
    if isinstance(refusal, Internal):
        log = structlog.get_logger("overworld.http")
        log.error("bug", exc_info=error, trace_id=exchange.trace.trace_id)


def problem_reply(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's way to the error object: an exception handler for everything."""
    refusal = refusal_of(error)
    exchange = exchange_of(request.scope)
    note(exchange, refusal, error=error)
    headers = {name.decode(): value.decode() for name, value in problem_headers(refusal)}
    body = problem_bytes(refusal, trace_id=exchange.trace.trace_id)
    return Response(body, status_code=refusal.status, headers=headers, media_type=MEDIA_TYPE.decode())


def _located(entry: dict[str, Any]) -> dict[str, str]:
    if entry.get("key") == "data":
        return fault("body", "", "A body is required")
    source = entry.get("source", ParamType.QUERY)
    place = source.value if isinstance(source, ParamType) else str(source)
    return fault(place, str(entry.get("key", "")), str(entry["message"]))


def _allowed(error: MethodNotAllowedException) -> list[str]:
    names = {name.strip() for name in (error.headers or {}).get("allow", "").split(",") if name.strip()}
    return sorted(names | {"HEAD"} if "GET" in names else names)
