"""Pictures are decoded and made anew, in a thread or two of their own: nothing of what came in goes out as it was.

What comes in was made by anybody, perhaps to crash or to choke whoever decodes it. So only three formats are looked at,
their size is judged by the header before a pixel is unpacked, and only so many wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

from PIL import Image, ImageOps

from overworld.domains.accounts.profiles.errors import BadImage, ImageTooLarge
from overworld.domains.accounts.profiles.types import SIDES_PX
from overworld.kernel.waiting import Line

_FORMATS = ("JPEG", "PNG", "WEBP")
_JPEG, _JPEG_SCAN = b"\xff\xd8\xff", b"\xff\xda"
_JPEG_SCANS_MAX = 64
_QUALITY = 82


class Pictures:
    """Makes squares of pictures off the event loop. Close it once."""

    def __init__(self, *, pixels_max: int, workers: int, queue_max: int) -> None:
        self._pixels_max = pixels_max
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="pictures")
        self.line = Line(workers + queue_max)

    async def squares(self, content: bytes) -> Mapping[int, bytes]:
        """The middle of a picture as WebP by side in pixels, for each of `SIDES_PX`.

        Turned upright by its EXIF and freed of it, as of every other thing beside the pixels; of one that moves the
        first frame. Raises: BadImage, ImageTooLarge; Busy when too many wait.
        """
        with self.line.standing():
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._made, content)

    def close(self) -> None:
        """Drops what waits and lets the workers finish."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _made(self, content: bytes) -> dict[int, bytes]:
        with self._opened(content) as picture:
            upright = _upright(picture)
        return {side: _webp(upright, side) for side in SIDES_PX}

    def _opened(self, content: bytes) -> Image.Image:
        """The picture with its header read and no pixel yet. Raises: BadImage, ImageTooLarge."""
        # Each scan of a progressive JPEG goes over the whole picture: thousands of tiny ones would take minutes.
        if content.startswith(_JPEG) and content.count(_JPEG_SCAN) > _JPEG_SCANS_MAX:
            raise BadImage(reason="too many scans")
        try:
            picture = Image.open(BytesIO(content), formats=_FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ImageTooLarge(pixels_max=self._pixels_max) from error
        except Exception as error:  # what a decoder raises on bytes made to break it is written nowhere
            raise BadImage(reason=repr(error)[:200]) from error
        if picture.width * picture.height > self._pixels_max:
            raise ImageTooLarge(pixels_max=self._pixels_max, width=picture.width, height=picture.height)
        return picture


def _upright(picture: Image.Image) -> Image.Image:
    """The middle square in RGB or RGBA, as it is meant to be seen, no larger than needed. Raises: BadImage."""
    side = SIDES_PX[-1]
    try:
        if min(picture.size) > 2 * side:
            # A JPEG can be unpacked at a fraction of its size.
            scale = 2 * side / min(picture.size)
            picture.draft("RGB", (int(picture.width * scale), int(picture.height * scale)))
        picture.load()
        has_alpha = picture.has_transparency_data
        middle = ImageOps.fit(ImageOps.exif_transpose(picture).convert("RGBA" if has_alpha else "RGB"), (side, side))
    except Exception as error:  # as above
        raise BadImage(reason=repr(error)[:200]) from error
    middle.info.clear()
    return middle


def _webp(square: Image.Image, side: int) -> bytes:
    """The square at a side as WebP, with nothing beside its pixels."""
    out = BytesIO()
    sized = square if square.width == side else square.resize((side, side), Image.Resampling.LANCZOS)
    sized.save(out, "WEBP", quality=_QUALITY, method=4, exif=b"", icc_profile=b"", xmp=b"")
    return out.getvalue()
