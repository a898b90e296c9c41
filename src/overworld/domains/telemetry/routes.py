"""The routes that events come in by: plain ASGI, since they are asked for more often than all others together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

import msgspec
from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from overworld.domains.telemetry.errors import EventRefused, NotAWriter, UnknownPacking
from overworld.domains.telemetry.intake import Intake
from overworld.domains.telemetry.reading import Body, Fault
from overworld.domains.telemetry.types import Kind, TelemetrySettings
from overworld.domains.telemetry.unpacking import from_form
from overworld.kernel.identity import Principal
from overworld.kernel.identity import Scope as Right
from overworld.kernel.ports import TokenVerifier
from overworld.platform.http import open_to_all
from overworld.platform.http.bodies import BodyReader
from overworld.platform.http.caller import Caller
from overworld.platform.http.errors import MethodNotAllowed, Unauthenticated
from overworld.platform.http.exchange import exchange_of

HOUSE = {"/v1/events": Kind.ONE, "/v1/events/batch": Kind.BATCH}
POSTHOG = ("/batch/", "/e/", "/capture/", "/i/v0/e/")

_JSON = (b"content-type", b"application/json")
_FORM = b"application/x-www-form-urlencoded"
_BODY_TIMEOUT_S = 15.0
_AGENT_LENGTH_MAX = 256
_PACKINGS = frozenset({b"gzip", b"zstd", b"identity", b"x-gzip"})
_ACCEPTED = b'{"status":"accepted"}'
_POSTHOG_OK = b'{"status":"Ok"}'


def routes(intake: Intake, *, verifier: TokenVerifier, settings: TelemetrySettings) -> list[ASGIRouteHandler]:
    """Every way in."""
    doors = Doors(intake, verifier=verifier, settings=settings)

    @asgi(list(HOUSE), opt=open_to_all())
    async def events(scope: Scope, receive: Receive, send: Send) -> None:
        await doors.house(scope, receive, send, kind=HOUSE[scope["path"].rstrip("/")])

    @asgi(list(POSTHOG), opt=open_to_all())
    async def posthog(scope: Scope, receive: Receive, send: Send) -> None:
        await doors.posthog(scope, receive, send)

    return [events, posthog]


class Doors:
    """What the routes have in common: who may write, what a body may be, and how it is answered."""

    def __init__(self, intake: Intake, *, verifier: TokenVerifier, settings: TelemetrySettings) -> None:
        self._intake = intake
        self._verifier = verifier
        self._bytes_max = settings.body_bytes_max

    async def house(self, scope: Scope, receive: Receive, send: Send, *, kind: Kind) -> None:
        """Our own form: 202, with what became of each event. Raises: refusals."""
        caller = exchange_of(scope).caller
        player = _writer(caller.principal)
        body = await self._body(scope, receive)
        judged = await self._intake.judged(kind, body)
        if kind is Kind.ONE and isinstance(fault := judged.events[0], Fault):
            raise EventRefused(reason=fault.reason, found=fault.detail)
        await self._intake.keep(kind, body, judged, player=player, agent=caller.user_agent)
        await _reply(send, 202, _ACCEPTED if kind is Kind.ONE else results(judged.events))

    async def posthog(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The form of PostHog's clients, which hold an ingest key as their project's. Raises: refusals."""
        caller = exchange_of(scope).caller
        body = await self._body(scope, receive)
        judged = await self._intake.judged(Kind.POSTHOG, body)
        player = _writer(self._posthog_writer(caller, judged))
        await self._intake.keep(Kind.POSTHOG, body, judged, player=player, agent=caller.user_agent)
        await _reply(send, 200, _POSTHOG_OK)

    def _posthog_writer(self, caller: Caller, judged: Body) -> Principal:
        """The key is in the body, in the properties of the first event, or in the header as everywhere else here."""
        key = judged.key
        if not key and judged.events and not isinstance(first := judged.events[0], Fault):
            token = (first.properties or {}).get("token", "")
            key = token if isinstance(token, str) else ""
        return self._verifier.verify(key) if key else caller.principal

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        if scope["method"] != "POST":  # type: ignore[typeddict-item]
            raise MethodNotAllowed(allow=["POST"])
        packing = content_type = b""
        for name, value in scope["headers"]:
            if name == b"content-encoding":
                packing = value.strip().lower()
            elif name == b"content-type":
                content_type = value
        if packing and packing not in _PACKINGS:
            raise UnknownPacking
        body = await BodyReader(receive, bytes_max=self._bytes_max, timeout_s=_BODY_TIMEOUT_S).whole()
        return from_form(body) if content_type.startswith(_FORM) else body


def _writer(principal: Principal) -> UUID | None:
    """The player whose events alone a caller writes; None with an ingest key. Raises: NotAWriter."""
    if principal.may(Right.TELEMETRY_WRITE):
        return None
    if principal.sid is None:
        raise NotAWriter
    return principal.account_id


def results(events: Sequence[object]) -> bytes:
    """The answer to a batch: what became of each event, in order."""
    if not any(type(event) is Fault for event in events):
        return _all_accepted(len(events))
    told = [
        {"status": "refused", "reason": event.reason, "found": event.detail}
        if isinstance(event, Fault)
        else {"status": "accepted"}
        for event in events
    ]
    refused = sum(isinstance(event, Fault) for event in events)
    return msgspec.json.encode({"accepted": len(told) - refused, "refused": refused, "results": told})


@lru_cache(maxsize=256)
def _all_accepted(count: int) -> bytes:
    return b'{"accepted":%d,"refused":0,"results":[%s]}' % (count, b",".join([_ACCEPTED] * count))


async def _reply(send: Send, status: int, body: bytes) -> None:
    headers = [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
