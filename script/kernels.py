"""Compiles the kernels that servers, bots and loads use into the cache: `python -m script.kernels`.

One process does once what each process that needs them would else do for itself, and under the tracing of coverage at
a third of the speed.
"""

from __future__ import annotations

import asyncio

from bench.load.packed import PackedLoad, PackedPlan
from overworld.app.bots import fleet
from overworld.app.bots.wire import Plan
from overworld.app.demo.city import City
from overworld.domains.world import warming
from overworld.domains.world.types import WorldSettings
from overworld.platform import avro


def compile_all() -> None:
    """The kernels of a server first, which are needed first; those of a server with a Kafka last."""
    warming.warm(WorldSettings())
    city = City(46.05, 14.5, 500.0)
    nobody = Plan(
        server="", run="", city=city, players=1, cheaters=0.0, seed=0, seconds=1.0, share=0, of=1, records=False
    )
    fleet.warm(nobody)
    asyncio.run(_packed_load())
    avro.warm(avro.Released())


async def _packed_load() -> None:
    """A load of no players compiles its loop."""
    plan = PackedPlan(realtime="", players=[], records=1, per_s=1.0, ack_share=1.0, city_km=1.0, seed=0)
    await (await PackedLoad.make(plan)).close()


if __name__ == "__main__":
    compile_all()
