"""The operations application: health and metrics, on a port of its own that the public does not reach."""

from __future__ import annotations

from typing import Any

import msgspec

from overworld.platform.observability.health import HealthChecks
from overworld.platform.observability.metrics import CONTENT_TYPE, Metrics

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_OK = 200
_NOT_FOUND = 404
_METHOD_NOT_ALLOWED = 405
_UNAVAILABLE = 503


class OperationsApp:
    """Answers `/healthz` (alive), `/readyz` (takes traffic), `/health` (each part) and `/metrics`; plain ASGI."""

    def __init__(self, *, health: HealthChecks, metrics: Metrics) -> None:
        self._health = health
        self._metrics = metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            status, media_type, body = await self._reply(scope["method"], scope["path"])
            headers = [
                (b"content-type", media_type.encode()),
                (b"content-length", b"%d" % len(body)),
                (b"cache-control", b"no-store"),
                (b"x-content-type-options", b"nosniff"),
            ]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _reply(self, method: str, path: str) -> tuple[int, str, bytes]:
        if method not in {"GET", "HEAD"}:
            return _METHOD_NOT_ALLOWED, _TEXT, b"GET only\n"
        if path == "/healthz":
            return _OK, _TEXT, b"alive\n"
        if path == "/metrics":
            return _OK, CONTENT_TYPE, self._metrics.render()
        if path not in {"/readyz", "/health"}:
            return _NOT_FOUND, _TEXT, b"/healthz /readyz /health /metrics\n"
        health = await self._health.look()
        status = _OK if health.ready else _UNAVAILABLE
        if path == "/health":
            return status, _JSON, msgspec.json.encode(health)
        return status, _TEXT, b"ready\n" if health.ready else b"draining\n" if health.draining else b"not ready\n"
