"""What a player may read of the ledger, and send to others."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.params import Parameter
from litestar.response import Response
from litestar.types import ControllerRouterHandler

from overworld.domains.ledger.errors import (
    AccountFrozen,
    BadAmount,
    Insufficient,
    LevelTooLow,
    LowTrust,
    NoSuchPlayer,
    NotSendable,
    OverLimit,
    ToOneself,
    UnknownCurrency,
    WalletFull,
)
from overworld.domains.ledger.messages import BalanceItem, Balances, HistoryItem, SendBody, SendTokens, Sent
from overworld.domains.ledger.sending import Sending
from overworld.domains.ledger.service import Ledger
from overworld.domains.ledger.types import Balance, Movement
from overworld.kernel.identity import Scope
from overworld.platform.http import (
    Caller,
    CursorQuery,
    LimitQuery,
    Page,
    decode_cursor,
    encode_cursor,
    keyed_reply,
    needs,
)
from overworld.platform.http.errors import BadCursor
from overworld.platform.http.paging import LIMIT_DEFAULT
from overworld.platform.postgres.idempotency import KeyReused

SEND_REFUSALS = (
    UnknownCurrency,
    BadAmount,
    NotSendable,
    NoSuchPlayer,
    ToOneself,
    LowTrust,
    LevelTooLow,
    OverLimit,
    AccountFrozen,
    Insufficient,
    WalletFull,
)

CurrencyQuery = Annotated[str | None, Parameter(max_length=32, description="Only this currency.")]


def routes(service: Ledger) -> list[ControllerRouterHandler]:
    """The routes under `/v1/tokens`."""

    @get("/v1/tokens/balance", opt=needs(Scope.LEDGER_READ))
    async def balance(caller: Caller) -> Balances:
        """What you hold: one item for each currency of the game."""
        held = await service.balances(caller.principal.account_id)
        return Balances([_balance_item(service, wallet) for wallet in held])

    @get("/v1/tokens/history", opt=needs(Scope.LEDGER_READ, refusals=(UnknownCurrency, BadCursor)))
    async def history(
        caller: Caller,
        currency: CurrencyQuery = None,
        limit: LimitQuery = LIMIT_DEFAULT,
        cursor: CursorQuery = None,
    ) -> Page[HistoryItem]:
        """What came in and went out of your wallets, newest first."""
        before = None if cursor is None else _place_in(cursor)
        found = await service.history(caller.principal.account_id, currency=currency, before=before, limit=limit + 1)
        shown = found[:limit]
        more = encode_cursor(shown[-1].at, shown[-1].id) if len(found) > limit else None
        return Page([_history_item(service, movement) for movement in shown], more)

    return [balance, history]


def sending_routes(sending: Sending) -> list[ControllerRouterHandler]:
    """The routes that move something from one player to another."""

    @post(
        "/v1/tokens/transfer",
        opt=needs(Scope.LEDGER_TRANSFER, key_required=True, refusals=(KeyReused, *SEND_REFUSALS)),
        status_code=200,
    )
    async def tokens_transfer(*, caller: Caller, idempotency_key: str | None, data: SendBody) -> Response[Sent]:
        """Sends an amount from your wallet to another player's, once.

        What may be sent, how much at once and in a UTC day, is for the game to say.
        """
        command = SendTokens(from_id=caller.principal.account_id, body=data, key=idempotency_key or "")
        return keyed_reply(await sending.send(command))

    return [tokens_transfer]


def _place_in(cursor: str) -> tuple[datetime, UUID]:
    """The time and id of the last one shown. Raises: BadCursor."""
    at, shown_id = decode_cursor(cursor, (datetime, UUID))
    if at.tzinfo is None:
        raise BadCursor
    return at, shown_id


def _balance_item(service: Ledger, wallet: Balance) -> BalanceItem:
    currency = service.currencies[wallet.currency]
    return BalanceItem(
        currency=currency.code,
        posted=currency.format(wallet.posted_minor),
        pending=currency.format(wallet.pending_minor),
    )


def _history_item(service: Ledger, movement: Movement) -> HistoryItem:
    return HistoryItem(
        id=movement.id,
        currency=movement.currency,
        amount=service.currencies[movement.currency].format(movement.amount_minor),
        direction=movement.direction,
        code=movement.code.label,
        reference=str(movement.reference),
        at=movement.at,
        counterparty=movement.counterparty_id,
        note=movement.note,
    )
