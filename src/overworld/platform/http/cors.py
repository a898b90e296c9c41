"""Which pages of other origins may call us (the Fetch standard's CORS protocol); none unless set."""

from __future__ import annotations

from collections.abc import Sequence

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS = b"authorization, content-type, idempotency-key, if-match, if-none-match, traceparent"
_REPLY_HEADERS = (
    b"etag, idempotency-replayed, ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after, "
    b"traceparent, x-request-id"
)
_PREFLIGHT_AGE_S = b"600"


class Cors:
    """Answers for the origins in the settings. They bring bearer tokens: cookies are for our own pages.

    So no reply ever says `Access-Control-Allow-Credentials`, and no preflight allows the headers of such sessions.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    def reply_headers(self, origin: bytes | None) -> list[tuple[bytes, bytes]]:
        """The headers a reply to this origin carries; only `Vary` for an origin that is not allowed."""
        if not self._origins:
            return []
        vary = (b"vary", b"Origin")
        if origin is None or not self._allows(origin):
            return [vary]
        return [vary, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", _REPLY_HEADERS)]

    def preflight_headers(self, origin: bytes) -> list[tuple[bytes, bytes]]:
        """What the reply to a preflight carries beside `reply_headers`."""
        if not self._allows(origin):
            return []
        return [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _REQUEST_HEADERS),
            (b"access-control-max-age", _PREFLIGHT_AGE_S),
        ]

    def _allows(self, origin: bytes) -> bool:
        return self._any or origin in self._origins
