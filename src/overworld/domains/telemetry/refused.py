"""Events that were not taken: looked at, mended, and put back into the log they came from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice

import msgspec
from msgspec import Raw, Struct

from overworld.domains.telemetry import store
from overworld.domains.telemetry.intake import Waiting, rows_of
from overworld.domains.telemetry.types import Kind, Parcel, Refused
from overworld.kernel.clock import Clock, from_us, rfc3339
from overworld.kernel.ports import Tx
from overworld.platform.postgres import Database

TOPIC = "system.dlq"
_AT_ONCE = 500


class Shown(Struct, frozen=True, kw_only=True):
    """A refused event as it is written down for who mends it: change `event`, and leave `id` as it is.

    `event` is a text where it is not JSON.
    """

    id: str
    reason: str
    detail: str
    received_at: str
    event: Raw


class Mended(Struct, frozen=True):
    """An event that is to be put back, under the id that it was shown with."""

    id: str
    event: Raw


class RefusedEvents:
    """The refused events of a database."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def by_reason(self) -> dict[str, int]:
        """How many there are, by reason."""
        async with self._database.read() as tx:
            return await store.refused_by_reason(tx)

    async def every(self, *, reason: str | None = None) -> AsyncIterator[Shown]:
        """All of them, or those of a reason, oldest first."""
        async for page in self._pages(reason):
            for one in page:
                yield _shown(one)

    async def put_back(self, mended: Iterable[Mended] | None = None, *, reason: str | None = None) -> int:
        """Puts events into the raw log again, to be processed anew; gives how many.

        Those that are mended; or as they are all of them, or all of a reason. What is there no more is left out: it was
        put back already. Each keeps the time at which it came in. Raises: ValueError for an id that is none.
        """
        done = 0
        if mended is None:
            async for page in self._pages(reason):
                done += await self._put_back(page)
            return done
        given = iter(mended)
        while part := list(islice(given, _AT_ONCE)):
            texts = {_place_of(one.id): bytes(one.event) for one in part}
            async with self._database.read() as tx:
                found = await store.refused_at(tx, list(texts))
            done += await self._put_back([msgspec.structs.replace(one, event=texts[_key(one)]) for one in found])
        return done

    async def _pages(self, reason: str | None) -> AsyncIterator[Sequence[Refused]]:
        after = (0, 0, 0)
        while True:
            async with self._database.read() as tx:
                page = await store.refused(tx, reason=reason, count_max=_AT_ONCE, after=after)
            if not page:
                return
            yield page
            after = _key(page[-1])

    async def _put_back(self, refused: Sequence[Refused]) -> int:
        async with self._database.transaction() as tx:
            taken = await store.take_back(tx, [_key(one) for one in refused])
            again = [one for one in refused if _key(one) in taken]
            if again:
                await self._append(tx, again)
        return len(again)

    async def _append(self, tx: Tx, refused: Sequence[Refused]) -> None:
        waiting = [
            Waiting(Parcel(Kind.BATCH, one.received_us, one.player, one.agent, _body(one)), 1) for one in refused
        ]
        await store.append(tx, rows_of(waiting), at=self._clock.now())


def _body(refused: Refused) -> bytes:
    sent = b"" if refused.sent_us is None else b'"sent_at":"%s",' % rfc3339(from_us(refused.sent_us)).encode()
    return b'{%s"events":[%s]}' % (sent, refused.event)


def _shown(one: Refused) -> Shown:
    try:
        msgspec.json.decode(one.event)
        event = Raw(one.event)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        event = Raw(msgspec.json.encode(one.event.decode("utf-8", "replace")))
    return Shown(
        id=".".join(map(str, _key(one))),
        reason=one.reason,
        detail=one.detail,
        received_at=rfc3339(from_us(one.received_us)),
        event=event,
    )


def _key(one: Refused) -> tuple[int, int, int]:
    return one.place.stamp, one.place.id, one.number


def _place_of(id: str) -> tuple[int, int, int]:
    stamp, row, number = (int(part) for part in id.split("."))
    return stamp, row, number
