"""Path traversal: no spelling of a path leads to a file that is not meant to be read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.security.stage import Stage
from tests.system.target import faults

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

PREFIXES = ("/", "/avatars/", "/site/", "/docs/", "/v1/users/", "/v1/memberships/", "/v1/auth/social/", "/.well-known/")
UP = (
    *("..", "%2e%2e", "%2E%2E", ".%2e", "%252e%252e", "%c0%ae%c0%ae", "..;", "....", "%u002e%u002e"),
    *("..%00", "%e0%80%ae%e0%80%ae", "\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}"),
)
SEPARATORS = ("/", "%2f", "%252f", "\\", "%5c", "%255c", "%c0%af", "//")
FILES = ("etc/passwd", "developer.key", "server.log", "mail", "overworld/app/settings.py", "pyproject.toml")
TELLTALES = ("root:x:", "owdev_", "-----BEGIN", '"logger"', "from __future__", "[project]", "Subject:")


def spellings(prefix: str) -> Iterator[str]:
    """Ways up from a path, to files that are there."""
    for up in UP:
        for separator in SEPARATORS:
            for file in FILES[:2]:
                yield prefix + (up + separator) * 6 + file
    for file in FILES:
        yield f"{prefix}../{file}"
        yield f"{prefix}..%2f{file.replace('/', '%2f')}"
        yield f"{prefix}%2fetc%2fpasswd"
        yield f"{prefix}file:%2f%2f%2fetc%2fpasswd"
    yield f"{prefix}{'a/' * 500}{'../' * 506}etc/passwd"


async def answer(stage: Stage, path: str) -> bytes:
    """What the server answers to a path that is sent exactly as it is written."""
    where = urlsplit(stage.server.http)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await writer.drain()
    text = await reader.read()
    writer.close()
    return text


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_no_spelling_of_a_path_leads_to_a_file(stage, prefix):
    answers = await asyncio.gather(*(answer(stage, path) for path in dict.fromkeys(spellings(prefix))))
    assert {each.split(b" ", 2)[1] for each in answers} <= {b"400", b"401", b"404", b"405"}
    for each in answers:
        assert not any(telltale.encode() in each for telltale in TELLTALES), each[:500]


@pytest.mark.parametrize(
    "name",
    [
        *("..%2fdeveloper.key", "..%2f", "", "0" * 32, f"{'0' * 32}-64.webp/../x", f"{'0' * 32}-64.webp%00.png"),
        *(f"{'0' * 32}-0.webp", f"{'0' * 32}-99999.webp", f"{'F' * 32}-64.webp", "a" * 65),
        "\N{ARABIC-INDIC DIGIT ONE}" * 32 + "-64.webp",
    ],
)
async def test_what_is_no_picture_of_anybody_is_read_from_no_store(stage, name):
    reply = await stage.http.get(f"/avatars/{name}")
    assert reply.status_code in {400, 404}
    assert faults(reply) == []


async def test_an_absolute_address_as_target_is_no_way_to_another_host_or_file(stage):
    for path in ("http://127.0.0.1:1/", "file:///etc/passwd", "https://example.org/", "*", "//example.org/v1"):
        text = await answer(stage, path)
        assert text.split(b" ", 2)[1][:1] in {b"4", b"2"}, text
        assert b"root:x:" not in text
