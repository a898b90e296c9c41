"""People walk and claim what they come to, by the service that answers players."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from overworld.app.demo.city import City
from overworld.app.simulate.stage import Stage
from overworld.app.simulate.turns import Tally, Turn, instant_us
from overworld.app.simulate.walking import Ground, Outing, Wish, walk
from overworld.domains.gameplay.errors import CapReached
from overworld.domains.gameplay.messages import ClaimCollectible, Collected
from overworld.domains.gameplay.types import Mode, Spawn
from overworld.geo import cells
from overworld.kernel.identity import Answer
from overworld.kernel.refusals import Refusal

_AT_ONCE = 1_024
_COVER_MAX = 4_096


class Collecting:
    """Walks of all who are out; a turn is planned as people see it, then claimed in the order of time."""

    def __init__(self, stage: Stage, *, city: City, tally: Tally) -> None:
        self._stage = stage
        self._city = city
        self._tally = tally
        self._reach_m = stage.game.collectibles.reach_m
        self._cell_level = stage.game.collectibles.cell_level
        self._had: set[tuple[str, int]] = set()

    async def play(self, turn: Turn) -> None:
        """Walks everybody who may still collect today."""
        walkers = [outing for outing in turn.outings if outing.person.full_day != turn.day]
        if not walkers:
            return
        self._stage.move_to(turn.begins_us)
        ground = Ground(self._city, await self._lying(walkers), had=self._had)
        wishes = walk(ground, walkers, city=self._city, reach_m=self._reach_m)
        for first in range(0, len(wishes), _AT_ONCE):
            await self._claim(wishes[first : first + _AT_ONCE], day=turn.day)

    async def _lying(self, walkers: Sequence[Outing]) -> Sequence[Spawn]:
        """What is left around where people walk. It lies in the order of the cells, so it is the same every time."""
        wanted: set[int] = set()
        for outing in walkers:
            person = outing.person
            lat_deg, lng_deg = self._city.degrees(person.anchor)
            wanted.update(cells.cover_cap(lat_deg, lng_deg, person.profile.roam_m, self._cell_level, _COVER_MAX))
        return await self._stage.gameplay.lying_in(sorted(wanted), at=self._stage.clock.now())

    async def _claim(self, wishes: Sequence[Wish], *, day: int) -> None:
        """Claims as if all of them were made when the last one is."""
        self._stage.move_to(instant_us(wishes[-1].at_s))
        answers = await self._tally.told(map(self._collect, wishes))
        for wish, answer in zip(wishes, answers, strict=True):
            if isinstance(answer, CapReached):
                wish.person.full_day = day
            elif not isinstance(answer, Refusal) and wish.spawn.kind.mode is Mode.PERSONAL:
                self._had.add((wish.spawn.id, wish.person.number))

    def _collect(self, wish: Wish) -> Awaitable[Answer[Collected]]:
        person = wish.person
        self._stage.fixes.stand(person.id, *self._city.degrees(wish.place))
        return self._stage.gameplay.collect(
            ClaimCollectible(
                player_id=person.id,
                collectible_id=wish.spawn.id,
                key=self._tally.key("collect"),
                memberships=person.memberships(self._stage.clock.now()),
            )
        )
