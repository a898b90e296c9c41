"""How answers and errors are written. Source: GraphQL over HTTP, sections 6 and 7."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from msgspec import Struct

from overworld.kernel.refusals import Refusal
from overworld.platform.http.problems import REASON_LENGTH_MAX, refusal_of

if TYPE_CHECKING:
    from graphql import ExecutionResult, GraphQLError

RESPONSE_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"
ERRORS_MAX = 20


class Outcome(Struct, frozen=True, kw_only=True):
    """What a document got. `refusal` is the first one in it; `is_answered` is False where nothing was executed."""

    body: bytes
    refusal: Refusal | None = None
    is_answered: bool = True


def outcome_of(result: ExecutionResult, *, trace_id: str | None, invalid: type[Refusal]) -> Outcome:
    """The answer of an execution; its own errors, as of a variable of the wrong type, are `invalid`."""
    errors = (result.errors or [])[:ERRORS_MAX]
    refusals = [_refusal_of(error, invalid, trace_id=trace_id) for error in errors]
    told: dict[str, Any] = {}
    if errors:
        told["errors"] = [
            _told(error, refusal, trace_id=trace_id) for error, refusal in zip(errors, refusals, strict=True)
        ]
    is_answered = result.data is not None
    if is_answered or not errors:
        told["data"] = result.data
    return Outcome(body=msgspec.json.encode(told), refusal=refusals[0] if refusals else None, is_answered=is_answered)


def refused(refusal: Refusal, *, trace_id: str | None, faults: Sequence[GraphQLError] = ()) -> Outcome:
    """What a document gets that is not executed: an error for each fault, else the refusal alone."""
    errors = [_told(fault, refusal, trace_id=trace_id) for fault in faults[:ERRORS_MAX]]
    errors = errors or [{"message": str(refusal), "extensions": _extensions(refusal, trace_id)}]
    return Outcome(body=msgspec.json.encode({"errors": errors}), refusal=refusal, is_answered=False)


def media_type(accept: str) -> str:
    """The media type of an answer: the one that is accepted rather; without a word `application/graphql-response+json`.

    Clients from before that type know `application/json` alone, with which every document is answered by 200.
    """
    wished = dict(_wished(each) for each in accept.lower().split(","))
    plain = wished.get(PLAIN_JSON, 0.0)
    return PLAIN_JSON if plain > wished.get(RESPONSE_JSON, 0.0) else RESPONSE_JSON


def accepts_events(accept: str) -> bool:
    """Whether a client takes a stream of events."""
    wished = dict(_wished(each) for each in (accept or "*/*").lower().split(","))
    return max(wished.get(name, 0.0) for name in ("text/event-stream", "text/*", "*/*")) > 0


def _wished(part: str) -> tuple[str, float]:
    name, *parameters = (each.strip() for each in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0


def _cause(error: Any) -> Exception | None:
    """What was raised by a field of ours; None for what the library itself says, also of what it says of itself."""
    while hasattr(error, "original_error"):
        error = error.original_error
    cause: Exception | None = error
    return cause


def _refusal_of(error: GraphQLError, invalid: type[Refusal], *, trace_id: str | None) -> Refusal:
    original = _cause(error)
    if original is None:
        return invalid(error.message[:REASON_LENGTH_MAX])
    refusal = refusal_of(original)
    if refusal is not original:
        structlog.get_logger("overworld.graphql").error("bug", exc_info=original, trace_id=trace_id)
    return refusal


def _told(error: GraphQLError, refusal: Refusal, *, trace_id: str | None) -> dict[str, Any]:
    is_ours = _cause(error) is not None
    told: dict[str, Any] = {"message": str(refusal) if is_ours else error.message[:REASON_LENGTH_MAX]}
    if error.locations:
        told["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path is not None:
        told["path"] = list(error.path)
    return told | {"extensions": _extensions(refusal, trace_id)}


def _extensions(refusal: Refusal, trace_id: str | None) -> dict[str, Any]:
    told = {"code": refusal.code, "status": refusal.status, "retryable": refusal.retryable}
    return refusal.public_fields() | told | ({} if trace_id is None else {"trace_id": trace_id})
