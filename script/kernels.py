"""Compiles the kernels that servers and bots use into the cache: `python -m script.kernels`.

One process does once what each process that needs them would else do for itself, and under the tracing of coverage at
a third of the speed.
"""

from __future__ import annotations

from overworld.app.bots import fleet
from overworld.app.bots.fleet import Plan
from overworld.app.demo.city import City
from overworld.domains.world.engine import engine
from overworld.domains.world.fences import tracking
from overworld.domains.world.types import WorldSettings

if __name__ == "__main__":
    engine.warm(WorldSettings())
    tracking.warm()
    city = City(46.05, 14.5, 500.0)
    fleet.warm(
        Plan(server="", run="", city=city, players=1, cheaters=0.0, seed=0, seconds=1.0, share=0, of=1, records=False)
    )
