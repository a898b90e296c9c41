"""Server-side request forgery: no URL that somebody types in, or a provider answers with, leads to the inside."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bench.prove import ways_in
from overworld.app.settings import Settings
from overworld.app.webhooks import webhooks_go_inside
from overworld.domains.webhooks import rules
from overworld.domains.webhooks.errors import BadWebhook
from overworld.domains.webhooks.types import WebhookSettings
from overworld.platform.outbound import Fetcher, FetchFailed, Poster
from tests.certificates import make_pair

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

INSIDE = (
    "0.0.0.0",  # noqa: S104 - refused
    *("127.0.0.1", "localhost", "LOCALHOST", "localhost.", "sub.localhost", "127.1", "0", "2130706433"),
    *("0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    *("[0:0:0:0:0:ffff:169.254.169.254]", "169.254.169.254", "2852039166", "0xa9fea9fe", "[fe80::1]", "[fc00::1]"),
    *("[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::1]", "10.0.0.1", "192.168.0.1", "172.16.0.1"),
    *("100.100.100.200", "168.63.129.16", "224.0.0.1", "255.255.255.255", "\N{CIRCLED DIGIT ONE}27.0.0.1"),
)


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A port of this machine, and what was sent to it."""
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1_000))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], heard


async def came_of(url: str) -> str | None:
    """Why a webhook could not be delivered, or None when its URL is not even taken."""
    try:
        kept = rules.url(url, plain_allowed=False)
    except BadWebhook:
        return None
    poster = Poster(timeout_s=2.0)
    posted = await poster.post(kept, headers={}, body=b"{}")
    await poster.close()
    assert posted.status is None
    return posted.error


@pytest.mark.parametrize("host", INSIDE)
async def test_a_webhook_goes_nowhere_inside_however_the_address_is_written(host):
    async with listening() as (port, heard):
        outcome = await came_of(f"https://{host}:{port}/hook")
    assert outcome is None or re.search("no address that may be|has no address|InvalidURL", outcome)
    assert heard == []


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.org/", "file:///etc/passwd", "gopher://127.0.0.1/", "ftp://127.0.0.1/", "//127.0.0.1/", ""),
        *("https://user:pass@127.0.0.1/", "https://example.org@127.0.0.1/", "https://127.0.0.1\\@example.org/"),
        *("https://example.org\r\nHost: 127.0.0.1/", "https://example.org#@127.0.0.1/", "https:///etc/passwd"),
        *("https://example.org:0x50/", "https://[::1/", "HTTPS:/127.0.0.1", "https://127.0.0.1:99999/"),
    ],
)
async def test_a_webhook_is_made_for_no_other_kind_of_url(url):
    assert await came_of(url) is None


def test_only_development_and_a_setting_let_webhooks_go_inside():
    """The stage is in development, and so are those who try webhooks on their own machine."""
    assert not webhooks_go_inside(Settings(mode="production"))
    assert webhooks_go_inside(Settings(mode="production", webhooks=WebhookSettings(private_addresses=True)))


@pytest.mark.parametrize("provider", ["inside", "clouds"])
async def test_an_issuer_that_is_inside_is_not_asked(stage, provider):
    """Even the operator's own list of providers leads inside only where a setting says so."""
    body = {"redirect_uri": ways_in.BACK}
    reply = await stage.http.post(f"/v1/auth/social/{provider}/begin", json=body)
    assert reply.status_code in {502, 503}, reply.text
    assert "localhost" not in reply.text
    assert "169.254" not in reply.text


@pytest.mark.parametrize("host", INSIDE)
async def test_a_provider_is_fetched_from_nowhere_inside(host):
    async with listening() as (port, heard):
        fetcher = Fetcher(timeout_s=2.0)
        with pytest.raises(FetchFailed):
            await fetcher.get(f"https://{host}:{port}/.well-known/openid-configuration")
        await fetcher.close()
    assert heard == []


async def test_a_name_that_leads_inside_is_not_followed_there(monkeypatch):
    """One's own name service may say anything; also several addresses, of which one is inside."""
    loop = asyncio.get_running_loop()
    async with listening() as (port, heard):
        for addresses in (["127.0.0.1"], ["::ffff:127.0.0.1"], ["169.254.169.254", "127.0.0.1"]):

            async def says(*_rest: object, told: list[str] = addresses, **_options: object) -> object:
                return [(2, 1, 6, "", (each, port)) for each in told]

            monkeypatch.setattr(loop, "getaddrinfo", says)
            poster, fetcher = Poster(timeout_s=2.0), Fetcher(timeout_s=2.0)
            posted = await poster.post(f"https://evil.example:{port}/", headers={}, body=b"{}")
            assert posted.error == "the host has no address that may be reached"
            with pytest.raises(FetchFailed, match="no address that may be reached"):
                await fetcher.get(f"https://evil.example:{port}/")
            await poster.close()
            await fetcher.close()
    assert heard == []


async def test_a_name_that_turns_inside_between_check_and_use_is_not_followed_there(monkeypatch):
    """Public when it is judged, inside a moment later: nobody asks a second time."""
    loop, asked = asyncio.get_running_loop(), []
    async with listening() as (port, heard):

        async def turns(host: object, *_rest: object, **_options: object) -> object:
            asked.append(host)
            return [(2, 1, 6, "", ("203.0.113.1" if len(asked) > 1 else "192.0.2.1", port))]

        monkeypatch.setattr(loop, "getaddrinfo", turns)
        monkeypatch.setattr("overworld.platform.outbound.addresses.is_public", lambda address: address == "192.0.2.1")
        poster = Poster(timeout_s=0.3)
        posted = await poster.post(f"https://evil.example:{port}/", headers={}, body=b"{}")
        await poster.close()
    assert posted.status is None
    assert heard == []
    assert [each for each in asked if each == "evil.example"] == ["evil.example"]


async def test_a_redirect_to_the_inside_is_an_answer_like_any_other(tmp_path):
    pair = make_pair(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    async with listening() as (inner, heard):

        async def redirects(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(
                f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{inner}/\r\nContent-Length: 0\r\n\r\n".encode()
            )
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(redirects, "127.0.0.1", 0, ssl=tls) as server:
            port = server.sockets[0].getsockname()[1]
            fetcher = Fetcher(private_allowed=True, timeout_s=5.0, tls=pair.trusting())
            fetched = await fetcher.get(f"https://localhost:{port}/")
            await fetcher.close()
    assert fetched.status == 307
    assert heard == []
