"""All checks in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

from overworld.app.doctor import build, folder, machine
from overworld.app.doctor.findings import Finding, ok, problem, warning
from overworld.app.game import GameErrors, check, found
from overworld.app.settings import Settings
from overworld.app.settings_sources import BadSettings, Resolved
from overworld.kernel.clock import SystemClock


def findings(read: Callable[[], Resolved[Settings]], *, environment: Mapping[str, str]) -> Iterator[Finding]:
    """The outcome of each check as it comes; `read` loads the settings. Without them only the machine is looked at."""
    clock = SystemClock()
    yield build.python()
    yield build.packages()
    yield machine.clock(clock.now())
    try:
        settings = read().tree
    except BadSettings as bad:
        for fault in bad.faults:
            yield problem("settings", str(fault), "mend it; `overworld config show` prints what is in force then")
        yield warning("settings", "what depends on them was not looked at", "mend the settings, and ask again")
        return
    yield from _of(settings, environment=environment)


def _of(settings: Settings, *, environment: Mapping[str, str]) -> Iterator[Finding]:
    yield _settings(settings)
    yield _game(settings)
    yield folder.folder(settings.data)
    yield folder.disk(settings.data)
    server, ours = folder.running(settings.data)
    yield server
    yield from machine.ports(settings, ours)
    yield from folder.key(settings)
    yield machine.open_files(settings)
    yield machine.memory(settings)
    yield build.kernels(settings.data, environment)
    yield from _database(settings)


def _settings(settings: Settings) -> Finding:
    if not settings.limits.enabled:
        advice = "set limits.enabled = true wherever others can reach the server"
        return warning("settings", "rate limits and lock-outs are off", advice)
    return ok("settings", f"fine, for {settings.mode}")


def _game(settings: Settings) -> Finding:
    try:
        game = check(found(settings.game))
    except GameErrors as wrong:
        first = str(wrong.errors[0]) if wrong.errors else ""
        return problem("game", f"{wrong.file}: {first}", f"overworld game check {settings.game}")
    return ok("game", f"{game.title}, {game.file}")


def _database(settings: Settings) -> Iterator[Finding]:
    try:
        # What it imports may be what is missing.
        from overworld.app.doctor import database  # noqa: PLC0415
    except ImportError as missing:
        yield problem("database", f"cannot be looked at: {missing}", "see packages above")
        return
    if not settings.database.dsn:
        yield database.embedded(settings)

    async def asked() -> list[Finding]:
        return [finding async for finding in database.connected(settings, clock=SystemClock())]

    yield from asyncio.run(asked())
