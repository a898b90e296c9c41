"""The part of S3 that is used, as a server on loopback that checks every signature by itself.

Source: Signature Version 4, "Authenticating Requests (AWS Signature Version 4)" in the Amazon S3 API Reference.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from msgspec import Struct

_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/]+)/(?P<scope>(?P<day>\d{8})/(?P<region>[^/]+)/s3/aws4_request), ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_KEYS = re.compile("<Key>([^<]*)</Key>")


class Bucket(Struct):
    """A bucket that a server has, who may use it, and what is in it: content and media type by path."""

    key_id: str
    key_secret: str
    region: str
    kept: dict[str, tuple[bytes, str]] = {}
    broken: bool = False
    endpoint: str = ""


@contextmanager
def s3_server(bucket: Bucket) -> Iterator[Bucket]:
    """Serves the bucket until the block ends; `endpoint` says where."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"bucket": bucket}))
    bucket.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield bucket
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket: Bucket

    def do_PUT(self) -> None:
        if (body := self._allowed()) is not None:
            self.bucket.kept[self.path] = body, self.headers.get("content-type", "")
            self._answer(200)

    def do_GET(self) -> None:
        if self._allowed() is None:
            return
        found = self.bucket.kept.get(self.path)
        self._answer(404 if found is None else 200, *(found or ()))

    def do_POST(self) -> None:
        """DeleteObjects: the keys stand in the body, and what is not there counts as deleted."""
        if (body := self._allowed()) is None:
            return
        keys = _KEYS.findall(body.decode())
        for key in keys:
            self.bucket.kept.pop(f"{urlsplit(self.path).path.rstrip('/')}/{key}", None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode(), "application/xml")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""

    def _allowed(self) -> bytes | None:
        """The request's body; None, after a refusal, when the request is not signed as it should be."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.bucket.broken or not self._is_signed(body):
            self._answer(501 if self.bucket.broken else 403)
            return None
        return body

    def _is_signed(self, body: bytes) -> bool:
        signed = _SIGNED.fullmatch(self.headers.get("authorization", ""))
        digest = self.headers.get("x-amz-content-sha256", "")
        if signed is None or digest not in (hashlib.sha256(body).hexdigest(), "UNSIGNED-PAYLOAD"):
            return False
        is_right = hmac.compare_digest(signed["signature"], self._signature(signed, digest))
        return is_right and signed["id"] == self.bucket.key_id

    def _signature(self, signed: re.Match[str], digest: str) -> str:
        parts = urlsplit(self.path)
        names = signed["headers"].split(";")
        query = "&".join(part if "=" in part else f"{part}=" for part in sorted(parts.query.split("&")) if part)
        headers = "".join(f"{name}:{' '.join((self.headers[name] or '').split())}\n" for name in names)
        asked = "\n".join([self.command, parts.path, query, headers, signed["headers"], digest])
        hashed = hashlib.sha256(asked.encode()).hexdigest()
        wanted = "\n".join(["AWS4-HMAC-SHA256", self.headers["x-amz-date"], signed["scope"], hashed])
        key = f"AWS4{self.bucket.key_secret}".encode()
        for part in (signed["day"], self.bucket.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, wanted.encode(), "sha256").hex()

    def _answer(self, status: int, body: bytes = b"", media_type: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Mon, 01 Jun 2026 12:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
