"""The protocol of the servers we compare with: what we send is what their documentation says, Redis takes it."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from bench.load.resp import RespError, RespLine, UpdatesLoad, UpdatesPlan, decode, encode, found, search, update
from bench.peers import PeerProcess, ratios, redis

HERE = (37.55, 126.99)
NO_REDIS = shutil.which("redis-server") is None and os.environ.get("CI") != "true"

needs_redis = pytest.mark.skipif(NO_REDIS, reason="redis-server is not installed: script/need redis-server")


def test_commands_are_arrays_of_bulk_strings():
    assert encode("GET", "né", 5) == b"*3\r\n$3\r\nGET\r\n$3\r\nn\xc3\xa9\r\n$1\r\n5\r\n"


def test_a_place_is_in_the_order_each_server_wants():
    assert update("GEOADD", "m", *HERE) == encode("GEOADD", "crowd", "126.9900000", "37.5500000", "m")
    assert update("SET", "m", *HERE) == encode("SET", "crowd", "m", "POINT", "37.5500000", "126.9900000")
    near = search("NEARBY", *HERE, radius_m=1_000, limit=50)
    assert near == encode(
        *("NEARBY", "crowd", "LIMIT", 50, "DISTANCE", "POINTS", "POINT", "37.5500000", "126.9900000", 1_000)
    )


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"+OK\r\n", b"OK"),
        (b":-7\r\n", -7),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"$4\r\na\r\nb\r\n", b"a\r\nb"),
        (b"*2\r\n*1\r\n:1\r\n$1\r\nx\r\n", [[1], b"x"]),
    ],
)
def test_every_kind_of_reply_is_read_to_its_end(data, value):
    assert decode(data + b"+NEXT\r\n") == (value, len(data))


@pytest.mark.parametrize("data", [b"", b"$3\r\nab", b"*2\r\n:1\r\n", b"+O"])
def test_a_reply_that_is_not_whole_is_no_reply(data):
    with pytest.raises(ValueError):
        decode(data)


def test_members_are_found_in_the_answers_of_both_servers():
    """Tile38 puts a cursor before the list."""
    item = b"*2\r\n$1\r\nm\r\n$3\r\n1.5\r\n"
    assert found("GEOSEARCH", b"*1\r\n" + item) == [b"m"]
    assert found("NEARBY", b"*2\r\n:0\r\n*1\r\n" + item) == [b"m"]
    with pytest.raises(TypeError):
        found("NEARBY", b"-ERR no such key\r\n")


def test_ratios_are_ours_over_theirs():
    assert ratios({"search_us": 3.0, "rss_mb": 8.0}, {"search_us": 2.0, "rss_mb": 0.0}) == {"search_us": 1.5}


async def scripted(answer: bytes, parts: int) -> bytes:
    """What a client reads from a server that gives an answer in so many parts."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"PING\r\n")
        whole, size = answer + b"+PONG\r\n", -(-len(answer + b"+PONG\r\n") // parts)
        for at in range(0, len(whole), size):
            writer.write(whole[at : at + size])
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        line = await RespLine.connect(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        try:
            return await line.ask(encode("NEARBY"))
        finally:
            line.close()


@pytest.mark.parametrize("parts", [1, 2, 5, 30])
async def test_an_answer_ends_where_the_ping_after_it_is_answered(parts):
    answer = b"*2\r\n:0\r\n*1\r\n*2\r\n$1\r\nm\r\n$3\r\n1.5\r\n"
    assert await scripted(answer, parts) == answer


async def test_a_refused_command_is_an_error():
    with pytest.raises(RespError, match="ERR"):
        await scripted(b"+OK\r\n-ERR invalid argument\r\n", 1)


@pytest.mark.slow
@needs_redis
async def test_redis_takes_updates_and_finds_the_nearest_in_order(tmp_path: Path):
    async with PeerProcess(redis(), tmp_path / "redis") as process:
        line = await RespLine.connect(process.url)
        members = [(f"m{k}", HERE[0] + k * 1e-3, HERE[1]) for k in range(20)]
        await line.ask(b"".join(update("GEOADD", *member) for member in members))
        body = await line.ask(search("GEOSEARCH", *HERE, radius_m=1_000, limit=5))
        assert found("GEOSEARCH", body) == [b"m0", b"m1", b"m2", b"m3", b"m4"]
        with pytest.raises(RespError):
            await line.ask(encode("GEOADD", "crowd", "no", "place", "m"))
        line.close()
        load = await UpdatesLoad.connect(
            UpdatesPlan(url=process.url, connections=2, batch=8, members=members, command="GEOADD")
        )
        await load.round(0.05)
        tally = await load.tally()
        await load.close()
        assert tally.done >= 16
        assert not tally.faults
        assert len(tally.latencies_s) * 8 == tally.done
