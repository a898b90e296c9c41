"""The routes that events come in by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from msgspec import UNSET, Struct, UnsetType

from overworld.domains.telemetry.errors import (
    BadEvents,
    EventRefused,
    NotAWriter,
    TelemetryBusy,
    TooLargeUnpacked,
    TooManyEvents,
)
from overworld.domains.telemetry.intake import Intake
from overworld.domains.telemetry.reading import Body, Fault, Incoming
from overworld.domains.telemetry.types import Kind, TelemetrySettings
from overworld.domains.telemetry.unpacking import from_form
from overworld.kernel.identity import Principal, Scope
from overworld.kernel.ports import TokenVerifier
from overworld.kernel.refusals import Fault as Unavailable
from overworld.platform.http import Caller, needs, open_to_all
from overworld.platform.http.bodies import BodyReader

POSTHOG = ("/batch", "/e", "/capture", "/i/v0/e")
"""Where PostHog's clients send, by their kind and age; the first is described for all."""

_FORM = b"data="
_WHOLE = (BadEvents, TooLargeUnpacked, TooManyEvents, TelemetryBusy, Unavailable)


class EventResult(Struct, frozen=True, kw_only=True):
    """What became of one event: it is on disk, it was refused and why, or its session is not among those kept."""

    status: Literal["accepted", "refused", "sampled"]
    reason: str | UnsetType = UNSET
    found: str | UnsetType = UNSET


class BatchResult(Struct, frozen=True, kw_only=True):
    """What became of a batch; `results` are aligned with its events."""

    accepted: int
    refused: int
    sampled: int
    results: list[EventResult]


class PostHogResult(Struct, frozen=True, kw_only=True):
    """What PostHog's clients want to hear."""

    status: Literal["Ok"] = "Ok"


_ACCEPTED = EventResult(status="accepted")
_SAMPLED = EventResult(status="sampled")


def routes(intake: Intake, *, verifier: TokenVerifier, settings: TelemetrySettings) -> list[HTTPRouteHandler]:
    """Every way in."""
    bytes_max = settings.body_bytes_max
    ours = needs(
        Scope.TELEMETRY_WRITE,
        body_bytes_max=bytes_max,
        refusals=(*_WHOLE, EventRefused),
        raw_types=("application/json",),
        hot=True,
    )

    @post("/v1/events", opt=ours, status_code=202)
    async def event_send(*, caller: Caller, reader: BodyReader) -> EventResult:
        """Send one event. It is on disk when this answers; the processor makes columns of it within a second."""
        body = await _body(intake, reader)
        judged = await intake.judged(Kind.ONE, body)
        if isinstance(fault := judged.events[0], Fault):
            raise EventRefused(reason=fault.reason, found=fault.detail)
        dropped = await intake.keep(Kind.ONE, body, judged, player=_player(caller.principal), agent=caller.user_agent)
        return _SAMPLED if any(dropped) else _ACCEPTED

    @post("/v1/events/batch", opt=ours, status_code=202)
    async def event_send_batch(*, caller: Caller, reader: BodyReader) -> BatchResult:
        """Send many events at once, compressed by gzip or zstd. Each has its own result; a bad one spoils no other."""
        body = await _body(intake, reader)
        judged = await intake.judged(Kind.BATCH, body)
        dropped = await intake.keep(Kind.BATCH, body, judged, player=_player(caller.principal), agent=caller.user_agent)
        return _results(judged.events, dropped)

    async def event_send_posthog(
        *,
        caller: Caller,
        reader: BodyReader,
        compression: str = "",
        ip: str = "",
        ver: str = "",
        retry_count: str = "",
        sent: Annotated[str, Parameter(query="_")] = "",
    ) -> PostHogResult:
        """Take what PostHog's clients send. Their project's key is an ingest key, wherever they put it.

        What they put into the address is not needed: how a body is packed, its first bytes tell.
        """
        body = await _body(intake, reader)
        judged = await intake.judged(Kind.POSTHOG, body)
        key = _key_in(judged)
        principal = verifier.verify(key) if key else caller.principal
        if not principal.may(Scope.TELEMETRY_WRITE):
            raise NotAWriter
        await intake.keep(Kind.POSTHOG, body, judged, player=_player(principal), agent=caller.user_agent)
        return PostHogResult()

    opt = open_to_all(body_bytes_max=bytes_max, refusals=(*_WHOLE, NotAWriter))
    theirs = [
        post(path, opt=opt, status_code=200, include_in_schema=path == POSTHOG[0])(event_send_posthog)
        for path in POSTHOG
    ]
    return [event_send, event_send_batch, *theirs]


async def _body(intake: Intake, reader: BodyReader) -> bytes:
    """The body as it will be kept; nothing is read where it would have to be put off anyway."""
    intake.require_room()
    body = await reader.whole()
    return from_form(body) if body.startswith(_FORM) else body


def _player(principal: Principal) -> UUID | None:
    """The player whose events alone a caller writes; None with an ingest key, whose bearer names the players."""
    return None if principal.sid is None else principal.account_id


def _key_in(body: Body) -> str:
    """The key that a body tells, or the properties of its first event do; empty without one."""
    if body.key or not body.events:
        return body.key
    first = body.events[0]
    token = first.properties.get("token") if isinstance(first, Incoming) and first.properties else None
    return token if isinstance(token, str) else ""


def _results(events: Sequence[Incoming | Fault], dropped: Sequence[bool]) -> BatchResult:
    results = [
        EventResult(status="refused", reason=event.reason, found=event.detail)
        if isinstance(event, Fault)
        else _ACCEPTED
        for event in events
    ]
    refused = sum(result is not _ACCEPTED for result in results)
    if dropped:
        results = [_SAMPLED if is_dropped else result for result, is_dropped in zip(results, dropped, strict=True)]
    sampled = sum(dropped)
    return BatchResult(accepted=len(results) - refused - sampled, refused=refused, sampled=sampled, results=results)
