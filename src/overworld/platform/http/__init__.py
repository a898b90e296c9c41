"""The HTTP edge: what routes are written with, and what turns them into an application.

Routes are Litestar handlers with msgspec Structs. They declare who may call them (`needs`, `open_to_all`), take
`caller: Caller`, `idempotency_key: str | None`, `trace_id: str` and `reader: BodyReader` by name, and raise refusals; everything else that
HTTP asks for happens here, once.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.platform.http.access import needs, open_to_all, renews_session
    from overworld.platform.http.bodies import BodyReader
    from overworld.platform.http.browser import Browser, CsrfTokens
    from overworld.platform.http.build import build_http
    from overworld.platform.http.caller import Caller, KeyScopes
    from overworld.platform.http.paging import CursorQuery, LimitQuery, Page, decode_cursor, encode_cursor
    from overworld.platform.http.replies import UNCHANGED, etag_of, etag_reply, keyed_reply, require_match
    from overworld.platform.http.server import CannotListen, Serving, serving
    from overworld.platform.http.settings import HttpSettings, LimitSettings
else:
    __getattr__ = door(
        __name__,
        access=["needs", "open_to_all", "renews_session"],
        bodies=["BodyReader"],
        browser=["Browser", "CsrfTokens"],
        build=["build_http"],
        caller=["Caller", "KeyScopes"],
        paging=["CursorQuery", "LimitQuery", "Page", "decode_cursor", "encode_cursor"],
        replies=["UNCHANGED", "etag_of", "etag_reply", "keyed_reply", "require_match"],
        server=["CannotListen", "Serving", "serving"],
        settings=["HttpSettings", "LimitSettings"],
    )

__all__ = [
    "UNCHANGED",
    "BodyReader",
    "Browser",
    "Caller",
    "CannotListen",
    "CsrfTokens",
    "CursorQuery",
    "HttpSettings",
    "KeyScopes",
    "LimitQuery",
    "LimitSettings",
    "Page",
    "Serving",
    "build_http",
    "decode_cursor",
    "encode_cursor",
    "etag_of",
    "etag_reply",
    "keyed_reply",
    "needs",
    "open_to_all",
    "renews_session",
    "require_match",
    "serving",
]
