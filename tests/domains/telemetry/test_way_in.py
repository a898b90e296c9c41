"""Events come in by HTTP: who may write, what a body may be, and what becomes of each event."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
import zstandard

from tests.domains.telemetry.conftest import KEY, PLAYER, Desk

GOOD = {"event": "coin_seen", "event_id": "018f2f3c-0000-7000-8000-000000000001", "properties": {"level": 3}}
BAD = {"event": 5}


async def kept(desk: Desk) -> list[Any]:
    """Every request in the raw log."""
    from overworld.domains.telemetry import store
    from overworld.platform.eventlog.types import START

    async with desk.database.read() as tx:
        rows = await store.read(tx, after=START, events_max=10_000)
    return [parcel for row in rows for parcel in row.parcels]


async def post(desk: Desk, path: str, body: bytes, *, key: str | None = KEY, **headers: str) -> Any:
    given = {"authorization": f"Bearer {key}"} if key else {}
    return await desk.client.post(
        path, content=body, headers=given | {k.replace("_", "-"): v for k, v in headers.items()}
    )


async def test_an_acknowledged_event_lies_in_the_log_as_it_came(desk: Desk) -> None:
    body = json.dumps(GOOD).encode()
    reply = await post(desk, "/v1/events", body, user_agent="a game")
    assert (reply.status_code, reply.json()) == (202, {"status": "accepted"})
    (parcel,) = await kept(desk)
    assert (parcel.body, parcel.player, parcel.agent) == (body, None, "a game")


async def test_each_event_of_a_batch_has_a_result_and_a_bad_one_condemns_no_other(desk: Desk) -> None:
    reply = await desk.send(GOOD, BAD, GOOD)
    assert reply.status_code == 202
    told = reply.json()
    assert (told["accepted"], told["refused"]) == (2, 1)
    assert [one["status"] for one in told["results"]] == ["accepted", "refused", "accepted"]
    assert told["results"][1] == {
        "status": "refused",
        "reason": "malformed",
        "found": "Expected `str`, got `int` - at `$.event`",
    }


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, zstandard.ZstdCompressor().compress, bytes])
async def test_packed_bodies_stay_packed(desk: Desk, pack: Any) -> None:
    body = pack(json.dumps({"events": [GOOD] * 50}).encode())
    reply = await post(desk, "/v1/events/batch", body)
    assert (reply.status_code, reply.json()["accepted"]) == (202, 50)
    assert [parcel.body for parcel in await kept(desk)] == [body]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "telemetry.bad_body"),
        (b"{}", 400, "telemetry.bad_body"),
        (b"[]", 400, "telemetry.bad_body"),
        (b"\xff\xfe", 400, "telemetry.bad_body"),
        (b"", 400, "telemetry.bad_body"),
        (gzip.compress(b"{}", mtime=0)[:-5], 400, "telemetry.bad_body"),
        (gzip.compress(b"{}", mtime=0) * 2, 400, "telemetry.bad_body"),
        (zstandard.compress(b"{}")[:-1], 400, "telemetry.bad_body"),
        (gzip.compress(bytes(9_000_000), mtime=0), 413, "telemetry.too_large"),
        (zstandard.compress(bytes(9_000_000)), 413, "telemetry.too_large"),
        (json.dumps({"events": [GOOD] * 5_001}).encode(), 413, "telemetry.too_many"),
        (bytes(1_100_000), 413, "http.body_too_large"),
    ],
)
async def test_what_cannot_be_read_is_refused_whole_and_nothing_of_it_kept(
    desk: Desk, body: bytes, status: int, code: str
) -> None:
    reply = await post(desk, "/v1/events/batch", body)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert await kept(desk) == []


async def test_a_single_bad_event_is_refused_with_its_reason(desk: Desk) -> None:
    reply = await post(desk, "/v1/events", json.dumps(BAD).encode())
    assert (reply.status_code, reply.json()["code"], reply.json()["reason"]) == (
        400,
        "telemetry.bad_event",
        "malformed",
    )
    assert await kept(desk) == []


async def test_who_may_write(desk: Desk) -> None:
    body = json.dumps(GOOD).encode()
    assert (await post(desk, "/v1/events", body, key=None)).status_code == 401
    assert (await post(desk, "/v1/events", body, key="forged")).status_code == 401
    reads = await post(desk, "/v1/events", body, key="reads")
    assert (reads.status_code, reads.json()["code"]) == (403, "http.forbidden")
    assert (await post(desk, "/v1/events", body, key="player")).status_code == 202
    assert [parcel.player for parcel in await kept(desk)] == [PLAYER]


async def test_only_post_comes_in(desk: Desk) -> None:
    assert (await desk.client.get("/v1/events")).status_code == 405


async def test_a_player_who_sends_too_much_waits_while_others_do_not(desk: Desk) -> None:
    desk.set(player_events_per_min=60, events_max=60)
    assert (await desk.send(*[GOOD] * 60, key="player")).status_code == 202
    late = await desk.send(GOOD, key="player")
    assert (late.status_code, late.json()["code"], late.headers["retry-after"]) == (429, "telemetry.busy", "1")
    assert (await desk.send(GOOD)).status_code == 202


async def test_what_does_not_fit_into_memory_or_the_backlog_is_put_off_before_it_is_lost(desk: Desk) -> None:
    intake = desk.parts.intake
    intake.waiting_bytes = desk.settings.waiting_bytes_max
    full = await desk.send(GOOD)
    assert (full.status_code, full.headers["retry-after"], full.json()["retryable"]) == (429, "1", True)
    intake.waiting_bytes = 0
    intake.backlog_bytes = desk.settings.backlog_bytes_max + 1
    behind = await desk.send(GOOD)
    assert (behind.status_code, behind.headers["retry-after"]) == (429, "10")
    intake.backlog_bytes = 0
    assert (await desk.send(GOOD)).status_code == 202
    assert len(await kept(desk)) == 1
    assert intake.put_off == 2


async def test_many_requests_share_a_commit(desk: Desk) -> None:
    import asyncio

    body = json.dumps(GOOD).encode()
    replies = await asyncio.gather(*(post(desk, "/v1/events", body) for _ in range(200)))
    assert {reply.status_code for reply in replies} == {202}
    assert len(await kept(desk)) == 200
    assert desk.parts.intake.lane.batches < 100


POSTHOG = {"event": "seen", "uuid": GOOD["event_id"], "properties": {"distinct_id": "u1"}, "distinct_id": "u1"}


@pytest.mark.parametrize(
    ("path", "body", "content_type"),
    [
        ("/batch/", json.dumps({"api_key": KEY, "batch": [POSTHOG]}).encode(), "application/json"),
        (
            "/batch",
            gzip.compress(json.dumps({"api_key": KEY, "batch": [POSTHOG]}).encode(), mtime=0),
            "application/json",
        ),
        ("/e/", json.dumps(POSTHOG | {"api_key": KEY}).encode(), "application/json"),
        (
            "/e/?compression=gzip-js&ip=0&_=1780000000000&ver=1.2",
            gzip.compress(json.dumps([POSTHOG | {"properties": {"token": KEY}}]).encode(), mtime=0),
            "text/plain",
        ),
        ("/i/v0/e/", json.dumps(POSTHOG | {"token": KEY}).encode(), "text/plain"),
        (
            "/capture/",
            b"data=" + base64.b64encode(json.dumps(POSTHOG | {"token": KEY}).encode()),
            "application/x-www-form-urlencoded",
        ),
    ],
)
async def test_the_bodies_of_posthog_clients_come_in(desk: Desk, path: str, body: bytes, content_type: str) -> None:
    reply = await post(desk, path, body, key=None, content_type=content_type)
    assert (reply.status_code, reply.json()) == (200, {"status": "Ok"})
    assert len(await kept(desk)) == 1


async def test_a_posthog_body_without_a_good_key_stays_out(desk: Desk) -> None:
    body = json.dumps({"api_key": "phc_other", "batch": [POSTHOG]}).encode()
    assert (await post(desk, "/batch/", body, key=None)).status_code == 401
    assert (await post(desk, "/batch/", json.dumps({"batch": [POSTHOG]}).encode(), key=None)).status_code == 401
    assert await kept(desk) == []


async def test_a_posthog_body_with_a_key_that_reads_stays_out(desk: Desk) -> None:
    body = json.dumps({"api_key": "reads", "batch": [POSTHOG]}).encode()
    reply = await post(desk, "/batch/", body, key=None)
    assert (reply.status_code, reply.json()["code"]) == (403, "telemetry.not_a_writer")
