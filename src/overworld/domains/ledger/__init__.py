"""The ledger: everything of value, in double entry. No other domain stores a balance.

Owns the schema `ledger`: `account` (who, which currency, what for; totals of debits and credits), `transfer` (what
moved, once; never changed, never deleted), `pending` (promises that are open) and `note` (what somebody wrote beside a
transfer). It never decides why value moves: that is the caller's business, and posting happens inside the caller's
transaction. What players send each other is its own (`sending`), within the limits of the game.

Its room `audit` keeps the log over all transfers, which strangers can verify: `block`, `tile`, `signing_key`, and what
goes with them (`sealed_balance`, `sealed_promise`, `account_secret`, `epoch`). Posting knows nothing of it.

Invariants: per currency the debits equal the credits; a balance is the fold of its transfers; only issuance accounts
are ever below zero, and what they owe is the supply.

Events out: `events.tokens.sent`, for what players send each other; any other transfer is part of its caller's fact.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.domains.ledger.service import TRANSFERS_MAX, Ledger
    from overworld.domains.ledger.wiring import SCHEMA, LedgerDomain, build
else:
    __getattr__ = door(__name__, service=["TRANSFERS_MAX", "Ledger"], wiring=["SCHEMA", "LedgerDomain", "build"])

__all__ = ["SCHEMA", "TRANSFERS_MAX", "Ledger", "LedgerDomain", "build"]
