"""The HTTP edge: what routes are written with, and what turns them into an application.

Routes are Litestar handlers with msgspec Structs. They declare who may call them (`needs`, `open_to_all`), take
`caller: Caller`, `idempotency_key: str | None` and `trace_id: str` by name, and raise refusals; everything else that
HTTP asks for happens here, once.
"""

from overworld.platform.http.access import needs, open_to_all
from overworld.platform.http.caller import Caller, KeyScopes
from overworld.platform.http.paging import CursorQuery, LimitQuery, Page, decode_cursor, encode_cursor
from overworld.platform.http.replies import keyed_reply

__all__ = [
    "Caller",
    "CursorQuery",
    "KeyScopes",
    "LimitQuery",
    "Page",
    "decode_cursor",
    "encode_cursor",
    "keyed_reply",
    "needs",
    "open_to_all",
]
