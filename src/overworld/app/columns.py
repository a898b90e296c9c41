"""The store of events beside the server: kept current, sealed, archived, and put into a lake where one is wanted."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from overworld.app.loops import Loops
from overworld.app.settings import Settings
from overworld.kernel.clock import Clock
from overworld.platform.blobs.stores import store_of
from overworld.platform.columns.room import Room
from overworld.platform.observability import Metrics
from overworld.platform.postgres import Database

if TYPE_CHECKING:
    from overworld.platform.columns.keeping import Keeping


def run(loops: Loops, *, room: Room, settings: Settings, database: Database, clock: Clock) -> None:
    """Starts the store's rounds, on the server that writes into it."""
    if not settings.telemetry.process:
        return
    keeper = partial(keeping, room, settings=settings, database=database, clock=clock)

    async def roll() -> None:
        await (await keeper()).run_rolling()

    async def keep() -> None:
        await (await keeper()).run_keeping()

    async def lend() -> None:
        columns = await room.store()
        from overworld.platform.columns.lending import Lending  # noqa: PLC0415  # brings pyarrow

        await Lending(columns).run()

    loops.run("columns-rollups", roll)
    loops.run("columns-keeping", keep)
    loops.run("columns-lending", lend)


_COUNTS = {
    "written": "Events that the store took.",
    "doubled": "Events left out because they were there already.",
    "kept_out": "Events of erased players that were not let in.",
    "sealed": "Hours of events that became files.",
    "erased": "Players of whom nothing is left.",
    "answered": "Questions answered.",
    "too_long": "Questions given up, because they took too much time or memory.",
    "failed": "Times that the disk or the memory did not take what was asked of the store.",
}


def measure(metrics: Metrics, room: Room) -> None:
    """Registers what the store counts."""
    for name, meaning in _COUNTS.items():
        metrics.count(f"overworld_columns_{name}", meaning, partial(room.figures.counts.__getitem__, name))


async def keeping(room: Room, *, settings: Settings, database: Database, clock: Clock) -> Keeping:
    """The rounds of a store, which is opened for them."""
    columns = await room.store()
    return await asyncio.to_thread(lambda: _keeping(columns, settings=settings, dsn=database.dsn, clock=clock))


def _keeping(columns: Any, *, settings: Settings, dsn: str, clock: Clock) -> Keeping:
    from overworld.platform.columns.archive import Archive, Objects  # noqa: PLC0415  # brings pyarrow
    from overworld.platform.columns.keeping import Keeping  # noqa: PLC0415

    store, folder = store_of(settings.blobs, data=settings.data)
    table = None
    if settings.columns.lake:
        from overworld.platform.columns.lake import EventTable  # noqa: PLC0415  # takes a second and a half

        root = settings.blobs.url or f"file://{folder}"
        table = EventTable(dsn=dsn, root=root, objects=store, properties=_s3(settings))
    archive = Archive(columns, objects=Objects(store, folder=folder), table=table)
    return Keeping(columns, clock=clock, archive=archive)


def _s3(settings: Settings) -> dict[str, str]:
    """How Iceberg's library reaches the bucket; what is empty is the machine's."""
    blobs = settings.blobs
    given = {
        "s3.endpoint": blobs.s3_endpoint,
        "s3.region": blobs.s3_region,
        "s3.access-key-id": blobs.s3_key_id,
        "s3.secret-access-key": blobs.s3_key_secret,
    }
    return {name: value for name, value in given.items() if value}
