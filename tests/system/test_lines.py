"""Lines that break, and packed fixes, with a whole server behind them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from overworld.geo import cells
from overworld.kernel.clock import to_us
from overworld.kernel.packed import FLAG_ACK, HEADER, POSITION, POSITIONS, UNKNOWN, VERDICT, VERDICTS, VERSION
from tests.system.raw_socket import BINARY, TEXT, WAIT_S, RawSocket, raw_socket
from tests.system.target import Target, under_attack

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("lines")]

LJUBLJANA = (46.0511, 14.5051)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory) -> AsyncIterator[Target]:
    async with under_attack(tmp_path_factory.mktemp("lines")) as target:
        yield target


def packed_fix(lat: float, lng: float) -> bytes:
    """A frame with one fix, now, that asks for its verdict."""
    fix = (to_us(datetime.now(UTC)), round(lat * 1e7), round(lng * 1e7), 50, UNKNOWN, UNKNOWN, FLAG_ACK)
    return HEADER.pack(POSITIONS, VERSION, 1) + np.array([fix], POSITION).tobytes()


async def told(socket: RawSocket, type_: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The next message of a type, and what came before it."""
    before: list[dict[str, Any]] = []
    async with asyncio.timeout(WAIT_S):
        while True:
            kind, payload = await socket.next()
            if kind == TEXT:
                message: dict[str, Any] = json.loads(payload)
                if message["type"] == type_:
                    return message, before
                before.append(message)


async def test_a_packed_fix_brings_its_cell_into_sight_and_gets_its_verdict(target):
    player = await target.player()
    channel = f"location:cell:{cells.token(cells.cell_of(*LJUBLJANA, 15))}"
    async with raw_socket(target.server.realtime, token=player.token) as socket:
        socket.frame(BINARY, packed_fix(*LJUBLJANA))
        socket.send({"type": "subscribe", "channels": [channel], "cid": "1"})
        kind, frame = await socket.next()
        assert (kind, HEADER.unpack_from(frame)) == (BINARY, (VERDICTS, VERSION, 1))
        assert np.frombuffer(frame, VERDICT, offset=HEADER.size)["accepted"].tolist() == [1]
        assert (await told(socket, "subscribed"))[0]["channels"] == [channel]


async def test_what_happened_while_a_phone_had_no_network_is_told_when_it_is_back(target):
    watcher, taker = await target.player(), await target.player()
    assert (await watcher.stand(*LJUBLJANA))["accepted"]
    coin = (await watcher.around(*LJUBLJANA))[0]
    assert (await taker.stand(coin["lat"], coin["lng"]))["accepted"]
    channel = f"location:cell:{cells.token(cells.cell_of(coin['lat'], coin['lng'], 15))}"
    async with raw_socket(target.server.realtime) as phone:
        auth = await phone.ask({"type": "auth", "token": watcher.token})
        phone.send({"type": "subscribe", "channels": [channel]})
        assert (await told(phone, "subscribed"))[0]["channels"] == [channel]
        last, _ = await told(phone, "coins.nearby")
        phone.cut()
    taken = await taker.collect(coin["id"])
    assert taken.status_code == 200, taken.text
    async with raw_socket(target.server.realtime, token=watcher.token) as phone:
        phone.send({"type": "resume", "epoch": auth["epoch"], "seq": last["seq"]})
        resumed, _ = await told(phone, "resumed")
        assert (resumed["epoch"], resumed["channels"]) == (auth["epoch"], [channel])
        gone, _ = await told(phone, "coins.collected")
        assert (gone["seq"], gone["channel"], gone["data"]["id"]) == (last["seq"] + 1, channel, coin["id"])
