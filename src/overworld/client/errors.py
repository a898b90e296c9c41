"""How a call ends when it does not end well."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """The server said no: the problem object, with its public members in `members`."""

    def __init__(self, problem: dict[str, Any]) -> None:
        self.code = str(problem.get("code", "unknown"))
        self.status = int(problem.get("status", 0))
        self.title = str(problem.get("title", self.code))
        self.detail: str | None = problem.get("detail")
        self.retryable = bool(problem.get("retryable", False))
        self.trace_id: str | None = problem.get("trace_id")
        self.members = problem
        super().__init__(f"{self.code}: {self.detail or self.title}")


class Unreachable(Exception):
    """The server did not answer, or what answered is not this server. Nobody knows whether the call had its effect."""


class Closed(Exception):
    """The socket has ended. `code` is None when the line was cut without a close frame."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(f"socket closed: {code or 'line cut'} {reason}".rstrip())
        self.code = code
        self.reason = reason


class Malformed(Exception):
    """What a server sent is not what the protocol says; the message tells where. The connection is given up."""
