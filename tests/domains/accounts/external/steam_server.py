"""A provider of OpenID 2.0 on loopback that speaks as Steam does: signs what it says, and confirms each thing once."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex
from threading import Thread
from urllib.parse import parse_qsl

NAMESPACE = "http://specs.openid.net/auth/2.0"
SIGNED = ("signed", "op_endpoint", "claimed_id", "identity", "return_to", "response_nonce", "assoc_handle")


class SteamServer:
    """What it knows: a key for its signatures, and which of its answers were confirmed."""

    def __init__(self, port: int) -> None:
        self.root = f"http://127.0.0.1:{port}/openid"
        self._key = token_hex(16).encode()
        self._confirmed: set[str] = set()

    def answer(self, asked: dict[str, str], *, steam_id: str, at: datetime) -> dict[str, str]:
        """The fields that somebody's browser brings back who signed in as `steam_id`."""
        identity = f"{self.root}/id/{steam_id}"
        fields = {
            "openid.ns": NAMESPACE,
            "openid.mode": "id_res",
            "openid.op_endpoint": f"{self.root}/login",
            "openid.claimed_id": identity,
            "openid.identity": identity,
            "openid.return_to": asked["openid.return_to"],
            "openid.response_nonce": f"{at:%Y-%m-%dT%H:%M:%SZ}{token_hex(8)}",
            "openid.assoc_handle": "1234567890",
            "openid.signed": ",".join(SIGNED),
        }
        return fields | {"openid.sig": self._signature(fields)}

    def is_valid(self, fields: dict[str, str]) -> bool:
        """Whether it said this, and has not confirmed it before."""
        nonce = fields.get("openid.response_nonce", "")
        said = (
            hmac.compare_digest(self._signature(fields), fields.get("openid.sig", "")) and nonce not in self._confirmed
        )
        self._confirmed.add(nonce)
        return said and fields.get("openid.mode") == "check_authentication"

    def _signature(self, fields: dict[str, str]) -> str:
        names = fields.get("openid.signed", "").split(",")
        lines = "".join(f"{name}:{fields.get(f'openid.{name}', '')}\n" for name in names)
        return hmac.digest(self._key, lines.encode(), "sha1").hex()


@contextmanager
def running() -> Iterator[SteamServer]:
    """The provider, ended with the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            answer = f"ns:{NAMESPACE}\nis_valid:{str(steam.is_valid(dict(parse_qsl(body)))).lower()}\n".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nobody reads along."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    steam = SteamServer(server.server_port)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield steam
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
