"""Which running server a command means, and the key it shows it."""

from __future__ import annotations

from pathlib import Path


def server_and_key(*, server: str | None, key: str | None, data: Path) -> tuple[str, str]:
    """The address of the HTTP port and the developer key: those given, else those of the data folder.

    Raises: SystemExit that says what is missing; BadDeveloperKey.
    """
    from overworld.app import developer_key

    server = server_of(server=server, data=data)
    if key is None:
        try:
            key = developer_key.read(data)
        except OSError as failed:
            raise SystemExit(
                f"overworld: there is no developer key in {data} ({failed.strerror}); "
                "name the data folder or give --key"
            ) from None
    if not key.isascii():
        raise SystemExit("overworld: a developer key is plain ASCII text")
    return server, key


def server_of(*, server: str | None, data: Path) -> str:
    """The address of the HTTP port: the one given, else that of the server on the data folder.

    Raises: SystemExit that says what is missing.
    """
    from msgspec import DecodeError

    from overworld.app import addresses

    if server is not None:
        return server
    try:
        return addresses.read(data).http
    except (FileNotFoundError, NotADirectoryError):
        raise SystemExit(f"overworld: no server is running on {data}; start one, or name one with --server") from None
    except OSError as failed:
        raise SystemExit(
            f"overworld: {data / addresses.FILE_NAME} cannot be read ({failed.strerror}); name the server with --server"
        ) from None
    except DecodeError as damaged:
        raise SystemExit(
            f"overworld: {data / addresses.FILE_NAME} is damaged ({damaged}); name the server with --server"
        ) from None
