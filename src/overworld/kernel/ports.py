"""The ports every floor may ask for: what is needed, never how it is done.

Each has an embedded and a networked implementation on the platform floor, and one contract test suite for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct

from overworld.kernel.audit import AuditEntry
from overworld.kernel.events import Event
from overworld.kernel.identity import Principal
from overworld.kernel.money import AccountRef, Funds, Transfer, TransferResult


class Tx(Protocol):
    """One open database transaction: PostgreSQL's SQL, positional `$n` parameters, rows that index by name.

    Whoever opened it commits it. Stores take one as their first argument and never open their own.
    """

    async def execute(self, query: str, *args: Any) -> str:
        """Runs a statement for its effect; gives the command tag."""
        ...

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """Every row."""
        ...

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """The first row, or None."""
        ...

    async def fetchval(self, query: str, *args: Any) -> Any:
        """The first column of the first row, or None."""
        ...

    async def copy_records_to_table(
        self, table_name: str, *, records: Iterable[tuple[Any, ...]], columns: Sequence[str], schema_name: str
    ) -> str:
        """Adds rows by COPY, all or none: for many of them that need neither an answer nor a look at what is there."""
        ...


class Outbox(Protocol):
    """Writes facts in the transaction that made them true."""

    async def append(self, tx: Tx, events: Sequence[Event], *, at: datetime) -> None:
        """Publishes the events when `tx` commits, all or none, in the order given: one row for the whole batch.

        An empty sequence writes nothing. One round trip.
        """
        ...


class AuditTrail(Protocol):
    """Keeps what staff do, for ever and so that a change would show."""

    async def record(self, tx: Tx, entries: Sequence[AuditEntry]) -> None:
        """Keeps the entries when `tx` commits, and only then: what was undone was not done.

        It waits for nobody and locks nothing that others lock. An empty sequence writes nothing. One round trip.
        """
        ...


class TokenVerifier(Protocol):
    """Turns a bearer token into a principal without I/O."""

    def verify(self, token: str) -> Principal:
        """The principal. Raises: accounts' refusals (401) when the token is forged, expired or revoked."""
        ...


class Ledger(Protocol):
    """The one place where value lives, as other domains see it."""

    async def post(
        self, tx: Tx, transfers: Sequence[Transfer], *, at: datetime, stripe: int = 0
    ) -> list[TransferResult]:
        """Posts transfers inside the caller's transaction; results are aligned with them, (n,).

        Evaluated in the order given, exactly and item by item: a refused transfer changes nothing and fails no
        neighbour save those it is linked to. Wallet accounts are opened by their first transfer. Call it last before
        the outbox, once: the ledger locks accounts in id order. Who runs batches side by side gives each another
        `stripe`, so that they do not queue for hot accounts.
        """
        ...

    async def open(self, accounts: Sequence[AccountRef]) -> list[tuple[int, ...]]:
        """The row numbers of accounts, one for each stripe, (n,), opened where missing: for SQL with `ledger.move`."""
        ...

    async def transfer_ids(self, asked: Sequence[tuple[UUID, str]]) -> list[UUID]:
        """The ids of what owners ask for under their idempotency keys, (n,): the same for every try and server."""
        ...

    async def locked(self, tx: Tx, accounts: Sequence[AccountRef]) -> dict[AccountRef, Funds]:
        """What accounts hold, opened where missing and locked until the transaction ends.

        For who judges by it before `post`; name every account that will be posted to.
        """
        ...

    async def taken(self, tx: Tx, references: Sequence[UUID]) -> set[UUID]:
        """Which references of exclusive transfers (collections) somebody has."""
        ...


class FixColumns(Struct, frozen=True):
    """The last accepted fixes of players, aligned with the ids asked for, (n,).

    `lat_deg`, `lng_deg` in degrees and `at_us` in microseconds since 1970 by the server's clock (when it was
    accepted); where `known` is False the others mean nothing.
    """

    known: list[bool]
    lat_deg: list[float]
    lng_deg: list[float]
    at_us: list[int]


class LastFix(Protocol):
    """Where players were last seen, wherever their position came in. Kept 5 minutes."""

    async def get(self, player_ids: Sequence[UUID]) -> FixColumns:
        """The fixes, aligned with `player_ids`. One round trip at most; none in a single process."""
        ...


class Limit(Struct, frozen=True):
    """A token bucket: `burst` at once, refilled at `per_s` a second."""

    per_s: float
    burst: int


class Taken(Struct, frozen=True):
    """What the limiter said: whether the cost was taken, what is left, and when the bucket is full again."""

    allowed: bool
    remaining: int
    reset_s: float
    retry_after_s: float


class Limiter(Protocol):
    """Counts what callers use against their limits."""

    async def take(self, key: str, limit: Limit, *, cost: int = 1) -> Taken:
        """Takes `cost` tokens of the bucket `key`, or nothing when they are not there."""
        ...


class Blob(Struct, frozen=True):
    """What is kept under a key, and its media type."""

    content: bytes
    media_type: str


class Blobs(Protocol):
    """Keeps whole files under keys such as `avatars/9f86d081.webp`: lower-case words, the last with a known ending.

    The ending says the media type, so that every store knows it. Raises, each of them: ValueError for a key of another
    form, Fault when the store does not answer.
    """

    async def put(self, key: str, content: bytes) -> None:
        """Keeps the content, in the place of what was there: readers see the one or the other, whole."""
        ...

    async def get(self, key: str) -> Blob | None:
        """What is kept under a key; None when there is nothing."""
        ...

    async def delete(self, key: str) -> None:
        """Forgets what is kept under a key, if anything is."""
        ...


class Fanout(Protocol):
    """Publishes a message to every process that listens on a channel; nothing is kept, nothing is acknowledged."""

    async def publish(self, channel: str, payload: bytes) -> None:
        """Hands the same bytes to every subscriber of the channel, here and in other processes."""
        ...
