"""From the raw log to the columns: each event once, corrected, enriched, and under a pseudonym."""

from __future__ import annotations

import json
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

import pytest

from overworld.kernel.clock import rfc3339
from tests.domains.telemetry.conftest import BERLIN, KEY, PLAYER, Desk

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"


def event(name: str = "seen", n: int = 0, **fields: Any) -> dict[str, Any]:
    return {"event": name, "event_id": str(UUID(int=n)) if n else None} | fields


def at(clock: Any, **ago: float) -> str:
    return rfc3339(clock.now() - timedelta(**ago))


async def test_an_event_arrives_whole_and_under_a_pseudonym(desk: Desk) -> None:
    told = event(
        "shop_opened",
        5,
        player_id=str(PLAYER),
        session_id="s1",
        timestamp=at(desk.clock, seconds=3),
        properties={**BERLIN, "value": 7, "screen": "map", "email": "a@b.c", "$ip": "1.2.3.4", "player_id": "x"},
        exposures={"colour": "blue"},
    )
    await desk.send(told, agent=IPHONE)
    await desk.process(until=1)
    (row,) = await desk.rows()
    assert str(row["event_id"]) == str(UUID(int=5))
    assert row["at"] == desk.clock.now() - timedelta(seconds=3)
    assert row["received_at"].replace(tzinfo=UTC) == desk.clock.now()
    assert (row["name"], row["source"], row["session"]) == ("shop_opened", "client", "s1")
    assert (row["country"], row["platform"], row["device"], row["value"]) == ("DE", "ios", "phone", 7.0)
    assert row["cell"] is not None
    assert row["exposures"] == ["colour=blue"]
    assert json.loads(row["properties"]) == {"value": 7, "screen": "map"}
    assert str(row["player"]) not in {str(PLAYER), "None"}


async def test_a_player_has_one_pseudonym_however_the_event_came_in(desk: Desk) -> None:
    await desk.send(event(n=1), key="player")
    await desk.send(
        event(n=2, player_id=str(PLAYER)), event(n=3, player_id=str(PLAYER).upper()), event(n=4, player_id="y")
    )
    body = {"api_key": KEY, "batch": [{"event": "seen", "properties": {"distinct_id": str(PLAYER)}}]}
    await desk.client.post("/batch/", json=body)
    await desk.process(until=5)
    players = [row["player"] for row in await desk.rows()]
    assert len(players) == 5
    assert sorted(map(players.count, set(players))) == [1, 4]


async def test_a_token_says_who_the_player_is_whatever_the_event_says(desk: Desk) -> None:
    await desk.send(event(n=1, player_id=str(UUID(int=99))), event(n=2), key="player")
    await desk.process(until=2)
    assert len({row["player"] for row in await desk.rows()}) == 1


async def test_the_same_event_twice_is_kept_once_also_after_a_restart(desk: Desk) -> None:
    await desk.send(event(n=1), event(n=1), event(n=2))
    first = await desk.process(until=2)
    await desk.send(event(n=1), event(n=3))
    await desk.process(until=3)
    assert len(await desk.rows()) == 3
    assert first.told.counts["repeated"] == 1


async def test_ids_that_are_no_uuid_are_of_their_player_alone(desk: Desk) -> None:
    one, other = (event(player_id=name) | {"event_id": "1"} for name in ("a", "b"))
    await desk.send(one, one, other)
    await desk.process(until=2)
    assert len(await desk.rows()) == 2


async def test_events_without_an_id_are_all_kept_and_once_each(desk: Desk) -> None:
    await desk.send(event(), event())
    await desk.process(until=2)
    assert len({row["event_id"] for row in await desk.rows()}) == 2


@pytest.mark.parametrize(
    ("told_ago_s", "sent_ago_s", "is_ago_s"),
    [
        (10, 0, 10),
        (10, 1, 10),  # within the tolerance a clock is right
        (3610, 3600, 10),  # an hour slow
        (-3590, -3600, 10),  # an hour fast
        (-3590, None, 0),  # from the future, nobody knows by how much
        (None, None, 0),
    ],
)
async def test_clocks_are_corrected(desk: Desk, told_ago_s: int | None, sent_ago_s: int | None, is_ago_s: int) -> None:
    about = {} if sent_ago_s is None else {"sent_at": at(desk.clock, seconds=sent_ago_s)}
    told = {} if told_ago_s is None else {"timestamp": at(desk.clock, seconds=told_ago_s)}
    await desk.send(event(n=1, **told), **about)
    await desk.process(until=1)
    (row,) = await desk.rows()
    assert row["at"] == desk.clock.now() - timedelta(seconds=is_ago_s)


async def test_bad_events_are_kept_with_their_reasons_as_they_came_and_spoil_no_other(desk: Desk) -> None:
    deep: Any = 0
    for _ in range(30):
        deep = [deep]
    bad = [
        event("", 1),
        event("late", 2, timestamp=at(desk.clock, days=31), properties=BERLIN, player_id="p"),
        event("deep", 3, properties={"a": deep}),
        event("large", 4, properties={"a": "x" * 40_000}),
        event("bell\x07", 5),
        event("n", 6, properties=[]),
        event("n", 7, timestamp="yesterday"),
    ]
    await desk.send(event(n=10), *bad, event(n=11))
    await desk.process(until=2)
    assert len(await desk.rows()) == 2
    refused = await desk.refused()
    assert [reason for reason, _ in refused] == [
        "malformed",
        "too_old",
        "too_deep",
        "too_large",
        "malformed",
        "malformed",
        "malformed",
    ]
    late = json.loads(refused[1][1])
    assert (late["event"], late["player_id"], late["properties"]) == ("late", "p", BERLIN)


async def test_nobody_tells_facts_of_the_platform(desk: Desk) -> None:
    forged = event("events.collectible.collected", 1, properties={"value": 1e9})
    await desk.send(forged, event("events", 2), event("shop.events.opened", 3))
    await desk.process(until=2)
    assert sorted(row["name"] for row in await desk.rows()) == ["events", "shop.events.opened"]
    assert [reason for reason, _ in await desk.refused()] == ["reserved"]


async def test_what_is_no_json_spoils_its_own_event_alone(desk: Desk) -> None:
    spoilt = [b'{"event":"b","properties":{"x":NaN}}', b'{"event":"c","properties":{"y":"\\ud800"}}']
    body = b'{"events":[{"event":"a"},%s,%s,{"event":"d"}]}' % tuple(spoilt)
    reply = await desk.client.post("/v1/events/batch", content=body, headers={"authorization": f"Bearer {KEY}"})
    assert [one["status"] for one in reply.json()["results"]] == ["accepted", "refused", "refused", "accepted"]
    await desk.process(until=2)
    assert [row["name"] for row in await desk.rows()] == ["a", "d"]
    assert len(await desk.refused()) == 2


HOSTILE = [
    "'; DROP TABLE event; --",
    '"},{"event":"x',
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "\U0001f600" * 50,
    "{events}",
    "$1",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_texts_are_only_texts(desk: Desk, text: str) -> None:
    told = event(text[:200], 1, player_id=text, session_id=text, properties={text: text, "$feature/" + text: text})
    await desk.send(told)
    await desk.process(until=1)
    (row,) = await desk.rows()
    assert (row["name"], row["session"], row["exposures"]) == (text, text, [f"{text}={text}"])
    assert json.loads(row["properties"]) == {text: text}


@pytest.mark.parametrize("value", [True, "7", None, [1], 10**400, {"a": 1}])
async def test_only_numbers_are_values(desk: Desk, value: Any) -> None:
    await desk.send(event(n=1, properties={"value": value}))
    await desk.process(until=1)
    assert [row["value"] for row in await desk.rows()] == [None]


@pytest.mark.parametrize(
    "place",
    [{"lat_deg": 91, "lng_deg": 0}, {"lat_deg": "52", "lng_deg": 13}, {"lat_deg": 52}, {"lat": None, "lng": None}],
)
async def test_what_is_no_place_has_no_cell_and_is_not_kept_either(desk: Desk, place: dict[str, Any]) -> None:
    await desk.send(event(n=1, properties=place))
    await desk.process(until=1)
    (row,) = await desk.rows()
    assert (row["cell"], row["country"], row["properties"]) == (None, None, "{}")


async def test_a_session_ends_with_a_pause(desk: Desk) -> None:
    for n, minutes_ago in enumerate((100, 80, 40, 35), 1):
        await desk.send(event(f"e{n}", n, player_id="p", timestamp=at(desk.clock, minutes=minutes_ago)))
    await desk.process(until=4)
    sessions = [row["session"] for row in await desk.rows()]
    assert sessions[0] == sessions[1] != sessions[2] == sessions[3]


async def test_posthog_properties_mean_what_they_do_there(desk: Desk) -> None:
    properties = {
        "$session_id": "s9",
        "$os": "Mac OS X",
        "$device_type": "Desktop",
        "$feature/colour": "blue",
        "$feature/big": True,
        "$geoip_latitude": -33.87,
        "$geoip_longitude": 151.2,
        "$feature_flag": "called",
        "$feature_flag_response": False,
        "token": KEY,
    }
    body = {"api_key": KEY, "batch": [{"event": "$feature_flag_called", "distinct_id": 7, "properties": properties}]}
    assert (await desk.client.post("/batch/", json=body)).status_code == 200
    await desk.process(until=1)
    (row,) = await desk.rows()
    assert (row["session"], row["platform"], row["device"], row["country"]) == ("s9", "macos", "desktop", "AU")
    assert row["exposures"] == ["colour=blue", "big=true", "called=false"]
    assert KEY not in row["properties"]


async def test_numbers_too_long_to_be_written_spoil_their_own_event_alone(desk: Desk) -> None:
    long = b"1" * 6_000
    body = b'{"events":[{"event":"a","properties":{"value":%s}},{"event":"b","distinct_id":%s},{"event":"c"}]}'
    headers = {"authorization": f"Bearer {KEY}"}
    reply = await desk.client.post("/v1/events/batch", content=body % (long, long), headers=headers)
    assert reply.status_code == 202
    await desk.process(until=1)
    kept = [row["name"] for row in await desk.rows()]
    assert kept[-1] == "c"
    assert len(kept) + len(await desk.refused()) == 3
