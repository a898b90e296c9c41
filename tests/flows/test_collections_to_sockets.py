"""Who watches a cell hears that a collectible is gone, and not who has it."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.domains.gameplay.messages import CollectibleCollected
from overworld.flows.collections_to_sockets import CollectionsToSockets
from overworld.geo import cells
from overworld.kernel.clock import FixedClock
from overworld.kernel.events import Envelope, Event, enclose
from overworld.kernel.ids import IdSource

LAT, LNG = 45.7575, 14.3628


class Heard:
    """A socket door that writes down what it is told."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Any, UUID | None]] = []

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        self.published.append((channel, msgspec.to_builtins(message), except_account))


def collected(ids: IdSource, *, mode: str = "shared") -> CollectibleCollected:
    return CollectibleCollected(
        player_id=ids(), collectible_id="abc", type="gold", mode=mode, currency="coin", amount_minor=20,
        experience=20, cell=cells.token(cells.cell_of(LAT, LNG, 16)), lat_deg=LAT, lng_deg=LNG,
    )  # fmt: skip


def envelope(event: Event, ids: IdSource, clock: FixedClock) -> Envelope:
    return enclose(event, id=ids(), at=clock.now())


async def test_everybody_in_the_room_but_the_finder_hears_which_one_is_gone(ids: IdSource, clock: FixedClock):
    heard, event = Heard(), collected(ids)
    await CollectionsToSockets(publisher=heard, noun="gems", room_level=15).handle([envelope(event, ids, clock)])
    channel = f"location:cell:{cells.token(cells.cell_of(LAT, LNG, 15))}"
    message = {"type": "gems.collected", "data": {"id": "abc", "type": "gold"}}
    assert heard.published == [(channel, message, event.player_id)]


async def test_a_personal_collectible_concerns_nobody_else(ids: IdSource, clock: FixedClock):
    heard = Heard()
    event = collected(ids, mode="personal")
    await CollectionsToSockets(publisher=heard, noun="gems", room_level=15).handle([envelope(event, ids, clock)])
    assert heard.published == []
