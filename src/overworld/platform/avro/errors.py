"""What can be wrong with schemas, and with bytes that should be an event."""

from __future__ import annotations

from overworld.kernel.refusals import Fault, Refusal


class UnknownSchema(LookupError):
    """Bytes were written with a schema that is not known; `schema_id` is its number in a registry, if it has one."""

    def __init__(self, told: str, *, schema_id: int | None = None) -> None:
        super().__init__(told)
        self.schema_id = schema_id


class BadFrame(ValueError):
    """Bytes are no event: cut off, damaged, or of something else."""


class NotReleased(LookupError):
    """No schema was ever released for a topic."""


class RegistryUnavailable(Fault):
    """The schema registry does not answer."""

    code = "events.registry_unavailable"


class RegistryRefused(Refusal):
    """The schema registry does not take what it was given, or not from us."""

    code = "events.registry_refused"
    status = 502
