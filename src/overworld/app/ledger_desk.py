"""What staff do with players' accounts in the database of a running server: look, freeze, mint, burn, fund."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from msgspec import Struct

from overworld.app.attached import attached
from overworld.app.game import check, found
from overworld.app.on_the_machine import recording, staff
from overworld.app.plain_table import aligned
from overworld.app.settings import Settings
from overworld.domains.accounts.rules import account_id
from overworld.domains.accounts.service import Directory
from overworld.domains.ledger import Ledger
from overworld.domains.ledger.errors import (
    AccountFrozen,
    BadAmount,
    Insufficient,
    NoSuchPlayer,
    UnknownCurrency,
    WalletFull,
)
from overworld.domains.ledger.types import Holding
from overworld.kernel.clock import SystemClock
from overworld.kernel.money import HOUSE, AccountCode, AccountRef, Currency, Transfer, TransferCode, TransferStatus
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres.idempotency import KeyReused

_HEAD = ("CURRENCY", "ACCOUNT", "HOLDS", "PENDING", "")
_REFUSED: dict[TransferStatus, type[Refusal]] = {
    TransferStatus.EXISTS_WITH_DIFFERENT_FIELDS: KeyReused,
    TransferStatus.ACCOUNT_FROZEN: AccountFrozen,
    TransferStatus.EXCEEDS_CREDITS: Insufficient,
    TransferStatus.EXCEEDS_MAXIMUM: WalletFull,
}


class Order(Struct, frozen=True, kw_only=True):
    """What staff want moved: how much, to or from whom, what they write beside it, and the key that makes it once."""

    owner: str
    amount: str
    currency: str
    note: str | None = None
    key: str | None = None


class Moved(Struct, frozen=True):
    """What an order came to; `again` when an earlier one under its key had done it."""

    transfer_id: UUID
    owner_id: UUID
    amount: str
    again: bool


class Shown(Struct, frozen=True):
    """An owner and all that they have; `currencies` are the game's."""

    owner_id: UUID
    holdings: list[Holding]
    currencies: Mapping[str, Currency]


class _Desk(Struct, frozen=True):
    ledger: Ledger
    directory: Directory

    async def player(self, name: str) -> UUID:
        """The account with this id or username. Raises: NoSuchPlayer."""
        [player_id] = await self.directory.found([name])
        if player_id is None:
            raise NoSuchPlayer
        return player_id

    async def owner(self, name: str) -> UUID:
        """The same, or whatever else has this id: a campaign. Raises: NoSuchPlayer."""
        return account_id(name) or await self.player(name)


def show(settings: Settings, name: str) -> Shown:
    """All that somebody has. Raises: those of `attached`; NoSuchPlayer."""
    return asyncio.run(_show(settings, name))


async def _show(settings: Settings, name: str) -> Shown:
    async with _desk(settings, "show") as desk:
        owner_id = await desk.owner(name)
        return Shown(owner_id, await desk.ledger.holdings(owner_id), desk.ledger.currencies)


def freeze(settings: Settings, name: str, *, currency: str | None, frozen: bool) -> int:
    """Freezes or thaws accounts; how many. Raises: those of `attached`; NoSuchPlayer, UnknownCurrency."""
    return asyncio.run(_freeze(settings, name, currency=currency, frozen=frozen))


async def _freeze(settings: Settings, name: str, *, currency: str | None, frozen: bool) -> int:
    """A player's wallets that are not open yet are opened, or the first coin would thaw them."""
    async with _desk(settings, "freeze" if frozen else "thaw") as desk:
        owner_id = await desk.owner(name)
        if currency is not None and currency not in desk.ledger.currencies:
            raise UnknownCurrency(currency=currency)
        if frozen and (await desk.directory.found([str(owner_id)]))[0] is not None:
            wanted = desk.ledger.currencies if currency is None else [currency]
            await desk.ledger.open([AccountRef(owner_id, code) for code in wanted])
        action = "ledger.freeze" if frozen else "ledger.thaw"
        did = staff().did(action, owner_id, after=frozen, note=currency or "")
        count = await desk.ledger.freeze(owner_id, currency=currency, frozen=frozen, beside=recording(did))
    if not count:
        raise NoSuchPlayer("nothing is held under this id")
    return count


def mint(settings: Settings, order: Order) -> Moved:
    """Gives a player something new. Raises: those of `attached`; NoSuchPlayer; what the ledger refuses."""
    return asyncio.run(_move(settings, order, code=TransferCode.MINT))


def burn(settings: Settings, order: Order) -> Moved:
    """Takes something from a player for good. Raises: those of `attached`; NoSuchPlayer; what the ledger refuses."""
    return asyncio.run(_move(settings, order, code=TransferCode.BURN))


def fund(settings: Settings, order: Order) -> Moved:
    """Gives a campaign something to give away. Raises: those of `attached`; what the ledger refuses."""
    return asyncio.run(_move(settings, order, code=TransferCode.FUND))


async def _move(settings: Settings, order: Order, *, code: TransferCode) -> Moved:
    async with _desk(settings, code.label) as desk:
        is_fund = code is TransferCode.FUND
        owner_id = UUID(order.owner) if is_fund else await desk.player(order.owner)
        currency = desk.ledger.currencies.get(order.currency)
        if currency is None:
            raise UnknownCurrency(currency=order.currency)
        issuance = AccountRef(HOUSE, currency.code, AccountCode.ISSUANCE)
        theirs = AccountRef(owner_id, currency.code, AccountCode.BUDGET if is_fund else AccountCode.WALLET)
        debit, credit = (theirs, issuance) if code is TransferCode.BURN else (issuance, theirs)
        [id_] = await desk.ledger.transfer_ids([(HOUSE, order.key or str(uuid4()))])
        transfer = Transfer(
            id=id_, debit=debit, credit=credit, amount_minor=_minor(order.amount, currency), code=code, reference=id_
        )
        did = staff().did(f"ledger.{code.label}", owner_id, after=transfer, note=order.note or "")
        result = await desk.ledger.post_with_note(transfer, order.note, at=SystemClock().now(), beside=recording(did))
    if result.status in _REFUSED:
        raise _REFUSED[result.status](currency=currency.code)
    return Moved(id_, owner_id, currency.format(transfer.amount_minor), result.status is TransferStatus.EXISTS)


def _minor(amount: str, currency: Currency) -> int:
    try:
        amount_minor = currency.parse(amount)
    except ValueError as error:
        raise BadAmount(str(error), currency=currency.code, scale=currency.scale) from error
    if amount_minor == 0:
        raise BadAmount(currency=currency.code, scale=currency.scale)
    return amount_minor


def lines(shown: Shown) -> Iterator[str]:
    """What somebody has, for people."""
    yield f"{shown.owner_id}"
    if not shown.holdings:
        yield "holds nothing and never did"
        return
    rows = [(one["currency"], one["account"], one["posted"], one["pending"], _state(one)) for one in _rows(shown)]
    yield from aligned([_HEAD, *rows], right=(2, 3))


def as_json(shown: Shown) -> dict[str, Any]:
    """What somebody has, as programs read it."""
    return {"owner_id": str(shown.owner_id), "accounts": list(_rows(shown))}


def _rows(shown: Shown) -> Iterator[dict[str, Any]]:
    for one in shown.holdings:
        currency = shown.currencies.get(one.currency) or Currency(one.currency)
        yield {
            "currency": one.currency,
            "account": one.code.value,
            "posted": currency.format(one.posted_minor),
            "pending": currency.format(one.pending_minor),
            "frozen": one.frozen,
        }


def _state(row: dict[str, Any]) -> str:
    return "frozen" if row["frozen"] else ""


@asynccontextmanager
async def _desk(settings: Settings, command: str) -> AsyncIterator[_Desk]:
    currencies = {currency.code: currency for currency in check(found(settings.game)).currencies}
    async with attached(settings, application=f"overworld ledger {command}") as database:
        yield _Desk(Ledger(database=database, currencies=currencies), Directory(database=database))
