"""The headers every reply carries, against browsers that would guess, frame, leak or run what we send."""

from __future__ import annotations

_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_UNLESS_SET = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}
CONSTANT = frozenset(
    {
        *_ALWAYS,
        _HSTS,
        *_UNLESS_SET.items(),
        (b"cache-control", b"private, no-cache"),
        (b"content-type", b"application/json"),
        (b"content-type", b"application/problem+json"),
    }
)
"""What many replies say in the same words."""


class ReplyHeaders:
    """Completes the headers of replies; `lines` are those of a reply that sets none of them itself.

    `tls` says that clients reach us by HTTPS.
    """

    def __init__(self, *, tls: bool) -> None:
        self._always = [*_ALWAYS, _HSTS] if tls else list(_ALWAYS)
        self._all = [*self._always, *_UNLESS_SET.items()]
        self.lines = b"".join(b"%b: %b\r\n" % pair for pair in self._all)

    def completed(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The headers with ours after them; a policy that the handler has set is left as it is."""
        given = {name for name, _ in headers}
        if given.isdisjoint(_UNLESS_SET):
            return headers + self._all
        defaults = [(name, value) for name, value in _UNLESS_SET.items() if name not in given]
        return [*headers, *self._always, *defaults]
