"""`overworld game reload`: asks a running server to read its game again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec

from overworld.app.versions.messages import Change, Reloaded

_TIMEOUT_S = 30.0


class Refused(Exception):
    """The server did not reload; the message says why, for a person."""


def reload(server: str, *, key: str) -> Reloaded:
    """What is in force on the server now. Raises: Refused."""
    try:
        answer = httpx.post(f"{server}/v1/game/reload", headers={"Overworld-Key": key}, timeout=_TIMEOUT_S)
    except httpx.HTTPError as error:
        raise Refused(f"the server at {server} does not answer: {error}") from error
    if answer.status_code != httpx.codes.OK:
        raise Refused("\n".join(_why(answer)))
    return msgspec.json.decode(answer.content, type=Reloaded)


def _why(answer: httpx.Response) -> Iterator[str]:
    try:
        problem: dict[str, Any] = msgspec.json.decode(answer.content, type=dict[str, Any])
    except msgspec.DecodeError:
        problem = {}
    yield f"not reloaded ({problem.get('code', answer.status_code)}): {problem.get('title', answer.text[:200])}"
    if "detail" in problem:
        yield f"  {problem['detail']}"
    yield from (f"  {error}" for error in problem.get("errors", ()))
    yield from (f"  {name}: held by {count}" for name, count in problem.get("held", {}).items())
    yield from (f"  {name}: {count} kinds or placements pay it" for name, count in problem.get("owed", {}).items())
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        yield "  a server in production honours no developer key: send it SIGHUP instead"


def lines(changes: list[Change]) -> Iterator[str]:
    """Changes for people, a line each."""
    for one in changes:
        sign = "+" if one.before is None else "-" if one.after is None else "~"
        values = " -> ".join(value for value in (one.before, one.after) if value is not None)
        yield f"{sign} {one.key}: {values} ({one.effect})"
