"""What `overworld audit` does, with the database of a running server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

from overworld.app.attached import attached
from overworld.app.settings import Settings
from overworld.domains.accounts.audit.reading import Reading
from overworld.domains.accounts.audit.types import Head, Verdict
from overworld.kernel.refusals import Refusal

_HEAD = re.compile(r"([1-9][0-9]{0,17}):([0-9a-fA-F]{64})", re.ASCII)


class BadHead(Refusal):
    """An end of the audit log is a number, a colon and 64 hexadecimal digits."""

    code = "accounts.bad_audit_head"
    status = 400


def verify(settings: Settings, head: str | None) -> Verdict:
    """What a walk along the whole log found. Raises: BadHead; those of `attached`."""
    return asyncio.run(_verify(settings, None if head is None else _head(head)))


async def _verify(settings: Settings, known: Head | None) -> Verdict:
    async with attached(settings, application="overworld audit verify") as database:
        return await Reading(database=database).verify(known)


def _head(text: str) -> Head:
    found = _HEAD.fullmatch(text)
    if found is None:
        raise BadHead
    return Head(int(found[1]), bytes.fromhex(found[2]))


def lines(verdict: Verdict) -> Iterator[str]:
    """The verdict for people."""
    waiting = f", {verdict.waiting} wait to be sealed" if verdict.waiting else ""
    yield f"{verdict.head.number} entries{waiting}: {f'{len(verdict.faults)} faults' if verdict.faults else 'all hold'}"
    if verdict.head.number:
        yield f"head {verdict.head.number}:{verdict.head.hash.hex()}"
