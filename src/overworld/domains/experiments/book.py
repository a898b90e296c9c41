"""The flags as this process knows them: what it decides by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType

from overworld.domains.experiments import store
from overworld.domains.experiments.types import Flag
from overworld.platform.postgres import Database


class FlagBook:
    """Follows what is kept, one reading at a time: nobody believes the news, and the last reading is the newest.

    `on_metrics` hears which metrics flags measure, at each reading.
    """

    def __init__(self, database: Database) -> None:
        self.flags: Mapping[str, Flag] = MappingProxyType({})
        self.on_metrics: Callable[[frozenset[str]], None] = lambda _metrics: None
        self._database = database
        self._reading = asyncio.Lock()

    def __len__(self) -> int:
        return len(self.flags)

    async def follow(self) -> None:
        """Makes this process decide by what is kept. One round trip. Raises: Fault, and changes nothing."""
        async with self._reading:
            async with self._database.read() as tx:
                kept = await store.every(tx)
            known = self.flags
            self.flags = MappingProxyType({flag.key: _same(known.get(flag.key), flag) for flag in kept})
        measured = (flag.definition.experiment for flag in kept)
        self.on_metrics(frozenset(metric.name for one in measured if one is not None for metric in one.metrics))


def _same(known: Flag | None, read: Flag) -> Flag:
    """The flag that is known already, where it is the one that was read."""
    return known if known is not None and (known.id, known.revision) == (read.id, read.revision) else read
