"""The checks of the machine: clock, open files, memory, ports."""

from __future__ import annotations

import errno
import resource
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import psutil

from overworld.app.addresses import Addresses
from overworld.app.doctor.findings import Finding, ok, problem, warning
from overworld.app.settings import Settings

# No build of this version is older, so a clock that stands before it is wrong.
NOT_BEFORE = datetime(2026, 11, 1, tzinfo=UTC)
_OPEN_FILES_BESIDE = 256  # the database, logs, listeners, libraries
_MEMORY_BESIDE_MIB = 400
_MEMORY_MIN_MIB = 200


def clock(now: datetime) -> Finding:
    """Whether the clock can be right at all."""
    found = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now >= NOT_BEFORE:
        return ok("clock", found)
    return problem("clock", f"{found}, which is before this build was made", "set the clock, and let NTP keep it right")


def open_files(settings: Settings) -> Finding:
    """Whether the process may hold as many connections open as it is set to accept."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.realtime.connections_max + _OPEN_FILES_BESIDE
    if most == resource.RLIM_INFINITY or most >= wanted:
        allowed = "any number" if most == resource.RLIM_INFINITY else str(most)
        return ok("open files", f"{allowed} allowed, {wanted} needed for realtime.connections_max")
    return warning(
        "open files",
        f"{most} allowed, {wanted} needed for realtime.connections_max = {settings.realtime.connections_max}",
        f"allow more (ulimit -n {wanted}; systemd: LimitNOFILE), or lower realtime.connections_max",
    )


def memory(settings: Settings) -> Finding:
    """Whether there is room for the server, and for PostgreSQL's cache where it runs beside it."""
    available_mib = psutil.virtual_memory().available >> 20
    wanted_mib = _MEMORY_BESIDE_MIB + (0 if settings.database.dsn else settings.database.shared_buffers_mb)
    found = f"{available_mib} MiB available, {wanted_mib} MiB are good to have"
    if available_mib >= wanted_mib:
        return ok("memory", found)
    advice = "stop something else"
    if not settings.database.dsn:
        advice += f", or lower database.shared_buffers_mb ({settings.database.shared_buffers_mb})"
    return (problem if available_mib < _MEMORY_MIN_MIB else warning)("memory", found, advice)


def ports(settings: Settings, ours: Addresses | None) -> Iterator[Finding]:
    """Whether each port is free, or who has it; a server that runs on our data folder may."""
    for name, at, where in (
        ("http", settings.http, ours and ours.http),
        ("realtime", settings.realtime, ours and ours.realtime),
        ("operations", settings.operations, ours and ours.operations),
    ):
        yield _port(name, at.host, at.port, ours=ours if ours and where and urlsplit(where).port == at.port else None)


def _port(name: str, host: str, port: int, *, ours: Addresses | None) -> Finding:
    check = f"port {name}"
    if port == 0:
        return ok(check, "any free port")
    if ours is not None:
        return ok(check, f"{port} is held by our own server, process {ours.pid}")
    try:
        _try(host, port)
    except OSError as error:
        return _not_free(check, name, host, port, error)
    return ok(check, f"{port} on {host} is free")


def _try(host: str, port: int) -> None:
    """Takes the port for a moment, as the server would. Raises: OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _not_free(check: str, name: str, host: str, port: int, error: OSError) -> Finding:
    if error.errno == errno.EADDRINUSE:
        advice = f"stop that one, or choose another port: --{name}-port"
        return problem(check, f"{port} on {host} is taken by {_holder(port)}", advice)
    if error.errno == errno.EACCES:
        return problem(check, f"{port} on {host} may not be opened by this user", "choose a port above 1023")
    advice = f"set {name}.host to an address of this machine, such as 127.0.0.1"
    return problem(check, f"{host}:{port} cannot be listened on: {error.strerror or error}", advice)


def _holder(port: int) -> str:
    """Who listens on a port, as far as this user may know."""
    try:
        held = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
        pid = next((each.pid for each in held if each.laddr.port == port and each.pid), None)
        if pid is not None:
            return f"process {pid} ({psutil.Process(pid).name()})"
    except psutil.Error:
        return "another program (this user may not see which)"
    return "another program"
