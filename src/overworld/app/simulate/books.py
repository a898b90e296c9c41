"""What a run came to, as the ledger has it: read from the transfers and the accounts, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from msgspec import Struct

from overworld.kernel.money import AccountCode, TransferCode
from overworld.kernel.ports import Tx


async def prepare(tx: Tx) -> None:
    """Counts what the tables hold, so that the sums over all of it are planned well: nothing did so in the run."""
    for table in ("ledger.transfer", "ledger.account", "gameplay.player"):
        await tx.execute(f"ANALYZE {table}")


class Flow(Struct, frozen=True, kw_only=True):
    """What one kind of transfer made, or took back, of a currency in a run; minor units."""

    currency: str
    code: str
    count: int
    amount_minor: int


class Flows(Struct, frozen=True, kw_only=True):
    """Everything that moved: made by issuance, taken back by it, and between players."""

    faucets: list[Flow]
    sinks: list[Flow]
    moved: list[Flow]


_FLOWS = """
SELECT payer.currency, transfer.code, payer.code = $1 AS made, payee.code = $1 AS taken_back, count(*) AS count,
    sum(transfer.amount) AS amount
FROM ledger.transfer
JOIN ledger.account AS payer ON payer.id = debit_id
JOIN ledger.account AS payee ON payee.id = credit_id
WHERE transfer.kind IN (0, 2) AND NOT (payer.code = $1 AND payee.code = $1)
GROUP BY 1, 2, 3, 4
ORDER BY 1, sum(transfer.amount) DESC, 2"""


async def flows(tx: Tx) -> Flows:
    """The sums of all transfers by code; what only changed its stripe is left out. One round trip."""
    found = Flows(faucets=[], sinks=[], moved=[])
    for row in await tx.fetch(_FLOWS, AccountCode.ISSUANCE):
        flow = Flow(
            currency=row["currency"],
            code=TransferCode(row["code"]).label,
            count=row["count"],
            amount_minor=int(row["amount"]),
        )
        (found.faucets if row["made"] else found.sinks if row["taken_back"] else found.moved).append(flow)
    return found


class DayFlow(Struct, frozen=True, kw_only=True):
    """What was made and taken back of a currency on a day (UTC), minor units."""

    currency: str
    day: date
    made_minor: int
    taken_back_minor: int


_DAYS = """
SELECT payer.currency, (transfer.at AT TIME ZONE 'UTC')::date AS day,
    coalesce(sum(transfer.amount) FILTER (WHERE payer.code = $1), 0) AS made,
    coalesce(sum(transfer.amount) FILTER (WHERE payee.code = $1), 0) AS taken_back
FROM ledger.transfer
JOIN ledger.account AS payer ON payer.id = debit_id
JOIN ledger.account AS payee ON payee.id = credit_id
WHERE transfer.kind IN (0, 2) AND (payer.code = $1) <> (payee.code = $1)
GROUP BY 1, 2
ORDER BY 1, 2"""


async def days(tx: Tx) -> list[DayFlow]:
    """The same day by day, days without any left out. One round trip."""
    return [
        DayFlow(
            currency=row["currency"],
            day=row["day"],
            made_minor=int(row["made"]),
            taken_back_minor=int(row["taken_back"]),
        )
        for row in await tx.fetch(_DAYS, AccountCode.ISSUANCE)
    ]


_SUPPLY = """
SELECT currency, sum(debits_posted - credits_posted) FILTER (WHERE code = $1) AS owed,
    coalesce(sum(credits_posted - debits_posted) FILTER (WHERE code <> $1), 0) AS held
FROM ledger.account GROUP BY currency"""


async def supplies(tx: Tx) -> dict[str, tuple[int, int]]:
    """For each currency what issuance owes and what everybody else holds, minor units: the same. One round trip."""
    rows = await tx.fetch(_SUPPLY, AccountCode.ISSUANCE)
    return {row["currency"]: (int(row["owed"] or 0), int(row["held"])) for row in rows}


_WALLETS = """
SELECT owner_id, sum(credits_posted - debits_posted) AS held FROM ledger.account
WHERE currency = $1 AND code = $2 GROUP BY owner_id"""


async def wallets(tx: Tx, currency: str, *, of: Sequence[UUID]) -> list[int]:
    """What players hold of a currency, (n,), minor units; 0 for those who never had any. One round trip."""
    held = {row["owner_id"]: int(row["held"]) for row in await tx.fetch(_WALLETS, currency, AccountCode.WALLET)}
    return [held.get(player_id, 0) for player_id in of]


_PLAYED = """
SELECT (transfer.at AT TIME ZONE 'UTC')::date AS day, count(DISTINCT owner_id) AS players
FROM ledger.transfer JOIN ledger.account ON account.id = credit_id
WHERE transfer.code = $1 GROUP BY 1"""


async def collectors(tx: Tx) -> dict[date, int]:
    """How many players collected something on each day (UTC). One round trip."""
    return {row["day"]: row["players"] for row in await tx.fetch(_PLAYED, TransferCode.COLLECT)}


async def disk_bytes(tx: Tx) -> dict[str, int]:
    """How much room the database takes, whole and of that the ledger's transfers and the event log. One round trip."""
    row = await tx.fetchrow(_DISK)
    return {name: int(row[name]) for name in ("database", "transfers", "event_log")}


_DISK = """
SELECT pg_database_size(current_database()) AS database, pg_total_relation_size('ledger.transfer') AS transfers,
    (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('eventlog.outbox')) AS event_log"""


class Standing(Struct, frozen=True, kw_only=True):
    """How far a player has come."""

    collected: int
    level: int


_STANDINGS = """
WITH collected AS (
    SELECT owner_id, count(*) AS count FROM ledger.transfer JOIN ledger.account ON account.id = credit_id
    WHERE transfer.code = $2 GROUP BY owner_id
)
SELECT player.id, player.level, coalesce(collected.count, 0) AS collected
FROM gameplay.player LEFT JOIN collected ON owner_id = player.id
WHERE player.id = ANY ($1::uuid[])"""


async def standings(tx: Tx, *, of: Sequence[UUID]) -> list[Standing]:
    """How far players have come and how often they collected something, (n,). One round trip."""
    known = {
        row["id"]: Standing(collected=row["collected"], level=row["level"])
        for row in await tx.fetch(_STANDINGS, list(of), TransferCode.COLLECT)
    }
    return [known.get(player_id, Standing(collected=0, level=1)) for player_id in of]
