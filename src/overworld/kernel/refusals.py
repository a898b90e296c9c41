"""How the product says no.

A **refusal** is an expected answer: it has a stable code, an HTTP status and a few public fields, and is logged at
info. A **fault** is a dependency that failed: 503, and worth another try. Anything else that is raised is a bug.
Refusals are raised by rules and services and rendered once per transport, always as the same object (RFC 9457).
"""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import UNSET, Struct, UnsetType


class Refusal(Exception):
    """The base of every expected "no". Subclasses set `code`, `status`, and which fields clients may see.

    The first line of a subclass's docstring is the title that clients read. Fields given by keyword are kept for
    logs; only those named in `public` reach the client. Codes are `domain.situation`, unique, and never reused.
    """

    code: ClassVar[str] = ""
    status: ClassVar[int] = 400
    retryable: ClassVar[bool] = False
    public: ClassVar[tuple[str, ...]] = ()

    registry: ClassVar[dict[str, type[Refusal]]] = {}

    replayed: bool = False
    """Whether this is the stored answer of an earlier try under the same idempotency key."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        code = cls.__dict__.get("code")
        if code is None:
            return
        known = Refusal.registry.setdefault(code, cls)
        if known.__qualname__ != cls.__qualname__ or known.__module__ != cls.__module__:
            raise TypeError(f"refusal code {code!r} is already used by {known.__module__}.{known.__qualname__}")
        if not cls.__doc__:
            raise TypeError(f"{cls.__qualname__} needs a docstring: its first line is the title clients read")

    def __init__(self, detail: str | None = None, /, **fields: Any) -> None:
        super().__init__(detail or self.title())
        self.detail = detail
        self.fields = fields

    @classmethod
    def title(cls) -> str:
        """The first line of the docstring, without its full stop."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0].rstrip(".")

    def public_fields(self) -> dict[str, Any]:
        """The fields a client may see, in the declared order; absent ones are left out."""
        return {name: self.fields[name] for name in self.public if name in self.fields}


class Fault(Refusal):
    """Something we depend on is not answering; try again shortly."""

    code = "platform.unavailable"
    status = 503
    retryable = True


class Busy(Refusal):
    """The server is taking no more of this for the moment; try again shortly."""

    code = "platform.busy"
    status = 503
    retryable = True


class Problem(Struct, frozen=True, kw_only=True):
    """The one error object of every transport. Source: RFC 9457, with `code`, `retryable` and `trace_id` added.

    `public` holds the refusal's own members; transports write them beside the others (`encode_problem`).
    """

    type: str
    title: str
    status: int
    code: str
    retryable: bool
    detail: str | UnsetType = UNSET
    trace_id: str | UnsetType = UNSET
    public: dict[str, Any] = {}

    def as_dict(self) -> dict[str, Any]:
        """The object as it goes on the wire: the public members stand beside the standard ones."""
        members: dict[str, Any] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "retryable": self.retryable,
        }
        if self.detail is not UNSET:
            members["detail"] = self.detail
        if self.trace_id is not UNSET:
            members["trace_id"] = self.trace_id
        return self.public | members


def problem(refusal: Refusal, *, trace_id: str | None = None) -> Problem:
    """The problem object that a client gets for a refusal. What a fault says of itself, addresses and folders among it,
    is for the log.
    """
    detail = None if isinstance(refusal, Fault) else refusal.detail
    return Problem(
        type=f"urn:overworld:problem:{refusal.code}",
        title=refusal.title(),
        status=refusal.status,
        code=refusal.code,
        retryable=refusal.retryable,
        detail=detail or UNSET,
        trace_id=trace_id or UNSET,
        public=refusal.public_fields(),
    )


def refusal_from(code: str, *, detail: str | None = None, fields: dict[str, Any] | None = None) -> Refusal:
    """The refusal that was stored under an idempotency key, made again from its code and public fields.

    Raises: KeyError when no refusal has this code.
    """
    return Refusal.registry[code](detail, **(fields or {}))
