"""Runs ASGI applications by uvicorn inside a loop that is already there, and drains them when their time is up."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
import uvicorn
from msgspec import Struct

from overworld.platform.http.connections import bounded_protocol
from overworld.platform.http.settings import HttpSettings

_BACKLOG = 2_048


class CannotListen(Exception):
    """An address cannot be listened on; the message says which and what to do, for whoever starts the server."""


class Serving(Struct, frozen=True):
    """A server that listens. `port` is the real one, also when 0 was asked for."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Where it answers, as `http://127.0.0.1:7400`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


@asynccontextmanager
async def serving(app: Any, *, settings: HttpSettings, name: str = "http") -> AsyncIterator[Serving]:
    """Serves an ASGI application on `settings.host` and `settings.port` for as long as the block runs.

    Leaving the block stops accepting, lets requests in flight finish for up to `settings.drain_s`, cancels the rest
    and closes. Signals are left to the caller. Raises: CannotListen when the address is taken or not ours.
    """
    listener = _listen(settings.host, settings.port, name=name, shared=settings.reuse_port)
    port: int = listener.getsockname()[1]
    server = uvicorn.Server(_config(app, settings))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[listener])
    ticking = asyncio.create_task(server.main_loop(), name=f"{name} server")
    log = structlog.get_logger("overworld.server")
    log.info("listening", server=name, host=settings.host, port=port)
    try:
        yield Serving(settings.host, port)
    finally:
        server.should_exit = True
        await ticking
        await server.shutdown(sockets=[listener])
        log.info("closed", server=name, port=port)


def _config(app: Any, settings: HttpSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=bounded_protocol(settings),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.drain_s,  # type: ignore[arg-type]
    )


def look_at(host: str, port: int, *, name: str, shared: bool = False) -> None:
    """Finds out whether an address could be listened on now; nobody can connect meanwhile. Raises: CannotListen."""
    _bound(host, port, name=name, shared=shared).close()


def _listen(host: str, port: int, *, name: str, shared: bool) -> socket.socket:
    listener = _bound(host, port, name=name, shared=shared)
    try:
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise CannotListen(_reason(error, host, port, name=name)) from error
    return listener


def _bound(host: str, port: int, *, name: str, shared: bool) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CannotListen(f"{host} is no address of this machine for {name}: {reason}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise CannotListen(_reason(error, host, port, name=name)) from error
    return listener


def _reason(error: OSError, host: str, port: int, *, name: str) -> str:
    place = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} for {name} on {host} is taken by another program. Stop that one, or choose another port with "
            f"--{name}-port or OVERWORLD_{name.upper()}__PORT."
        )
    if error.errno == errno.EACCES:
        return f"{place} for {name} is not ours to open: ports below 1024 need privileges. Choose a higher port."
    return f"{place} for {name} cannot be listened on: {error.strerror}."
