"""`/openapi.json`, and `/docs`: a page that lists the operations and sends requests, without loading from elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.resources import files
from threading import Lock
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from overworld.platform.http.access import open_to_all

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
}
_PARTS = {"/docs": ("page.html", "text/html"), "/docs/page.js": ("page.js", "text/javascript")}
_PARTS |= {"/docs/page.css": ("page.css", "text/css")}


def docs_routes(document: Callable[[], dict[str, Any]]) -> list[HTTPRouteHandler]:
    """The handlers that serve an OpenAPI document and the page to try it.

    The document is made when it is first asked for: that takes half a second, and few servers are ever asked.
    """
    folder = files("overworld.platform.http") / "docs_page"
    parts = [
        _constant(path, (folder / name).read_bytes(), media_type=media_type, headers=_HEADERS)
        for path, (name, media_type) in _PARTS.items()
    ]
    encoded = _Encoded(document)

    @get("/openapi.json", opt=open_to_all(), include_in_schema=False)
    async def openapi() -> Response[bytes]:
        return Response(encoded.content or await asyncio.to_thread(encoded.make), media_type="application/json")

    return [openapi, *parts]


class _Encoded:
    """A document as JSON: `content` is empty until it was made."""

    def __init__(self, document: Callable[[], dict[str, Any]]) -> None:
        self._document = document
        self._lock = Lock()
        self.content = b""

    def make(self) -> bytes:
        """Makes it once, however many ask at the same time."""
        with self._lock:
            self.content = self.content or msgspec.json.encode(self._document())
            return self.content


def _constant(path: str, content: bytes, *, media_type: str, headers: dict[str, str] | None = None) -> HTTPRouteHandler:
    @get(path, opt=open_to_all(), include_in_schema=False, sync_to_thread=False)
    def constant() -> Response[bytes]:
        return Response(content, media_type=media_type, headers=headers)

    return constant
