"""Trace ids: taken over from the caller when it brings a valid one, made here otherwise."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")
_SAMPLED = b"01"


class Trace(NamedTuple):
    """One request's place in a trace: 32 and 16 lower-case hexadecimal digits, and the flags to pass on."""

    trace_id: str
    span_id: str
    flags: bytes

    def traceparent(self) -> bytes:
        """The header value by which others go on from here."""
        return b"00-%b-%b-%b" % (self.trace_id.encode(), self.span_id.encode(), self.flags)


def trace_of(traceparent: bytes | None) -> Trace:
    """The trace that a `traceparent` header continues; a new one when there is none or it is not valid.

    Source: W3C Trace Context, section 3.2 (versions above 00 are read by their first four fields).
    """
    span_id = os.urandom(8).hex()
    known = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if known is None or (traceparent and traceparent.startswith(b"00") and len(traceparent) != _VERSION_00_LENGTH):
        return Trace(os.urandom(16).hex(), span_id, _SAMPLED)
    return Trace(known[1].decode(), span_id, known[2])


_VERSION_00_LENGTH = 55
