"""Pictures are made anew, upright and bare; what is made to crash or to choke a decoder is refused at once."""

from __future__ import annotations

import asyncio
import random
import threading
import zlib
from io import BytesIO

import pytest
from PIL import Image

from overworld.domains.accounts.profiles.errors import BadImage, ImageTooLarge
from overworld.domains.accounts.profiles.pictures import Pictures
from overworld.domains.accounts.profiles.types import SIDES_PX
from overworld.kernel.refusals import Busy
from tests.domains.accounts.profiles.drawn import (
    chunk,
    halves,
    many_scans,
    moving_webp_of,
    picture,
    png_of,
    webp_of,
    whereabouts,
)


@pytest.fixture
def pictures():
    made = Pictures(pixels_max=1_000_000, workers=1, queue_max=2)
    yield made
    made.close()


def opened(content):
    shown = Image.open(BytesIO(content))
    shown.load()
    return shown


def chunks_of(webp):
    """The names of the chunks in a WebP. Source: RFC 9649, section 2.3."""
    at, names = 12, []
    while at < len(webp):
        names.append(webp[at : at + 4])
        at += 8 + int.from_bytes(webp[at + 4 : at + 8], "little") + 1 & ~1
    return names


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
async def test_each_format_becomes_squares_of_webp(pictures, format):
    squares = await pictures.squares(picture(format))
    assert list(squares) == list(SIDES_PX)
    for side, content in squares.items():
        shown = opened(content)
        assert (shown.format, shown.size) == ("WEBP", (side, side))


@pytest.mark.parametrize(
    ("mode", "format"),
    [("1", "PNG"), ("L", "JPEG"), ("LA", "PNG"), ("P", "PNG"), ("I;16", "PNG"), ("RGBA", "WEBP"), ("CMYK", "JPEG")],
)
async def test_each_kind_of_pixels_is_taken(pictures, mode, format):
    squares = await pictures.squares(picture(format, mode=mode, color=0))
    assert opened(squares[64]).mode in {"RGB", "RGBA"}


async def test_what_is_transparent_stays_so(pictures):
    squares = await pictures.squares(picture("PNG", mode="RGBA", color=(10, 20, 30, 0)))
    assert opened(squares[64]).convert("RGBA").getpixel((32, 32))[3] == 0


async def test_the_middle_is_kept(pictures):
    drawn = Image.new("RGB", (900, 100), "red")
    drawn.paste("lime", (400, 0, 500, 100))
    out = BytesIO()
    drawn.save(out, "PNG")
    red, green, _ = opened((await pictures.squares(out.getvalue()))[256]).convert("RGB").getpixel((128, 128))
    assert (red < 40, green > 200) == (True, True)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
async def test_it_is_turned_as_its_exif_says_and_nothing_but_pixels_is_left(pictures, format):
    content = halves(format, exif=whereabouts(orientation=3), icc_profile=b"a profile", comment=b"secret")
    assert b"telling" in content
    squares = await pictures.squares(content)
    red, _, blue = opened(squares[256]).convert("RGB").getpixel((128, 20))
    assert blue > 200 > red
    for square in squares.values():
        assert set(chunks_of(square)) <= {b"VP8 ", b"VP8L", b"VP8X", b"ALPH"}
        assert dict(opened(square).getexif()) == {}


async def test_the_same_picture_gives_the_same_bytes(pictures):
    assert await pictures.squares(picture()) == await pictures.squares(picture())


async def test_of_one_that_moves_the_first_frame_is_kept(pictures):
    frames = [Image.new("RGB", (80, 80), color) for color in ("red", "blue")]
    out = BytesIO()
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:])
    shown = opened((await pictures.squares(out.getvalue()))[64])
    assert getattr(shown, "n_frames", 1) == 1
    assert shown.convert("RGB").getpixel((30, 30))[0] > 200


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(png_of(60_000, 60_000, rows=bytes(10_000_000)), id="a PNG of 10 KB that unpacks to 10 GB"),
        pytest.param(png_of(2**31 - 1, 2**31 - 1), id="the largest PNG there can be"),
        pytest.param(
            picture("JPEG", size=(1, 1)).replace(b"\x00\x01\x00\x01\x03", b"\xff\xff\xff\xff\x03"), id="a JPEG"
        ),
        pytest.param(webp_of(16_383), id="a still WebP"),
        pytest.param(moving_webp_of(16_383), id="a moving WebP"),
        pytest.param(picture("PNG", size=(1_001, 1_000), mode="1", color=0), id="a pixel row more than is taken"),
    ],
)
async def test_an_image_bomb_is_refused_by_its_header(pictures, content):
    assert len(content) < 20_000
    with pytest.raises(ImageTooLarge) as refused:
        await pictures.squares(content)
    assert refused.value.public_fields() == {"pixels_max": 1_000_000}


@pytest.mark.slow
async def test_a_jpeg_that_is_gone_over_thousands_of_times_is_refused_unread():
    pictures = Pictures(pixels_max=2**24, workers=1, queue_max=1)
    try:
        with pytest.raises(BadImage) as refused:
            await pictures.squares(many_scans(5_000))
        assert refused.value.fields["reason"] == "too many scans"
    finally:
        pictures.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a picture",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\xff\xff\xff\xffWEBPVP8 ",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        picture("GIF", mode="P", color=0),
        picture("BMP"),
        picture("TIFF"),
        picture("ICO", size=(16, 16)),
        picture("JPEG")[:-200],
        picture("PNG")[:60],
        png_of(100, 100, rows=b"short"),
        png_of(0, 0),
        png_of(10, 10, before=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000), 9))),
        png_of(10, 10, before=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(10_000_000), 9))),
    ],
)
async def test_what_is_no_whole_picture_of_a_known_format_is_refused(pictures, content):
    with pytest.raises(BadImage):
        await pictures.squares(content)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tag data larger")
async def test_whatever_is_damaged_in_a_picture_it_is_taken_or_refused(pictures):
    """Neither a crash nor an exception of the decoder's own."""
    dice = random.Random(3)
    sound = [picture(each, size=(40, 40), exif=whereabouts()) for each in ("JPEG", "PNG", "WEBP")]
    refused = 0
    for turn in range(60):
        content = bytearray(sound[turn % 3])
        for _ in range(dice.randint(1, 6)):
            content[dice.randrange(len(content))] = dice.randrange(256)
        try:
            await pictures.squares(bytes(content))
        except (BadImage, ImageTooLarge):
            refused += 1
    assert 0 < refused < 60


async def test_the_loop_is_free_while_a_picture_is_made_and_only_so_many_wait(monkeypatch):
    """One is in work and two wait; a fourth is told to come back."""
    pictures, gate = Pictures(pixels_max=1_000_000, workers=1, queue_max=2), threading.Event()
    made = pictures._made
    monkeypatch.setattr(pictures, "_made", lambda content: (gate.wait(10), made(content))[1])
    try:
        waiting = [asyncio.ensure_future(pictures.squares(picture())) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await pictures.squares(picture())
        gate.set()
        assert [len(squares) for squares in await asyncio.gather(*waiting)] == [3, 3, 3]
        assert len(await pictures.squares(picture())) == 3
    finally:
        gate.set()
        pictures.close()
