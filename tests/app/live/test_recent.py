"""What was just collected, numbered for maps that ask again and again."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from overworld.app.live.recent import RecentCollections
from overworld.domains.gameplay.messages import CollectibleCollected, LevelReached
from overworld.kernel.events import Envelope, Event, enclose

AT = datetime(2026, 6, 1, tzinfo=UTC)


def envelope(event: Event) -> Envelope:
    return enclose(event, id=UUID(int=1), at=AT)


def collected(name: str) -> Envelope:
    return envelope(
        CollectibleCollected(
            player_id=UUID(int=1),
            collectible_id=name,
            type="gold",
            currency="coin",
            amount_minor=20,
            experience=20,
            cell="89c25a314",
            lat_deg=1.0,
            lng_deg=2.0,
        )
    )


async def taught(count: int) -> RecentCollections:
    recent = RecentCollections()
    await recent.handle([collected(f"c{i}") for i in range(1, count + 1)])
    return recent


async def test_who_asks_for_the_first_time_learns_the_number_only():
    assert (await taught(3)).after(None).last == 3
    assert (await taught(3)).after(None).items == []


async def test_who_asks_again_gets_what_came_since_oldest_first():
    told = (await taught(5)).after(3)
    assert [(one.n, one.id) for one in told.items] == [(4, "c4"), (5, "c5")]
    assert told.last == 5


async def test_who_was_away_for_long_gets_the_newest_five_hundred():
    told = (await taught(3_000)).after(0)
    assert [told.items[0].n, told.items[-1].n, len(told.items)] == [2_501, 3_000, 500]


async def test_a_number_of_another_life_of_the_server_gives_nothing():
    assert (await taught(3)).after(400).items == []


async def test_other_events_are_passed_over():
    recent = RecentCollections()
    await recent.handle([envelope(LevelReached(player_id=UUID(int=1), level=2, level_before=1, experience=50))])
    assert recent.count == 0
