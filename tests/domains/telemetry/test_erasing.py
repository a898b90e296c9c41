"""Players are erased from the columns when somebody asks, and stay out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from overworld.domains.telemetry.erasing import Eraser, Erasures
from overworld.domains.telemetry.wiring import build_eraser

from .conftest import PLAYER, Desk


def erasures(desk: Desk) -> Erasures:
    return desk.parts.erasures


def eraser(desk: Desk) -> Eraser:
    return build_eraser(database=desk.database, clock=desk.clock, columns=desk.columns, settings=desk.settings)


async def ask(desk: Desk, player: UUID | str) -> None:
    async with desk.database.transaction() as tx:
        await erasures(desk).ask(tx, player)


async def told(desk: Desk) -> list[tuple[bool, datetime]]:
    async with desk.database.read() as tx:
        return [(one.done_at is not None, one.asked_at) for one in await erasures(desk).every(tx)]


async def swept(desk: Desk, keeping_of: Any) -> None:
    """Some minutes of the store's rounds and of the eraser's looks."""
    for minutes in (0, 6):
        desk.clock.advance(timedelta(minutes=minutes))
        await eraser(desk).look()
        await keeping_of(desk.columns).keep()
    await eraser(desk).look()


async def test_an_account_and_a_name_are_erased_and_others_stay(desk: Desk, keeping_of: Any) -> None:
    await desk.send({"event": "a"}, {"event": "b"}, key="player")
    await desk.send({"event": "a", "player_id": "ann"}, {"event": "a", "player_id": "bob"})
    await desk.process(until=4)
    await ask(desk, PLAYER)
    await ask(desk, "ann")
    assert [done for done, _ in await told(desk)] == [False, False]
    await swept(desk, keeping_of)
    assert [done for done, _ in await told(desk)] == [True, True]
    assert len(await desk.rows()) == 1


async def test_what_comes_in_later_is_kept_out_until_erasures_are_forgotten(desk: Desk, keeping_of: Any) -> None:
    await ask(desk, PLAYER)
    await swept(desk, keeping_of)
    await desk.send({"event": "a"}, key="player")
    await desk.send({"event": "b", "player_id": "bob"})
    await desk.process(until=1)
    assert [row["name"] for row in await desk.rows()] == ["b"]
    desk.clock.advance(timedelta(days=desk.settings.erased_days + 1))
    await eraser(desk).look()
    assert await told(desk) == []
    await desk.send({"event": "c"}, key="player")
    await desk.process(until=2)


async def test_who_asks_again_is_erased_again(desk: Desk, keeping_of: Any) -> None:
    await ask(desk, PLAYER)
    await swept(desk, keeping_of)
    desk.clock.advance(timedelta(days=1))
    await ask(desk, str(PLAYER).upper())
    assert await told(desk) == [(False, desk.clock.now())]
    await swept(desk, keeping_of)
    assert [done for done, _ in await told(desk)] == [True]


async def test_refused_events_of_a_player_go_with_him(desk: Desk) -> None:
    late = "2020-01-01T00:00:00Z"
    await desk.send({"event": "old", "timestamp": late}, key="player")
    await desk.send(
        {"event": "old", "timestamp": late, "player_id": "ann"}, {"event": "old", "timestamp": late, "player_id": "an"}
    )
    await desk.send({"event": "good"})
    await desk.process(until=1)
    assert len(await desk.refused()) == 3
    await ask(desk, PLAYER)
    await ask(desk, "ann")
    assert [b'"an"' in text for _, text in await desk.refused()] == [True]


async def test_nobody_is_no_player(desk: Desk) -> None:
    with pytest.raises(ValueError, match="name"):
        await ask(desk, "")
