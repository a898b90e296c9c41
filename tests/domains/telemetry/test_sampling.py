"""Of some names only some sessions are kept: whole, the same ones everywhere, and with their weight."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from overworld.domains.telemetry.reading import Incoming
from overworld.domains.telemetry.sampling import Sampling
from overworld.domains.telemetry.types import TelemetrySettings

from .conftest import Desk

SESSIONS = [f"session-{number}" for number in range(2_000)]


def kept(sampling: Sampling, name: str) -> set[str]:
    return {one for one in SESSIONS if sampling.weight_of(Incoming(event=name, session_id=one), None)}


def test_a_session_is_kept_or_dropped_whole_and_about_as_many_as_asked_for() -> None:
    sampling = Sampling.of(["a=10", "b=10", "c=100", "d=1"])
    assert kept(sampling, "a") == kept(sampling, "b") > kept(sampling, "c")
    assert len(kept(sampling, "a")) == pytest.approx(200, abs=60)
    assert len(kept(sampling, "c")) == pytest.approx(20, abs=18)
    assert kept(sampling, "d") == kept(sampling, "other") == set(SESSIONS)
    assert sampling.names == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("fields", "player", "unit"),
    [
        ({"session_id": "s", "player_id": "p"}, UUID(int=7), "s"),
        ({"properties": {"$session_id": "s"}, "distinct_id": 5}, None, "s"),
        ({"player_id": "p", "event_id": "e"}, UUID(int=7), str(UUID(int=7))),
        ({"player_id": "p", "event_id": "e"}, None, "p"),
        ({"distinct_id": 5}, None, "5"),
        ({"properties": {"distinct_id": "p"}}, None, "p"),
        ({"event_id": "e"}, None, "e"),
        ({"uuid": "e"}, None, "e"),
    ],
)
def test_the_session_decides_without_one_the_player_without_one_the_id(
    fields: dict[str, Any], player: UUID | None, unit: str
) -> None:
    """Compared with an event that has nothing but a session of that name, at many shares."""
    for count in (2, 3, 5, 10, 100):
        sampling = Sampling.of([f"a={count}"])
        alone = sampling.weight_of(Incoming(event="a", session_id=unit), None)
        assert sampling.weight_of(Incoming(event="a", **fields), player) == alone


def test_an_event_of_nobody_is_kept_for_itself() -> None:
    assert Sampling.of(["a=1000000"]).weight_of(Incoming(event="a"), None) == 1


@pytest.mark.parametrize("wrong", ["a", "=2", "a=0", "a=-1", "a=1.5", "a=1000001", "a=x", "a="])
def test_settings_that_say_no_share_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="NAME=COUNT"):
        TelemetrySettings(sampling=(wrong,))
    with pytest.raises(msgspec.ValidationError, match="twice"):
        msgspec.convert({"sampling": ["a=2", "a=3"]}, TelemetrySettings)


async def test_results_columns_and_weights_agree(desk: Desk) -> None:
    """What is told to be sampled is not in the columns, and what is there stands for as many as were sent."""
    desk.set(sampling=("seen=4",))
    desk.parts.intake.sampling = Sampling.of(desk.settings.sampling)
    sent = [{"event": "seen", "session_id": one, "event_id": f"{one}/{n}"} for one in SESSIONS[:400] for n in range(2)]
    told = (await desk.send(*sent, {"event": "other"}, {"event": 5})).json()
    statuses = [one["status"] for one in told["results"]]
    assert statuses[:800:2] == statuses[1:800:2]
    assert statuses[800:] == ["accepted", "refused"]
    assert (told["accepted"], told["refused"], told["sampled"]) == tuple(
        statuses.count(one) for one in ("accepted", "refused", "sampled")
    )
    assert told["sampled"] == pytest.approx(600, abs=60)
    await desk.process(until=told["accepted"])
    rows = [row for row in await desk.rows() if row["name"] == "seen"]
    assert {row["session"] for row in rows} == {
        event["session_id"] for event, status in zip(sent, statuses, strict=False) if status == "accepted"
    }
    assert {row["weight"] for row in rows} == {4}
    assert [row["weight"] for row in await desk.rows() if row["name"] == "other"] == [1]


async def test_a_request_of_which_nothing_is_kept_is_answered_and_written_nowhere(desk: Desk) -> None:
    desk.parts.intake.sampling = sampling = Sampling.of(["seen=4"])
    gone = next(one for one in SESSIONS if not sampling.weight_of(Incoming(event="seen", session_id=one), None))
    reply = await desk.client.post(
        "/v1/events", json={"event": "seen", "session_id": gone}, headers={"authorization": "Bearer owingest_of-a-game"}
    )
    assert (reply.status_code, reply.json()) == (202, {"status": "sampled"})
    assert await desk.waiting() == 0
