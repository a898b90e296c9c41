"""Pictures drawn for tests: sound ones, and ones made to break whoever decodes them."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

ORIENTATION = 0x0112
GPS = 0x8825


def picture(
    format: str = "JPEG",
    *,
    size: tuple[int, int] = (300, 200),
    mode: str = "RGB",
    color: Any = "rebeccapurple",
    **options: Any,
) -> bytes:
    """A picture of one colour."""
    out = BytesIO()
    Image.new(mode, size, color).save(out, format, **options)
    return out.getvalue()


def halves(format: str = "JPEG", **options: Any) -> bytes:
    """A picture whose upper half is red and whose lower half is blue."""
    drawn = Image.new("RGB", (400, 400), "blue")
    drawn.paste("red", (0, 0, 400, 200))
    out = BytesIO()
    drawn.save(out, format, **options)
    return out.getvalue()


def whereabouts(**tags: int) -> Image.Exif:
    """EXIF as a phone writes it: a camera, an orientation, and the place."""
    exif = Image.Exif()
    exif[0x010F] = "a telling camera"
    exif[ORIENTATION] = tags.get("orientation", 1)
    exif.get_ifd(GPS).update({1: "N", 2: (46.0, 3.0, 0.0), 3: "E", 4: (14.0, 30.0, 0.0)})
    return exif


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG. Source: PNG (W3C), section 5.3."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int, *, rows: bytes = b"", before: bytes = b"") -> bytes:
    """A PNG whose header says a size, whatever its pixels are."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def webp_of(side: int) -> bytes:
    """A still WebP of a few bytes whose header says a size. Source: WebP Lossless Bitstream, section 3."""
    sound = picture("WEBP", size=(4, 4), lossless=True)
    at = sound.index(b"VP8L") + 9
    [bits] = struct.unpack("<I", sound[at : at + 4])
    return sound[:at] + struct.pack("<I", bits & ~0xFFFFFFF | (side - 1) << 14 | (side - 1)) + sound[at + 4 :]


def moving_webp_of(side: int) -> bytes:
    """An animated WebP of a few bytes whose canvas is as large as its header says. Source: RFC 9649, section 2.7."""
    frame = picture("WEBP", size=(4, 4), lossless=True)[12:]
    parts = [
        (b"VP8X", bytes([0x12, 0, 0, 0]) + (side - 1).to_bytes(3, "little") * 2),
        (b"ANIM", struct.pack("<IH", 0, 0)),
        (b"ANMF", bytes(6) + (3).to_bytes(3, "little") * 2 + bytes(4) + frame),
    ]
    body = b"WEBP" + b"".join(kind + struct.pack("<I", len(content)) + content for kind, content in parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def many_scans(count: int) -> bytes:
    """A small file that is a large progressive JPEG, which a decoder goes over `count` times more than it has to."""
    sound = picture("JPEG", size=(4_000, 4_000), mode="L", color=0, progressive=True)
    last = sound.rindex(b"\xff\xda")
    return sound[:-2] + sound[last:-2] * count + sound[-2:]
