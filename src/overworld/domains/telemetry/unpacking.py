"""Bodies unpacked within bounds. What packed a body is told by its first bytes, whatever the headers say."""

from __future__ import annotations

import base64
import binascii
import zlib
from urllib.parse import parse_qs

from overworld.domains.telemetry.errors import BadEvents, TooLargeUnpacked

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_WINDOW_BYTES_MAX = 8 << 20
_GZIP_WBITS = 31
_FORM_FIELDS_MAX = 64


def is_packed(body: bytes) -> bool:
    """Whether a body is compressed."""
    return body.startswith((_GZIP, _ZSTD))


def unpacked(body: bytes, *, bytes_max: int) -> bytes:
    """What a body holds, itself when it is not packed.

    No more than `bytes_max` is ever unpacked, and a zstd frame may ask for no window over 8 MiB.
    Raises: TooLargeUnpacked; BadEvents for what is damaged.
    """
    if body.startswith(_GZIP):
        return _gunzipped(body, bytes_max=bytes_max)
    if body.startswith(_ZSTD):
        return _unzstd(body, bytes_max=bytes_max)
    if len(body) > bytes_max:
        raise TooLargeUnpacked(bytes_max=bytes_max)
    return body


def from_form(body: bytes) -> bytes:
    """The JSON in a form's field `data`, as older web clients send it: in base64, or as it is. Raises: BadEvents."""
    try:
        data = parse_qs(body.decode("latin-1"), max_num_fields=_FORM_FIELDS_MAX).get("data", [""])[0]
    except ValueError as error:
        raise BadEvents(reason=f"The form has more than {_FORM_FIELDS_MAX} fields") from error
    if data.startswith(("{", "[")):
        return data.encode("latin-1")
    try:
        return base64.b64decode(data.replace(" ", "+"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadEvents(reason="The form has no field `data` in base64") from error


def _gunzipped(body: bytes, *, bytes_max: int) -> bytes:
    machine = zlib.decompressobj(wbits=_GZIP_WBITS)
    try:
        found = machine.decompress(body, bytes_max + 1)
    except zlib.error as error:
        raise BadEvents(reason="The body is damaged gzip") from error
    if len(found) > bytes_max:
        raise TooLargeUnpacked(bytes_max=bytes_max)
    if not machine.eof or machine.unused_data:
        raise BadEvents(reason="The body is not one whole gzip member")
    return found


def _unzstd(body: bytes, *, bytes_max: int) -> bytes:
    import zstandard  # noqa: PLC0415 - servers start without it

    machine = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)
    try:
        size = zstandard.frame_content_size(body)
        if size > bytes_max:
            raise TooLargeUnpacked(bytes_max=bytes_max)
        if size >= 0:
            return machine.decompress(body, allow_extra_data=False)
        with machine.stream_reader(body) as reader:
            found = reader.read(bytes_max + 1)
    except zstandard.ZstdError as error:
        raise BadEvents(reason="The body is damaged zstd") from error
    if len(found) > bytes_max:
        raise TooLargeUnpacked(bytes_max=bytes_max)
    return found
