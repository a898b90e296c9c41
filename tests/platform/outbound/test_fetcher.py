"""Asking servers that an operator named: bounded, unredirected, and never inside unless that is allowed."""

from __future__ import annotations

import asyncio

import pytest

from overworld.platform.outbound import Fetcher, FetchFailed
from tests.domains.webhooks.receiver import Answer, receiving


@pytest.fixture
async def receiver():
    async with receiving() as opened:
        yield opened


@pytest.fixture
async def fetcher():
    opened = Fetcher(private_allowed=True, timeout_s=2.0)
    yield opened
    await opened.close()


async def test_an_answer_comes_whole(receiver, fetcher):
    receiver.answer = lambda _request, _n: Answer(404, body=b"{}")
    got = await fetcher.get(receiver.url, headers={"Authorization": "Bearer x"})
    posted = await fetcher.post_form(receiver.url, {"a": "1 & 2"})
    assert (got.status, got.body, posted.status) == (404, b"{}", 404)
    [asked, form] = receiver.requests
    assert (asked.headers["authorization"], asked.headers["accept-encoding"]) == ("Bearer x", "identity")
    assert (form.body, form.headers["content-type"]) == (b"a=1+%26+2", "application/x-www-form-urlencoded")
    assert "Bearer" not in repr(got)


async def test_nobody_inside_is_asked_and_nobody_in_plain(receiver):
    """SSRF through an issuer's URL, or through the URLs that an issuer names."""
    port = receiver.url.split(":")[2].split("/")[0]
    fetcher = Fetcher(timeout_s=2.0)
    for url in (
        receiver.url,
        f"https://127.0.0.1:{port}/",
        f"https://localhost:{port}/",
        f"https://[::ffff:127.0.0.1]:{port}/",
        "https://169.254.169.254/latest/meta-data",
        "https://user:password@example.org/",
        "https:///",
        "file:///etc/passwd",
        "gopher://example.org/",
        "not a url",
        "",
    ):
        with pytest.raises(FetchFailed):
            await fetcher.get(url)
    await fetcher.close()
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(200, body=b"x" * (256 * 1024 + 1)), "more than"),
        (Answer(200, "content-encoding: gzip\r\n", b"\x1f\x8b"), "compressed"),
        (Answer(0), "RemoteProtocolError"),
    ],
)
async def test_what_cannot_be_taken_is_a_failure_with_its_reason(receiver, fetcher, answer, why):
    receiver.answer = lambda _request, _n: answer
    with pytest.raises(FetchFailed, match=why):
        await fetcher.get(receiver.url)


async def test_a_redirect_is_an_answer_and_not_followed(receiver, fetcher):
    receiver.answer = lambda _request, _n: Answer(302, "location: http://169.254.169.254/\r\n")
    assert (await fetcher.get(receiver.url)).status == 302
    assert len(receiver.requests) == 1


async def test_who_never_answers_is_waited_for_within_bounds(receiver):
    receiver.answer = lambda _request, _n: Answer(-1)
    fetcher = Fetcher(private_allowed=True, timeout_s=0.1)
    async with asyncio.timeout(5):
        with pytest.raises(FetchFailed, match=r"within 0\.1 s"):
            await fetcher.get(receiver.url)
    await fetcher.close()
