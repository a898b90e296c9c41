"""What an operator may set about Redis."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from msgspec import Meta

from overworld.kernel.secretive import Secretive

_SCHEMES = ("redis", "rediss", "unix")
_OPTIONS = frozenset({"db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})


class RedisSettings(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `redis`. Without a URL each server counts by itself."""

    url: Annotated[
        str,
        Meta(
            max_length=2_048,
            description="Redis 7 or Valkey that counts limits and lock-outs for all servers, as redis://host:6379/0",
        ),
    ] = ""
    prefix: Annotated[
        str, Meta(max_length=64, description="Begins every key: servers of one game share it, others need another")
    ] = "overworld:"
    timeout_s: Annotated[
        float, Meta(ge=0.01, le=5, description="Longest wait for it; then this server counts by itself")
    ] = 0.25
    look_every_s: Annotated[
        float, Meta(ge=0.05, le=60, description="How often a server looks whether a Redis that was away is back")
    ] = 1.0

    def __post_init__(self) -> None:
        if self.url and (problem := _problem(self.url)):
            raise ValueError(f"redis.url {problem}")


def _problem(url: str) -> str:
    """What is wrong with the URL, without showing any of it: it may hold a password."""
    try:
        parts = urlsplit(url)
        port, options = parts.port, parse_qs(parts.query, keep_blank_values=True)
    except ValueError:
        return "is no URL that can be read"
    database = parts.path.strip("/") if parts.scheme != "unix" else ""
    checks = {
        "has to begin with redis://, rediss:// or unix://": parts.scheme in _SCHEMES,
        "needs a port above 0": port != 0,
        "needs the path of a socket, as unix:///run/redis.sock": parts.scheme != "unix" or parts.path,
        "names its database by a number, as redis://host:6379/0": all(
            not number or number.isdecimal() for number in (database, *options.get("db", ()))
        ),
        f"may have the options {', '.join(sorted(_OPTIONS))} only": options.keys() <= _OPTIONS,
    }
    return next((problem for problem, is_right in checks.items() if not is_right), "")
