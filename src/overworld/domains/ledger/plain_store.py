"""SQL for batches of plain transfers between accounts that there are: one round trip, on known row numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from overworld.domains.ledger.store import numbers_of, striped
from overworld.domains.ledger.types import STRIPES
from overworld.kernel.money import AccountRef, Transfer
from overworld.kernel.ports import Tx
from overworld.platform.postgres.arrays import numbers


class Plain(Struct, frozen=True, kw_only=True):
    """A batch of plain transfers as columns. `accounts` are row numbers, ascending and distinct, aligned with what each
    pays and receives in all; `debits` and `credits` are places in them, from 1, aligned with the transfers, (n,).
    """

    accounts: list[int]
    paid_minor: list[int]
    received_minor: list[int]
    debits: list[int]
    credits: list[int]


_POST_ALL = """
SELECT ledger.post_all($1::text::bigint[], $2::text::bigint[], $3::text::bigint[], $4::text::integer[],
    $5::text::integer[], $6::text::bigint[], $7::uuid[], $8::text::smallint[], $9::uuid[], $10::text::bigint[],
    $11::timestamptz)"""


async def post_all(tx: Tx, plain: Plain, transfers: Sequence[Transfer], at: datetime) -> list[int] | None:
    """Posts the whole batch if nothing can speak against any of it; gives what each account holds afterwards.

    None, with nothing changed and no lock kept, when something might. One round trip.
    """
    held: list[int] | None = await tx.fetchval(
        _POST_ALL,
        numbers(plain.accounts),
        numbers(plain.paid_minor),
        numbers(plain.received_minor),
        numbers(plain.debits),
        numbers(plain.credits),
        numbers([transfer.amount_minor for transfer in transfers]),
        [transfer.id for transfer in transfers],
        numbers([transfer.code for transfer in transfers]),
        [transfer.reference for transfer in transfers],
        numbers([transfer.memo for transfer in transfers]),
        at,
    )
    return held


# What this transaction wrote, in savepoints too, is no older than itself, which is where `age` counts from.
_COMMITTED = """
SELECT coalesce((
    SELECT id FROM ledger.account
    WHERE account.owner_id = named.owner_id AND account.currency = named.currency AND account.code = named.code
        AND account.stripe = named.stripe AND (pg_current_xact_id_if_assigned() IS NULL OR age(account.xmin) > 0)
), 0)
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text::smallint[]) WITH ORDINALITY
    AS named (owner_id, currency, code, stripe, place)
ORDER BY place"""


async def committed(tx: Tx, accounts: Sequence[AccountRef]) -> dict[AccountRef, tuple[int, ...]]:
    """The row numbers of accounts, all their stripes; none of one that is missing or that this transaction wrote.

    One round trip, no lock.
    """
    refs = striped(accounts)
    rows = await tx.fetch(
        _COMMITTED,
        [ref.owner_id for ref, _ in refs],
        [ref.currency for ref, _ in refs],
        [ref.code for ref, _ in refs],
        numbers([stripe for _, stripe in refs]),
    )
    found = numbers_of(refs, [row[0] for row in rows])
    return {ref: known if len(known) == STRIPES.get(ref.code, 1) else () for ref, known in found.items()}
