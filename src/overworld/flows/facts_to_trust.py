"""How players move, claim and sign in, becomes facts that trust judges them by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from ipaddress import ip_address
from typing import Any, Protocol
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.domains.accounts.messages import SignedIn as AccountSignedIn
from overworld.domains.gameplay.messages import CollectibleCollected
from overworld.domains.trust.types import Claimed, Fact, SignedIn, Window
from overworld.domains.world.messages import MovementObserved
from overworld.kernel.clock import to_us
from overworld.kernel.events import Envelope
from overworld.kernel.ports import Tx

_PLACE_BYTES = 16
_SIGNED = 1 << 64
_SAME = tuple(sorted(set(MovementObserved.__struct_fields__) & set(Window.__struct_fields__) - {"shingles"}))


class Folds(Protocol):
    """Trust's door for facts."""

    async def apply(self, tx: Tx, facts: Sequence[Fact]) -> None:
        """Takes facts in their order, in the transaction that moves the cursor of the log."""
        ...


class _Claim(Struct):
    """All that is read of a collection: there are very many of them."""

    player_id: UUID


_claim = msgspec.json.Decoder(_Claim).decode
_observed = msgspec.json.Decoder(MovementObserved).decode
_signed_in = msgspec.json.Decoder(AccountSignedIn).decode


class FactsToTrust:
    """Translates a slice of the log and hands it on, in the transaction of the fold."""

    def __init__(self, folding: Folds) -> None:
        self._folding = folding

    async def apply(self, tx: Tx, envelopes: Sequence[Envelope]) -> None:
        """Takes events in their order."""
        facts = [read(one) for one in envelopes if (read := _READ.get(one.topic)) is not None]
        if facts:
            await self._folding.apply(tx, facts)


def window(event: MovementObserved, at_us: int) -> Window:
    """What the world observed of a player, as trust takes it; it was told at `at_us` by the server's clock."""
    same: dict[str, Any] = {name: getattr(event, name) for name in _SAME}
    return Window(
        at_us=at_us,
        began_us=to_us(event.began_at),
        ended_us=to_us(event.ended_at),
        shingles=tuple(_signed(shingle) for shingle in event.shingles),
        **same,
    )


def _window(envelope: Envelope) -> Window:
    return window(_observed(envelope.data), to_us(envelope.at))


def _claimed(envelope: Envelope) -> Claimed:
    return Claimed(player_id=_claim(envelope.data).player_id, at_us=to_us(envelope.at))


def _came(envelope: Envelope) -> SignedIn:
    event = _signed_in(envelope.data)
    return SignedIn(player_id=event.account_id, at_us=to_us(envelope.at), place=_place(event.address, event.user_agent))


def _place(address: str, user_agent: str) -> bytes | None:
    """A digest of where somebody signed in from; None for addresses inside a network, which say nothing."""
    try:
        if not ip_address(address).is_global:
            return None
    except ValueError:
        return None
    return blake2b(f"{address}\n{user_agent}".encode(), digest_size=_PLACE_BYTES).digest()


def _signed(number: int) -> int:
    """A 64-bit number as a signed one, as the table keeps it."""
    number %= _SIGNED
    return number - _SIGNED if number >= _SIGNED >> 1 else number


_READ: Mapping[str, Callable[[Envelope], Fact]] = {
    MovementObserved.topic: _window,
    CollectibleCollected.topic: _claimed,
    AccountSignedIn.topic: _came,
}
TOPICS = tuple(sorted(_READ))
