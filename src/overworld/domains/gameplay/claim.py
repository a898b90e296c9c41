"""One claim, and what becomes of it: its transfer, its answer, its events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
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
from overworld.kernel.money import (
    AMOUNT_MINOR_MAX,
    HOUSE,
    AccountCode,
    AccountRef,
    Funds,
    Transfer,
    TransferCode,
    TransferKind,
)
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres.idempotency import Keyed, KeyReused

Outcome = Answer[Collected] | Refusal
_LEVEL_BITS = 10


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
    """A transfer that was made under a claim's id before. Of one that is held the memo is negative."""

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


def wallet_of(player_id: UUID, spawn: Spawn) -> AccountRef:
    """The account that a player's claim for a collectible pays into."""
    return AccountRef(player_id, spawn.kind.currency.code)


def transfer_of(claim: Claim, win: Win, *, expires_at: datetime) -> Transfer:
    """What moves when a claim wins; what is held is promised, until then at most."""
    progress = win.experience << _LEVEL_BITS | win.level
    return Transfer(
        id=claim.id,
        debit=payer_of(win.spawn),
        credit=wallet_of(claim.player_id, win.spawn),
        amount_minor=win.amount_minor,
        code=TransferCode.COLLECT,
        reference=claim.reference,
        memo=~progress if win.is_held else progress,
        kind=TransferKind.PENDING if win.is_held else TransferKind.POSTED,
        expires_at=expires_at if win.is_held else None,
    )


class Till:
    """What accounts hold, as the wins so far have left them."""

    def __init__(self, funds: Mapping[AccountRef, Funds]) -> None:
        self._funds = funds
        self._moved_minor: Counter[AccountRef] = Counter()

    def pay(self, attempt: Attempt) -> Refusal | None:
        """Pays a win, or says why it cannot be paid.

        Refused are, in this order: WalletFrozen, OutOfStock, WalletFull.
        """
        spawn, amount_minor = attempt.spawn, attempt.amount_minor
        payer, wallet = payer_of(spawn), wallet_of(attempt.player_id, spawn)
        if self._funds[payer].frozen or self._funds[wallet].frozen:
            return WalletFrozen(collectible_id=spawn.id)
        free_minor = self._funds[payer].free_minor + self._moved_minor[payer]
        if payer.code is not AccountCode.ISSUANCE and free_minor < amount_minor:
            return OutOfStock(collectible_id=spawn.id)
        if self._funds[wallet].posted_minor + self._moved_minor[wallet] + amount_minor > AMOUNT_MINOR_MAX:
            return WalletFull(collectible_id=spawn.id, currency=wallet.currency)
        self._moved_minor[payer] -= amount_minor
        if not attempt.is_held:
            self._moved_minor[wallet] += amount_minor
        return None


def collected(
    spawn: Spawn,
    *,
    amount_minor: int,
    balance_minor: int,
    experience: int,
    level: int,
    is_reduced: bool = False,
    is_held: bool = False,
) -> Collected:
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
        reduced=is_reduced,
        held=is_held,
    )


def replayed(claim: Claim, known: Known, *, is_reduced: bool) -> Outcome:
    """The answer of an earlier win under the claim's key, as it was given; `KeyReused` when that was for another."""
    if known.reference != claim.reference or known.owner_id != claim.player_id:
        return KeyReused()
    if known.balance_minor is None or known.memo is None:
        raise RuntimeError(f"transfer {known.id} has a claim's id and was made by something else")
    is_held = known.memo < 0
    progress = ~known.memo if is_held else known.memo
    answer = collected(
        claim.spawn,
        amount_minor=known.amount_minor,
        balance_minor=known.balance_minor,
        experience=progress >> _LEVEL_BITS,
        level=progress & ((1 << _LEVEL_BITS) - 1),
        is_reduced=is_reduced,
        is_held=is_held,
    )
    return Answer(answer, replayed=True)


def collection_event(
    player_id: UUID, spawn: Spawn, amount_minor: int, *, is_held: bool = False
) -> CollectibleCollected:
    """That a player took a collectible."""
    return CollectibleCollected(
        player_id=player_id,
        collectible_id=spawn.id,
        type=spawn.kind.type,
        mode=spawn.kind.mode,
        currency=spawn.kind.currency.code,
        amount_minor=amount_minor,
        experience=0 if is_held else spawn.kind.experience,
        cell=cells.token(spawn.cell),
        lat_deg=spawn.lat_deg,
        lng_deg=spawn.lng_deg,
        held=is_held,
    )


def events_of(wins: Iterable[Win]) -> list[Event]:
    """What wins are told as: each collection, and after it the level it lifted its player to."""
    events: list[Event] = []
    for win in wins:
        events.append(collection_event(win.player_id, win.spawn, win.amount_minor, is_held=win.is_held))
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
