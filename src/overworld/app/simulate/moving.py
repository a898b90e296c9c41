"""The log hears how far people walked, as the world would tell it: once for each walk in a turn."""

from __future__ import annotations

from overworld.app.demo.city import City
from overworld.app.simulate.stage import Stage
from overworld.app.simulate.turns import Turn
from overworld.domains.world.messages import LocationUpdated
from overworld.geo import cells

_ROOM_LEVEL = 15
_ACCURACY_M = 5.0


class Moving:
    """Tells of walks where a quest of the game counts them. Where people were in between is not told."""

    def __init__(self, stage: Stage, *, city: City) -> None:
        self._stage = stage
        self._city = city

    async def play(self, turn: Turn) -> None:
        """Tells how far everybody walked since it was told last."""
        if LocationUpdated.topic not in self._stage.quests.catalogue.topics:
            return
        walked = [outing.person for outing in turn.outings if outing.person.walked_m > 0]
        at = self._stage.clock.now()
        events = []
        for person in walked:
            lat_deg, lng_deg = self._city.degrees(person.place)
            events.append(
                LocationUpdated(
                    player_id=person.id,
                    lat_deg=lat_deg,
                    lng_deg=lng_deg,
                    accuracy_m=_ACCURACY_M,
                    speed_m_s=person.profile.speed_m_s,
                    metres=person.walked_m,
                    cell=cells.token(cells.cell_of(lat_deg, lng_deg, _ROOM_LEVEL)),
                    recorded_at=at,
                )
            )
            person.walked_m = 0.0
        async with self._stage.database.transaction() as tx:
            await self._stage.outbox.append(tx, events, at=at)
