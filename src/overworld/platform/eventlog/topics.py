"""The registry of topics: what each is for, how it is kept, and whose messages stay in order. `topics.toml` says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from overworld.kernel.refusals import Refusal

FILE = Path(__file__).with_name("topics.toml")
REPLICAS_ALONE = 1
FAILED = "dlq.failed.events"
"""Where it is told that a consumer has given an event up; the event itself waits in the table of dead letters."""

_EVENTS = "events.*"
_Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", max_length=249)]
_Pattern = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.\*)?$", max_length=249)]
_Count = Annotated[int, Meta(ge=1, le=1_000)]


class NoSuchTopic(Refusal):
    """The registry of topics does not have it."""

    code = "events.no_such_topic"
    status = 404


class Group(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the topics of a group are kept: partitions and replicas in a cluster, and partitions on one machine."""

    partitions: _Count
    partitions_alone: Annotated[int, Meta(ge=1, le=2)]
    replicas: _Count
    kept_h: Annotated[int, Meta(ge=1, le=87_600)]
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"]


class Topic(Struct, frozen=True, kw_only=True):
    """A topic as declared. `key` names the field that says whose a message is; empty for those that are nobody's.

    Two fields with ` or ` between them: the first that is set. `also` are other names by which readers may ask for it.
    """

    name: str
    key: str
    schema: Literal["event", "none"]
    also: tuple[str, ...]
    group: Group


class Topics:
    """Every topic that is declared, by name."""

    def __init__(self, topics: Mapping[str, Topic], *, groups: Mapping[str, Group]) -> None:
        self._topics = topics
        self._groups = groups

    @classmethod
    def read(cls, file: Path = FILE) -> Topics:
        """What the file declares. Raises: msgspec.ValidationError; ValueError for a topic without a group or a name
        that is used twice.
        """
        declared = msgspec.toml.decode(file.read_bytes(), type=_File)
        topics = {
            name: Topic(name=name, key=row.key, schema=row.schema, also=row.also, group=_group(name, declared.groups))
            for name, row in declared.topics.items()
        }
        names = [name for topic in topics.values() for name in (topic.name, *topic.also)]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{file.name}: {', '.join(sorted(twice))}: declared twice")
        return cls(topics, groups=declared.groups)

    def __iter__(self) -> Iterator[Topic]:
        """All of them, by name."""
        return iter(sorted(self._topics.values(), key=lambda topic: topic.name))

    def __contains__(self, name: object) -> bool:
        return name in self._topics

    def find(self, name: str) -> Topic:
        """The topic of a name, or of another name it has. Raises: NoSuchTopic."""
        found = self._topics.get(self._other_names.get(name, name))
        if found is None:
            raise NoSuchTopic(f"{name} is no topic; `overworld events topics` lists them")
        return found

    def group_of(self, name: str) -> Group:
        """How a topic of a name is kept; one that is not declared, as an event."""
        found = self._topics.get(name)
        return found.group if found else self._groups[_EVENTS]

    @property
    def events_kept(self) -> timedelta:
        """How long domain events are kept."""
        return timedelta(hours=self._groups[_EVENTS].kept_h)

    @property
    def failed_kept(self) -> timedelta:
        """How long an event is kept that a consumer has given up on."""
        return timedelta(hours=self._topics[FAILED].group.kept_h)

    @cached_property
    def _other_names(self) -> dict[str, str]:
        return {other: topic.name for topic in self._topics.values() for other in topic.also}


class _Row(Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    schema: Literal["event", "none"]
    also: tuple[_Name, ...] = ()


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    groups: dict[_Pattern, Group]
    topics: dict[_Name, _Row]


def _group(name: str, groups: Mapping[str, Group]) -> Group:
    fitting = [pattern for pattern in groups if _fits(name, pattern)]
    if not fitting:
        raise ValueError(f"{name} belongs to no group")
    return groups[max(fitting, key=len)]


def _fits(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
