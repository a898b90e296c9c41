"""Image bombs: a picture that was made to choke its decoder, or to be two things at once, is refused or made anew."""

from __future__ import annotations

import zlib

import psutil
import pytest

from tests.domains.accounts.profiles.drawn import (
    chunk,
    many_scans,
    moving_webp_of,
    picture,
    png_of,
    webp_of,
    whereabouts,
)
from tests.security.stage import Person
from tests.system.target import faults

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

TYPES = ("image/jpeg", "image/png", "image/webp")
SCRIPT = b"<script>alert('polyglot')</script><?php system('id') ?>"
MEMORY_MAX = 400 * 2**20
CPU_MAX_S = 15.0

BOMBS = {
    "a PNG of 10 KB that unpacks to gigabytes": png_of(60_000, 60_000, rows=bytes(10_000_000)),
    "the largest PNG there can be": png_of(2**31 - 1, 2**31 - 1),
    "a JPEG of 65 535 by 65 535": picture("JPEG", size=(1, 1)).replace(
        b"\x00\x01\x00\x01\x03", b"\xff\xff\xff\xff\x03"
    ),
    "a still WebP of 16 383 by 16 383": webp_of(16_383),
    "a moving WebP of 16 383 by 16 383": moving_webp_of(16_383),
    "a JPEG that is gone over thousands of times": many_scans(5_000),
    "text that unpacks to megabytes": png_of(
        10, 10, before=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000), 9))
    ),
    "a profile that unpacks to megabytes": png_of(
        10, 10, before=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(10_000_000), 9))
    ),
    "a JPEG that ends early": picture("JPEG")[:-200],
    "a PNG that ends early": picture("PNG")[:60],
    "an SVG": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "a GIF": picture("GIF", mode="P", color=0),
    "nothing": b"",
    "a ZIP": b"PK\x03\x04" + bytes(100),
}
POLYGLOTS = {
    "a JPEG and a page": picture("JPEG") + SCRIPT,
    "a PNG and a page": picture("PNG") + SCRIPT,
    "a PNG and an archive": picture("PNG") + b"PK\x05\x06" + bytes(18),
    "a JPEG with a comment": picture("JPEG", comment=SCRIPT),
    "a WebP and a page": picture("WEBP") + SCRIPT,
}


async def sent(person: Person, content: bytes, *, kind: str) -> tuple[int, str]:
    reply = await person.ask("POST", "/v1/users/avatar", content=content, headers={"Content-Type": kind})
    assert faults(reply) == [], reply.text
    return reply.status_code, reply.json().get("code", "") if reply.status_code >= 400 else reply.json()["urls"]["64"]


@pytest.mark.parametrize("content", BOMBS.values(), ids=list(BOMBS))
async def test_a_picture_that_was_made_to_harm_is_refused_at_once(stage, content):
    person, server = await stage.player(), psutil.Process(stage.server.family[0].pid)
    before_s, before = sum(server.cpu_times()[:2]), server.memory_info().rss
    for kind in TYPES:
        status, code = await sent(person, content, kind=kind)
        assert (status, code) in {
            (400, "accounts.bad_image"),
            (400, "http.bad_request"),
            (413, "accounts.image_too_large"),
        }
    assert sum(server.cpu_times()[:2]) - before_s < CPU_MAX_S
    assert server.memory_info().rss - before < MEMORY_MAX
    assert (await person.get("/v1/users/me"))["avatar"] is None


@pytest.mark.parametrize("content", POLYGLOTS.values(), ids=list(POLYGLOTS))
async def test_a_picture_that_is_something_else_too_is_only_a_picture_afterwards(stage, content):
    """Whatever is shown was drawn here from its pixels, and a browser is told to run nothing in it."""
    person = await stage.player()
    status, url = await sent(person, content, kind="image/png")
    if status != 200:
        assert status == 400
        return
    shown = await stage.http.get(url)
    assert shown.headers["Content-Type"] == "image/webp"
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    assert (shown.content[:4], shown.content[8:12]) == (b"RIFF", b"WEBP")
    for part in (b"script", b"<?php", b"PK\x05\x06"):
        assert part not in shown.content


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
async def test_where_a_picture_was_taken_leaves_with_nobody(stage, format):
    person = await stage.player()
    status, url = await sent(person, picture(format, exif=whereabouts()), kind=f"image/{format.lower()}")
    assert status == 200
    shown = (await stage.http.get(url)).content
    for part in (b"EXIF", b"Exif", b"XMP ", b"ICCP"):
        assert part not in shown
