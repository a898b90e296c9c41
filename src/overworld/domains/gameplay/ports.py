"""What gameplay needs from elsewhere, beside the kernel's `Ledger`, `LastFix` and `Outbox`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Protocol
from uuid import UUID

from overworld.domains.gameplay.hooked import ClaimColumns, Verdict
from overworld.domains.gameplay.types import Worn
from overworld.kernel.events import Event
from overworld.kernel.ports import Outbox, Tx
from overworld.kernel.standing import Standing


class EncodingOutbox(Outbox, Protocol):
    """An outbox for who writes events in SQL of their own, by `eventlog.append`."""

    def encoded(self, events: Sequence[Event], *, at: datetime) -> list[bytes]:
        """Each event as the log keeps it, (n,); a row of the log is a JSON array of them."""
        ...

    def lines(self, events: Sequence[Event], *, at: datetime) -> str:
        """The same in one piece: each event in a line of its own. No event holds a line feed."""
        ...


class Gear(Protocol):
    """What players carry that changes what their claims pay."""

    async def of(self, tx: Tx, player_ids: Sequence[UUID], *, now_us: int) -> Mapping[UUID, Worn]:
        """What counts for each; who carries nothing may be absent. One round trip.

        Of a tool that is worn out already it gives none. Under the players' locks it is exact.
        """
        ...


class Directory(Protocol):
    """Who is who; another domain keeps it."""

    async def found(self, names: Sequence[str]) -> Sequence[UUID | None]:
        """The players with these account ids or usernames, aligned; None where there is none. One round trip."""
        ...


class Sight(Protocol):
    """Which places a player may ask about."""

    async def require_in_sight(self, player_id: UUID, lat_deg: float, lng_deg: float, scopes: AbstractSet[str]) -> None:
        """Passes when the place is near the player's last accepted fix, or the scopes allow every place.

        One round trip at most, none with one server. Raises: the owner's refusal (403) otherwise.
        """
        ...


class Trust(Protocol):
    """How far players are to be trusted."""

    async def standings(self, player_ids: Sequence[UUID]) -> Sequence[Standing]:
        """The standings, aligned with `player_ids`. No round trip when all are known in this process, one at most."""
        ...


class ClaimRule(Protocol):
    """A game's own rule for claims. Pure, and quick: nothing else runs meanwhile."""

    def __call__(self, claims: ClaimColumns) -> Sequence[Verdict]:
        """What becomes of each claim, aligned with the rows. Never raises."""
        ...
