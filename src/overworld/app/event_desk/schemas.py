"""The schemas of this build's events: compared with what was released, released, and made known to a registry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import structlog

from overworld.app.settings import Settings
from overworld.kernel.events import Event
from overworld.kernel.refusals import Refusal
from overworld.platform.avro import Finding, Released, Version, findings
from overworld.platform.avro.registering import register_all
from overworld.platform.avro.registry import SchemaRegistry
from overworld.platform.avro.released import FOLDER
from overworld.platform.eventlog import EventLogSettings
from overworld.platform.eventlog.topics import Topics


class CannotRelease(Refusal):
    """What the code says of an event cannot become the next version of its schema."""

    code = "events.cannot_release"
    status = 409


class NoRegistry(Refusal):
    """No schema registry is set."""

    code = "events.no_registry"
    status = 400


def events() -> list[type[Event]]:
    """Every event type of this build, by topic. Imports the whole server, which knows them all."""
    from overworld.app import compose  # noqa: F401, PLC0415 - for what it imports; it imports this module

    return [kind for _, kind in sorted(Event.registry.items()) if kind.__module__.partition(".")[0] == "overworld"]


def check(folder: Path | None = None) -> list[Finding]:
    """Where the events of this build are not what was released."""
    return list(_findings(Released(folder or FOLDER)))


def add(folder: Path | None = None) -> list[Version]:
    """Releases what is new or has changed; what was. Nothing is, when something is not compatible.

    Raises: CannotRelease.
    """
    released = Released(folder or FOLDER)
    found = list(_findings(released))
    if broken := [finding for finding in found if finding.clashes]:
        raise CannotRelease("; ".join(line for finding in broken for line in lines(finding)))
    changed = {finding.topic for finding in found}
    try:
        return [released.add(kind) for kind in events() if kind.topic in changed]
    except OSError as error:
        raise CannotRelease(f"cannot write into {released.folder}: {error.strerror}") from error


def lines(finding: Finding) -> Iterator[str]:
    """A finding for people, a line for each field."""
    if not finding.clashes:
        yield f"{finding.topic} {finding.said}"
    for clash in finding.clashes:
        yield f"{finding.topic}: version {finding.number} {finding.said}: {clash}"


def push(settings: Settings) -> int:
    """Makes every released version known to the registry; how many. Raises: NoRegistry; those of `register_all`."""
    registering = registering_of(settings.events, Released())
    if registering is None:
        raise NoRegistry("set events.schema_registry to its address")
    return asyncio.run(registering.once())


class Registering:
    """Registers what was released with one registry."""

    def __init__(self, opened: Callable[[], SchemaRegistry], released: Released) -> None:
        self._open = opened
        self._released = released

    async def run(self) -> None:
        """Once, and that it is done is logged; a loop that ends. Raises: those of `register_all`."""
        count = await self.once()
        structlog.get_logger("overworld.schemas").info("schemas registered", versions=count)

    async def once(self) -> int:
        """How many versions the registry has now. Raises: those of `register_all`."""
        registry = self._open()
        try:
            return len(await register_all(registry, self._released))
        finally:
            await registry.close()


def registering_of(settings: EventLogSettings, released: Released) -> Registering | None:
    """What registers schemas; None where no registry is set."""
    opened = registry_of(settings)
    return Registering(opened, released) if opened else None


def registry_of(settings: EventLogSettings) -> Callable[[], SchemaRegistry] | None:
    """What opens the registry that is set; None where none is."""
    if not settings.schema_registry:
        return None
    return partial(
        SchemaRegistry,
        settings.schema_registry,
        user=settings.schema_registry_user,
        password=settings.schema_registry_password,
    )


def _findings(released: Released) -> Sequence[Finding]:
    retired = frozenset(topic.name for topic in Topics.read() if topic.schema == "none")
    return list(findings(released, events(), retired=retired))
