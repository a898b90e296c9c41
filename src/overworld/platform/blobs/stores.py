"""The kernel's Blobs on obstore: the same few calls for a folder and for S3."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from overworld.kernel.ports import Blob
from overworld.kernel.refusals import Fault
from overworld.platform.blobs.settings import BlobSettings

_FOLDER = "blobs"
_KEY = re.compile(r"(?:[a-z0-9_-]{1,64}/){0,8}[a-z0-9_-]{1,128}\.(?P<ending>[a-z0-9]{1,8})", re.ASCII)
_TYPES = {"webp": "image/webp"}
_RETRIES_MAX = 2


class ObjectBlobs:
    """Keeps files in an object store. `keeps_types` says that the store gives the media type to its own readers."""

    def __init__(self, store: ObjectStore, *, keeps_types: bool) -> None:
        self._store = store
        self._keeps_types = keeps_types

    async def put(self, key: str, content: bytes) -> None:
        """Keeps the content under the key. Raises: ValueError for a key of another form; Fault."""
        media_type = _media_type(key)
        with _faults():
            await obstore.put_async(
                self._store,
                key,
                content,
                attributes={"Content-Type": media_type} if self._keeps_types else None,
                use_multipart=False,
            )

    async def get(self, key: str) -> Blob | None:
        """What is kept under the key. Raises: ValueError for a key of another form; Fault."""
        media_type = _media_type(key)
        with _faults():
            try:
                found = await obstore.get_async(self._store, key)
                return Blob(bytes(await found.bytes_async()), media_type)
            except FileNotFoundError:
                return None

    async def delete(self, key: str) -> None:
        """Forgets the key. Raises: ValueError for a key of another form; Fault."""
        _media_type(key)
        with _faults():
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                return


def blobs_of(settings: BlobSettings, *, data: Path) -> ObjectBlobs:
    """The store that the settings name; without any a folder of `data`, which is made when it is first needed.

    Raises: ValueError for what no store can be made of; OSError for a folder that cannot be made.
    """
    if not settings.url:
        return ObjectBlobs(LocalStore(data / _FOLDER, mkdir=True), keeps_types=False)
    return ObjectBlobs(_s3(settings), keeps_types=True)


def store_of(settings: BlobSettings, *, data: Path) -> tuple[ObjectStore, Path | None]:
    """The store by itself, for files of any key, and its folder where it is one. Raises: as `blobs_of`."""
    if settings.url:
        return _s3(settings), None
    folder = (data / _FOLDER).absolute()
    return LocalStore(folder, mkdir=True), folder


def _s3(settings: BlobSettings) -> S3Store:
    """What is empty stays out, so that the machine's own environment and role decide it."""
    given = {
        "endpoint": settings.s3_endpoint,
        "region": settings.s3_region,
        "access_key_id": settings.s3_key_id,
        "secret_access_key": settings.s3_key_secret,
    }
    timeout = timedelta(seconds=settings.timeout_s)
    return S3Store.from_url(
        settings.url,
        config={name: value for name, value in given.items() if value},  # type: ignore[arg-type]
        client_options={
            "timeout": timeout,
            "connect_timeout": timeout,
            "allow_http": settings.s3_endpoint.startswith("http://"),
        },
        retry_config={"max_retries": _RETRIES_MAX, "retry_timeout": timeout},
    )


def _media_type(key: str) -> str:
    matched = _KEY.fullmatch(key)
    if matched is None or matched["ending"] not in _TYPES:
        raise ValueError(f"{key!r} is no key: lower-case words between slashes, the last with one of {sorted(_TYPES)}")
    return _TYPES[matched["ending"]]


@contextmanager
def _faults() -> Iterator[None]:
    """What goes wrong in the store is a fault: it says so in the log and never to a client."""
    try:
        yield
    except (BaseError, OSError) as error:
        raise Fault(store=type(error).__name__, reason=str(error)[:500]) from error
