"""Posting where somebody said: bounded, unredirected, never inside, and under the name that was meant."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from overworld.platform.outbound import Poster, connections
from tests.certificates import make_pair
from tests.domains.webhooks.receiver import Answer, Receiver, receiving


@pytest.fixture
async def receiver():
    async with receiving() as opened:
        yield opened


async def test_a_loopback_address_is_not_even_connected_to(receiver):
    port = receiver.url.split(":")[2]
    poster = Poster(timeout_s=2.0)
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"):
        posted = await poster.post(f"http://{host}:{port}", headers={}, body=b"")
        assert (posted.status, posted.error) == (None, "the host has no address that may be reached"), host
    await poster.close()
    assert receiver.requests == []


async def test_a_name_that_turns_inside_after_it_was_judged_is_reached_where_it_was_judged(receiver, monkeypatch):
    """The connection goes to the address that was looked at; nobody asks for the name a second time."""
    asked = []
    loop, port = asyncio.get_running_loop(), int(receiver.url.split(":")[2].split("/")[0])

    async def rebinding(host, *_rest, **_options):
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1" if len(asked) == 1 else "127.0.0.2", port))]

    monkeypatch.setattr(loop, "getaddrinfo", rebinding)
    poster = Poster(private_allowed=True, timeout_s=2.0)
    posted = await poster.post(f"http://rebinding.example:{port}/hook", headers={}, body=b"{}")
    await poster.close()
    assert posted.status == 200
    assert [request.headers["host"] for request in receiver.requests] == [f"rebinding.example:{port}"]
    assert [host for host in asked if host == "rebinding.example"] == ["rebinding.example"]


async def test_the_next_address_is_tried_when_one_refuses(receiver, monkeypatch):
    loop, port = asyncio.get_running_loop(), int(receiver.url.split(":")[2].split("/")[0])
    real = loop.getaddrinfo

    async def two(host, *rest, **options):
        if host == "two.example":
            return [(2, 1, 6, "", (address, port)) for address in ("127.0.0.9", "127.0.0.1")]
        return await real(host, *rest, **options)

    monkeypatch.setattr(loop, "getaddrinfo", two)
    poster = Poster(private_allowed=True, timeout_s=5.0)
    posted = await poster.post(f"http://two.example:{port}/hook", headers={}, body=b"{}")
    await poster.close()
    assert (posted.status, len(receiver.requests)) == (200, 1)


async def test_connections_are_kept_for_the_next(receiver):
    peers = set()
    serve = receiver.serve

    async def serving(reader, writer):
        peers.add(writer.get_extra_info("peername"))
        await serve(reader, writer)

    server = await asyncio.start_server(serving, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    poster = Poster(private_allowed=True)
    for _ in range(3):
        assert (await poster.post(url, headers={}, body=b"{}")).status == 200
    await poster.close()
    server.close()
    assert len(peers) == 1


@pytest.mark.parametrize(
    ("answer", "status"), [(Answer(301, "location: http://169.254.169.254/\r\n"), 301), (Answer(0), None)]
)
async def test_whatever_comes_back_is_told_and_nothing_followed(receiver, answer, status):
    receiver.answer = lambda _request, _n: answer
    poster = Poster(private_allowed=True, timeout_s=2.0)
    posted = await poster.post(receiver.url, headers={}, body=b"")
    await poster.close()
    assert (posted.status, len(receiver.requests), bool(posted.error)) == (status, 1, status is None)


@pytest.mark.parametrize(("header", "seconds"), [("120", 120), ("soon", 0), ("-5", 0), ("1e9", 0), ("9" * 30, 0)])
async def test_a_pause_that_is_asked_for_is_heard_in_seconds(receiver, header, seconds):
    receiver.answer = lambda _request, _n: Answer(503, f"retry-after: {header}\r\n")
    poster = Poster(private_allowed=True)
    posted = await poster.post(receiver.url, headers={}, body=b"")
    await poster.close()
    assert posted.retry_after_s == seconds


async def test_an_answer_that_drips_is_cut_off_at_the_time_out():
    async def drip(reader, writer):
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)  # pace: a byte now and then is what is tested
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    poster = Poster(private_allowed=True, timeout_s=0.15)
    posted = await poster.post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", headers={}, body=b"")
    await poster.close()
    server.close()
    assert (posted.status, posted.error) == (None, "no answer within 0.15 s")


async def test_a_certificate_has_to_be_of_the_name_although_the_connection_goes_to_an_address(tmp_path, monkeypatch):
    """The certificate is of localhost and of 127.0.0.1, where both names lead: only the name that was meant counts."""
    pair, opened = make_pair(tmp_path), Receiver()
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(pair.certificate, pair.key)
    server = await asyncio.start_server(opened.serve, "127.0.0.1", 0, ssl=server_tls)
    port, loop = server.sockets[0].getsockname()[1], asyncio.get_running_loop()

    async def here(*_asked, **_options):
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(loop, "getaddrinfo", here)
    poster = Poster(private_allowed=True, tls=pair.trusting())
    right = await poster.post(f"https://localhost:{port}/", headers={}, body=b"")
    wrong = await poster.post(f"https://elsewhere.example:{port}/", headers={}, body=b"")
    await poster.close()
    server.close()
    assert (right.status, wrong.status, len(opened.requests)) == (200, None, 1)
    assert "certificate" in wrong.error.lower()


async def test_more_origins_than_are_kept_are_all_reached_however_many_are_asked_at_once(receiver, monkeypatch):
    loop, port = asyncio.get_running_loop(), int(receiver.url.split(":")[2].split("/")[0])

    async def here(*_rest, **_options):
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(loop, "getaddrinfo", here)
    monkeypatch.setattr(connections, "_ORIGINS_MAX", 4)
    poster = Poster(private_allowed=True, timeout_s=10.0)
    for _ in range(3):
        asked = (poster.post(f"http://shop{number}.example:{port}/", headers={}, body=b"{}") for number in range(24))
        assert {posted.status for posted in await asyncio.gather(*asked)} == {200}
    await poster.close()
