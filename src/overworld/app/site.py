"""The live map's page at `/`: the bundle that `script/web build` makes of `web/` and that is committed here."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld.kernel.refusals import Refusal
from overworld.platform.http import open_to_all

_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = "index.html"
_FOREVER = "public, max-age=2592000, immutable"
_NOT_MODIFIED = 304
_TYPES = {
    "bin": "application/octet-stream",
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "mjs": "text/javascript",
    "svg": "image/svg+xml",
}
_PACKED_BYTES_MIN = 1_024


class NoSuchFile(Refusal):
    """The page has no such file; a page that was loaded before an upgrade has to be loaded again."""

    code = "site.no_such_file"
    status = 404


class _File(Struct, frozen=True):
    content: bytes
    packed: bytes | None
    media_type: str
    etag: str


def routes() -> list[HTTPRouteHandler]:
    """The handlers: the page, and the files it names. A file is read and packed when it is first asked for."""
    bundle = files("overworld.app") / "site_bundle"
    parts = {part.name: part for part in (bundle / "site").iterdir()}
    page = _read(bundle / _PAGE)

    @cache
    def read(name: str) -> _File:
        return _read(parts[name])

    @get("/", opt=open_to_all(), include_in_schema=False, sync_to_thread=False)
    def live_map(request: Request[Any, Any, Any]) -> Response[bytes]:
        # A 304 carries the policy too: a browser replaces the headers that it kept with those.
        headers = {"Cache-Control": "no-cache", "ETag": page.etag, "Content-Security-Policy": _POLICY}
        if request.headers.get("if-none-match") == page.etag:
            return Response(b"", status_code=_NOT_MODIFIED, headers=headers)
        return _reply(page, request.headers, headers)

    @get("/site/{name:str}", opt=open_to_all(refusals=(NoSuchFile,)), include_in_schema=False, sync_to_thread=True)
    def live_map_file(request: Request[Any, Any, Any], name: str) -> Response[bytes]:
        """Names carry a hash of what is in them, so a browser need not ask twice. Raises: NoSuchFile."""
        if name not in parts:
            raise NoSuchFile
        # A worker runs under the policy that its own file came with.
        return _reply(read(name), request.headers, {"Cache-Control": _FOREVER, "Content-Security-Policy": _POLICY})

    return [live_map, live_map_file]


def _read(part: Traversable) -> _File:
    content = part.read_bytes()
    media_type = _TYPES[part.name.rpartition(".")[2]]
    packed = gzip.compress(content, mtime=0) if len(content) >= _PACKED_BYTES_MIN else None
    return _File(content, packed, media_type, f'"{sha256(content).hexdigest()[:32]}"')


def _reply(file: _File, asked: Mapping[str, str], headers: dict[str, str]) -> Response[bytes]:
    packs = file.packed is not None and "gzip" in asked.get("accept-encoding", "")
    if packs:
        headers["Content-Encoding"] = "gzip"
    body = file.packed if packs and file.packed is not None else file.content
    return Response(body, media_type=file.media_type, headers=headers | {"Vary": "Accept-Encoding"})
