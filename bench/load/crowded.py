"""`overworld serve`, with a crowd in its world before it opens: `python -m bench.load.crowded COUNT SEED serve ...`.

A crowd of a million would take its accounts minutes to sign in, and one connection speaks for its own account only. So
the crowd has none: it goes in through the world's passes, and everything else is the product's own server.
"""

from __future__ import annotations

import sys
from typing import Any

from bench import crowd
from overworld.app import cli, compose
from overworld.app.compose import House

_compose = compose.compose


async def _composed(count: int, seed: int, **parts: Any) -> House:
    house = await _compose(**parts)
    world = house.domains.world.service
    crowd.fill(world, *crowd.city(count, seed=seed), now_us=house.clock.now_us(), seed=seed)
    return house


def main() -> None:
    """Runs the product's command line with the arguments after ours."""
    count, seed = int(sys.argv[1]), int(sys.argv[2])

    async def composed(**parts: Any) -> House:
        return await _composed(count, seed, **parts)

    compose.compose = composed
    sys.argv = ["overworld", *sys.argv[3:]]
    cli.main()


if __name__ == "__main__":
    main()
