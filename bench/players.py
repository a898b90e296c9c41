"""Players for a benchmark: signed in over HTTP as devices, all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct

from bench.prove.outcome import Steps
from overworld.client import Session
from overworld.client.raw_http import HttpLine, request

_AT_ONCE = 16


class Seat(Struct, frozen=True):
    """A player who is signed in."""

    id: UUID
    token: str


async def sign_in(url: str, count: int) -> list[Seat]:
    """So many new players of the server at an address. Raises: RuntimeError when one is refused."""
    return await sign_in_devices(url, new_devices(count))


def new_devices(count: int) -> list[str]:
    """The ids of so many devices that nobody knows."""
    return [f"bench-{i}-{uuid4()}" for i in range(count)]


async def sign_in_devices(url: str, device_ids: Sequence[str]) -> list[Seat]:
    """The players of these devices, new or known, aligned. Raises: RuntimeError when one is refused."""
    wanted = [
        request("POST", "/v1/auth/device", body=f'{{"device_id":"{device_id}"}}').encode() for device_id in device_ids
    ]
    bodies = await ask_all(url, "players signed in", wanted)
    sessions = (msgspec.json.decode(body, type=Session) for body in bodies)
    return [Seat(UUID(session.user.id), session.access_token) for session in sessions]


def fix_request(seat: Seat, lat_deg: float, lng_deg: float) -> str:
    """The request by which a player tells that it is at a place, now."""
    now = datetime.now(UTC).isoformat()
    body = f'{{"lat":{lat_deg:.7f},"lng":{lng_deg:.7f},"accuracy_m":5,"timestamp":"{now}"}}'
    return request("POST", "/v1/location/update", token=seat.token, body=body)


async def ask_all(url: str, what: str, requests: Sequence[bytes]) -> list[bytes]:
    """The body of the answer to each request, aligned; several are under way at once.

    Raises: RuntimeError for an answer that is none of success.
    """
    bodies = [b""] * len(requests)
    left = iter(enumerate(requests))
    with Steps(what, len(requests)) as steps:
        async with asyncio.TaskGroup() as asking:
            for _ in range(min(_AT_ONCE, len(requests))):
                asking.create_task(_ask_in_turn(url, left, bodies, steps))
    return bodies


async def _ask_in_turn(url: str, left: Iterator[tuple[int, bytes]], bodies: list[bytes], steps: Steps) -> None:
    line = await HttpLine.connect(url)
    try:
        for i, wanted in left:
            status, bodies[i] = await line.ask(wanted)
            if status // 100 != 2:
                raise RuntimeError(f"{wanted[:40]!r} was answered {status} {bodies[i]!r}")
            steps.done()
    finally:
        line.close()
