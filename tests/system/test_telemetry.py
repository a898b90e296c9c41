"""Telemetry against real servers: PostHog's own SDK sends here, and who is killed loses and doubles nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import duckdb
import pytest

from bench.ingest import ingest_key, made_events
from bench.servers import Ran, ServerProcess, overworld
from overworld.client.raw_http import HttpLine, request

pytestmark = pytest.mark.slow

_ENVIRONMENT = {"OVERWORLD_TELEMETRY__LOOK_MS": "20"}


async def until_processed(server: ServerProcess) -> None:
    """Waits until the processor has come to the end of the raw log."""
    import asyncpg

    database = await asyncpg.connect(server.dsn)
    unread = """
    SELECT EXISTS (SELECT FROM telemetry.raw WHERE (stamp, id) > coalesce(
        (SELECT (stamp, id) FROM telemetry.step WHERE reader = 'player.events.raw' AND is_kept
         ORDER BY number DESC LIMIT 1), ('0'::xid8, 0::bigint)))"""
    try:
        async with asyncio.timeout(30):
            while await database.fetchval(unread):  # noqa: ASYNC110 - it is told in the database
                await asyncio.sleep(0.05)  # pace: another process does it
    finally:
        await database.close()


def kept(data: Path) -> list[Any]:
    """What lies in the columns of a server that has ended."""
    with duckdb.connect(data / "columns" / "events.duckdb", read_only=True) as store:
        return store.execute(
            "SELECT name, event_id::VARCHAR, player::VARCHAR, session, exposures, properties, platform FROM event "
            "WHERE source = 'client' ORDER BY name, happened_at"
        ).fetchall()


async def send(server: ServerProcess, key: str, events: Iterable[dict[str, Any]]) -> int:
    """Sends a batch; gives how many were accepted, 0 when the server went away."""
    try:
        line = await HttpLine.connect(server.http)
        wanted = request("POST", "/v1/events/batch", token=key, body=json.dumps({"events": list(events)}))
        status, body = await line.ask(wanted.encode())
        line.close()
    except Exception:
        return 0
    assert status == 202, body
    accepted: int = json.loads(body)["accepted"]
    return accepted


def _send_by_posthog(host: str, key: str) -> list[Any]:
    """What an application does that uses PostHog's SDK; gives the errors that the SDK tells of."""
    from posthog import Posthog

    errors: list[Any] = []
    client = Posthog(
        key,
        host=host,
        gzip=True,
        on_error=lambda error, items: errors.append((error, items)),
        flush_at=50,
        flush_interval=0.1,
        disable_geoip=True,
        sync_mode=False,
        enable_exception_autocapture=False,
    )
    for n in range(120):
        client.capture("coin_seen", distinct_id=f"player-{n % 3}", properties={"n": n, "$session_id": "s"})
    client.capture("colour_shown", distinct_id="player-0", properties={"$feature/colour": "blue"})
    client.set(distinct_id="player-0", properties={"email": "a@example.org"})
    client.shutdown()
    return errors


async def test_the_sdk_of_posthog_sends_here_and_what_was_refused_is_mended_by_commands(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with ServerProcess(data, environment=_ENVIRONMENT) as server:
        key = await ingest_key(server)
        assert await asyncio.to_thread(_send_by_posthog, server.http, key) == []
        assert await asyncio.to_thread(_send_by_posthog, server.http, "phc_wrong") != []
        await _mend(server, key, tmp_path / "mended.jsonl")
        await until_processed(server)
    rows = kept(data)
    seen = [row for row in rows if row[0] == "coin_seen"]
    assert sorted(json.loads(row[5])["n"] for row in seen) == list(range(120))
    assert len({row[1] for row in seen}) == 120
    assert len({row[2] for row in seen}) == 3
    assert {row[3] for row in seen} == {"s"}
    assert [row[4] for row in rows if row[0] == "colour_shown"] == [["colour=blue"]]
    assert not any("example.org" in row[5] or "player-" in row[5] for row in rows)
    assert sorted(row[0] for row in rows if row[0] in {"mended", "right"}) == ["mended", "right"]


async def _mend(server: ServerProcess, key: str, file: Path) -> None:
    assert await send(server, key, [{"event": "right"}, {"event": "", "event_id": str(UUID(int=1))}]) == 1
    await until_processed(server)
    (line,) = (await _events("refused", server)).out.splitlines()
    assert json.loads(line)["reason"] == "malformed"
    await asyncio.to_thread(file.write_text, line.replace('"event": ""', '"event": "mended"'))
    ran = await _events("replay-dlq", server, "system.dlq", "--mended", str(file))
    assert (ran.code, ran.out) == (0, "1 events were put back; the processor takes them within seconds\n"), ran.err
    await asyncio.to_thread(file.write_text, '{"id":"x","event":1}')
    ran = await _events("replay-dlq", server, "system.dlq", "--mended", str(file))
    assert ran.code == 1
    assert "line 1" in ran.err


async def _events(command: str, server: ServerProcess, *arguments: str) -> Ran:
    return await overworld("events", command, *arguments, "--data", server.data)


async def test_a_killed_server_has_every_acknowledged_event_once(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    server = ServerProcess(tmp_path, environment=_ENVIRONMENT)
    for turn in range(2):
        async with server:
            if not turn:
                key = await ingest_key(server)

            async def keep_sending(seed: int, key: str = key) -> None:
                batch = 0
                while True:
                    events = made_events(50, seed=seed * 1_000 + batch)
                    for event in events:
                        event["event_id"] = str(uuid4())
                    if not await send(server, key, events):
                        return
                    acknowledged.extend(event["event_id"] for event in events)
                    batch += 1

            sending = [asyncio.create_task(keep_sending(turn * 10 + n)) for n in range(4)]
            await _until(lambda: len(acknowledged) >= 1_000 * (turn + 1))  # noqa: B023 - awaited in this turn
            await server.kill()
            await asyncio.gather(*sending)
    async with server:
        await until_processed(server)
    found = [row[1] for row in kept(tmp_path)]
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found)


async def _until(is_so: Any) -> None:
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(0.02)  # pace: another process answers
