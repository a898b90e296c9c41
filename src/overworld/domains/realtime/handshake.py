"""The HTTP upgrade: who may open a socket, and how it is told no."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener

from overworld.domains.realtime.errors import OriginRefused, UnknownSubprotocol, WrongPath
from overworld.domains.realtime.types import PATH
from overworld.kernel.refusals import Refusal, problem

_SUBPROTOCOL_HEADER = "Sec-WebSocket-Protocol"


def read_connection_options(request: WSUpgradeRequest) -> None:
    """Leaves only `Upgrade` of a Connection header that lists it among others.

    Firefox sends `keep-alive, Upgrade`, and picows compares the whole value.
    Source: RFC 6455, section 4.2.1: the field includes the token, compared without case.
    """
    options = [option.strip().lower() for option in request.headers.get("Connection", "").split(",")]
    if "upgrade" in options:
        request.headers["Connection"] = "Upgrade"


def require_path(request: WSUpgradeRequest) -> None:
    """Raises: WrongPath for anything but the socket's path; a query is ignored."""
    if request.path.partition(b"?")[0] != PATH.encode():
        raise WrongPath


def require_origin(request: WSUpgradeRequest, origins: tuple[str, ...]) -> None:
    """Raises: OriginRefused for a page of another origin. Programs send no Origin and may connect."""
    origin = request.headers.get("Origin")
    if origin is not None and "*" not in origins and origin not in origins:
        raise OriginRefused


def chosen_subprotocol(request: WSUpgradeRequest, supported: tuple[str, ...]) -> str | None:
    """The first supported subprotocol that the client offered; None when it offered none at all.

    Raises: UnknownSubprotocol when none of those offered is supported.
    """
    offered = [name.strip() for line in request.headers.getall(_SUBPROTOCOL_HEADER, ()) for name in line.split(",")]
    if not offered:
        return None
    for name in offered:
        if name in supported:
            return name
    raise UnknownSubprotocol(supported=list(supported))


def bearer_token(request: WSUpgradeRequest) -> str | None:
    """The token of the Authorization header; None without that header, empty when it holds no bearer token."""
    header: str | None = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and header.isascii() else ""


def developer_key(request: WSUpgradeRequest) -> str | None:
    """The key of the Overworld-Key header, which adds scopes to the token; None without it."""
    key: str | None = request.headers.get("Overworld-Key")
    return key if key is None or key.isascii() else None


def accepted(subprotocol: str | None) -> WSUpgradeResponse:
    """The answer that opens the socket, naming the subprotocol where the client offered any."""
    headers = {_SUBPROTOCOL_HEADER: subprotocol} if subprotocol is not None else None
    response: WSUpgradeResponse = WSUpgradeResponse.create_101_response(headers)
    return response


def refused(refusal: Refusal, *, trace_id: str) -> WSUpgradeResponseWithListener:
    """The answer to an upgrade that is not granted: the problem object, as over HTTP."""
    body = msgspec.json.encode(problem(refusal, trace_id=trace_id).as_dict())
    headers = {"Content-Type": "application/problem+json"}
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "5"
    response = WSUpgradeResponse.create_error_response(HTTPStatus(refusal.status), body, headers)
    return WSUpgradeResponseWithListener(response, None)
