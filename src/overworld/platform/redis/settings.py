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
    if parts.scheme not in _SCHEMES:
        return "has to begin with redis://, rediss:// or unix://"
    if port == 0:
        return "needs a port above 0"
    if parts.scheme == "unix" and not parts.path:
        return "needs the path of a socket, as unix:///run/redis.sock"
    if parts.scheme != "unix" and not parts.path.strip("/").isdecimal() and parts.path.strip("/"):
        return "names its database by a number, as redis://host:6379/0"
    if not options.keys() <= _OPTIONS:
        return f"may have the options {', '.join(sorted(_OPTIONS))} only"
    if any(not value.isdecimal() for value in options.get("db", ())):
        return "names its database by a number"
    return ""
