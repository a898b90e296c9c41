"""Which events are kept where an operator wants only some of a name: sessions as a whole, by a stable hash.

The way in and the processor decide alike, from the event alone: what is told to be sampled away is what is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from overworld.domains.telemetry.reading import Incoming

ONE_IN_MAX = 1_000_000


class Sampling:
    """Keeps one in so many sessions of some names. False where every event is kept.

    Who is in the one in 100 is in the one in 10 as well: sessions are the same ones for every name.
    """

    def __init__(self, one_in: dict[str, int]) -> None:
        self._one_in = one_in

    @classmethod
    def of(cls, written: Iterable[str]) -> Sampling:
        """What settings say, each `NAME=COUNT`. Raises: ValueError."""
        one_in: dict[str, int] = {}
        for text in written:
            name, sign, count = text.rpartition("=")
            if not (sign and name and count.isdecimal() and count.isascii() and 1 <= int(count) <= ONE_IN_MAX):
                raise ValueError(f"{text!r} is not NAME=COUNT with a count of 1 to {ONE_IN_MAX:,}")
            if name in one_in:
                raise ValueError(f"{name!r} is there twice")
            one_in[name] = int(count)
        return cls({name: count for name, count in one_in.items() if count > 1})

    def __bool__(self) -> bool:
        return bool(self._one_in)

    @property
    def names(self) -> frozenset[str]:
        """The names of which only some sessions are kept."""
        return frozenset(self._one_in)

    def weight_of(self, event: Incoming, player: UUID | None) -> int:
        """How many events a kept one stands for; 0: it is sampled away. `player` is who sent it by token.

        What decides is the session; without one the player; without one the event's id. What has none is kept.
        """
        one_in = self._one_in.get(event.event)
        if one_in is None:
            return 1
        unit = _unit_of(event, player)
        if not unit:
            return 1
        digest = blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return one_in if int.from_bytes(digest, "big") * one_in < 1 << 64 else 0


def _unit_of(event: Incoming, player: UUID | None) -> str:
    properties = event.properties or {}
    session = event.session_id or properties.get("$session_id")
    if session and isinstance(session, str):
        return session
    who = player or event.player_id or event.distinct_id or properties.get("distinct_id")
    return str(who or event.event_id or event.uuid or "")
