"""One claim, and what becomes of it: its transfer, its answer, its events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.errors import OutOfStock, WalletFrozen, WalletFull
from overworld.domains.gameplay.messages import Collected, CollectibleCollected, LevelReached
from overworld.domains.gameplay.rules import Attempt, Win
from overworld.domains.gameplay.types import Spawn
from overworld.geo import cells
from overworld.kernel.events import Event
from overworld.kernel.identity import Answer
from overworld.kernel.money import HOUSE, AccountCode, AccountRef, Transfer, TransferCode, TransferStatus
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres.idempotency import Keyed, KeyReused

Outcome = Answer[Collected] | Refusal
_LEVEL_BITS = 10

UNPAID: dict[TransferStatus, type[Refusal]] = {
    TransferStatus.EXCEEDS_CREDITS: OutOfStock,
    TransferStatus.EXCEEDS_MAXIMUM: WalletFull,
    TransferStatus.ACCOUNT_FROZEN: WalletFrozen,
}


class Claim(Struct, frozen=True, gc=False):
    """A claim for a collectible that there is, judged as far as that needs no database.

    `id` is the id of its transfer and follows from the player and the key, so that both servers of a claim that is sent
    twice make the same one. `reference` is what the transfer names.
    """

    id: UUID
    player_id: UUID
    spawn: Spawn
    reference: UUID
    attempt: Attempt | Refusal

    @property
    def use(self) -> Keyed:
        """The use of its key, as its refusal is kept."""
        return Keyed(self.player_id, self.id.bytes, self.reference.bytes)


class Known(NamedTuple):
    """A transfer that was made under a claim's id before."""

    id: UUID
    reference: UUID
    owner_id: UUID
    amount_minor: int
    balance_minor: int | None
    memo: int | None


def payer_of(spawn: Spawn) -> AccountRef:
    """The account that pays for a collectible."""
    currency = spawn.kind.currency.code
    if spawn.payer_id is None:
        return AccountRef(HOUSE, currency, AccountCode.ISSUANCE)
    return AccountRef(spawn.payer_id, currency, AccountCode.BUDGET)


def wallet_of(claim: Claim) -> AccountRef:
    """The account that a claim pays into."""
    return AccountRef(claim.player_id, claim.spawn.kind.currency.code)


def transfer_of(claim: Claim, win: Win) -> Transfer:
    """What moves when a claim wins."""
    return Transfer(
        id=claim.id,
        debit=payer_of(win.spawn),
        credit=wallet_of(claim),
        amount_minor=win.amount_minor,
        code=TransferCode.COLLECT,
        reference=claim.reference,
        memo=win.experience << _LEVEL_BITS | win.level,
    )


def unpaid(spawn: Spawn, status: TransferStatus) -> Refusal:
    """Why a claim that won gets nothing after all."""
    return UNPAID[status](collectible_id=spawn.id, currency=spawn.kind.currency.code)


def collected(spawn: Spawn, *, amount_minor: int, balance_minor: int, experience: int, level: int) -> Collected:
    """The answer to a claim that won."""
    kind = spawn.kind
    return Collected(
        collectible_id=spawn.id,
        type=kind.type,
        amount=kind.currency.format(amount_minor),
        currency=kind.currency.code,
        balance=kind.currency.format(balance_minor),
        experience=experience,
        level=level,
    )


def replayed(claim: Claim, known: Known) -> Outcome:
    """The answer of an earlier win under the claim's key, as it was given; `KeyReused` when that was for another."""
    if known.reference != claim.reference or known.owner_id != claim.player_id:
        return KeyReused()
    if known.balance_minor is None or known.memo is None:
        raise RuntimeError(f"transfer {known.id} has a claim's id and was made by something else")
    answer = collected(
        claim.spawn,
        amount_minor=known.amount_minor,
        balance_minor=known.balance_minor,
        experience=known.memo >> _LEVEL_BITS,
        level=known.memo & ((1 << _LEVEL_BITS) - 1),
    )
    return Answer(answer, replayed=True)


def collection_event(player_id: UUID, spawn: Spawn, amount_minor: int) -> CollectibleCollected:
    """That a player took a collectible."""
    return CollectibleCollected(
        player_id=player_id,
        collectible_id=spawn.id,
        type=spawn.kind.type,
        mode=spawn.kind.mode,
        currency=spawn.kind.currency.code,
        amount_minor=amount_minor,
        experience=spawn.kind.experience,
        cell=cells.token(spawn.cell),
        lat_deg=spawn.lat_deg,
        lng_deg=spawn.lng_deg,
    )


def events_of(wins: Iterable[Win]) -> list[Event]:
    """What wins are told as: each collection, and after it the level it lifted its player to."""
    events: list[Event] = []
    for win in wins:
        events.append(collection_event(win.player_id, win.spawn, win.amount_minor))
        if win.level > win.level_before:
            events.append(
                LevelReached(
                    player_id=win.player_id,
                    level=win.level,
                    level_before=win.level_before,
                    experience=win.experience,
                )
            )
    return events
