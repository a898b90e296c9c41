"""One request on its way through the edge: what was found out about it, for handlers, logs and measures."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar.types import Scope

from overworld.kernel.tracing import Trace
from overworld.platform.http.caller import Caller

_KEY = "overworld.exchange"


class Exchange:
    """A request and what becomes of it. The edge owns it; `refusal_code` is set by whoever renders a refusal.

    `caller` is there from the moment the request is passed on; `account` stays None without a valid token. `answered_s`
    is when an answer began that takes its time, by `perf_counter`.
    """

    __slots__ = (
        "account",
        "answered_s",
        "caller",
        "head",
        "method",
        "refusal_code",
        "refusal_fields",
        "reply_headers",
        "status",
        "trace",
    )

    caller: Caller

    def __init__(self, *, method: str, head: dict[bytes, bytes], trace: Trace) -> None:
        self.method = method
        self.head = head
        self.trace = trace
        self.account: UUID | None = None
        self.status = 0
        self.answered_s: float | None = None
        self.reply_headers: list[tuple[bytes, bytes]] = []
        self.refusal_code: str | None = None
        self.refusal_fields: dict[str, Any] = {}


def attach(scope: Scope, exchange: Exchange) -> None:
    """Lets everything inside find the exchange of this request."""
    scope[_KEY] = exchange  # type: ignore[literal-required]


def exchange_of(scope: Scope) -> Exchange:
    """The exchange of this request. Raises: KeyError when the edge is not around the application."""
    exchange: Exchange = scope[_KEY]  # type: ignore[literal-required]
    return exchange
