"""How transfers become a block: records, leaves, tiles and a signed header. Pure; the sealer keeps the result."""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import UTC, datetime

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from overworld.domains.ledger.audit.headers import MINUTE_S, NO_HEADER, Header, SignedHeader, key_id, sign
from overworld.domains.ledger.audit.records import CREDIT, DEBIT, Rows, Sides, encode, leaf_hashes
from overworld.domains.ledger.audit.tiles import Edge, TileId

TRANSFERS_MAX = 4096
PENDING = 1

Promise = tuple[bytes, bytes]
"""The pseudonyms of who promised and who was promised, as they were sealed."""


class Block(Struct, frozen=True):
    """A sealed block, with the tiles that changed by it, as they are then."""

    signed: SignedHeader
    records: bytes
    tiles: dict[TileId, bytes]


class OpenBlock:
    """A block in the making, on the edge of the tree, which it moves.

    `promises` are the promises, by the ids of their transfers, that were sealed and not settled yet; those of this
    block join them and those it settles leave. What settles a promise bears the pseudonyms of the promise, whatever
    month it is: the two name each other, and would else tie the pseudonyms of two months together.
    """

    def __init__(self, edge: Edge, accounts: Sides, promises: MutableMapping[bytes, Promise]) -> None:
        self._edge = edge
        self._accounts = accounts
        self._promises = promises
        self._records: list[bytes] = []
        self._tiles: dict[TileId, bytes] = {}
        self._first_index = edge.size

    def add(self, rows: Rows) -> None:
        """Appends transfers, in log order; some 3 us each. Raises: KeyError when one settles a promise unknown here."""
        records = encode(rows, self._accounts)
        for place in map(int, np.flatnonzero(rows.kinds)):
            if rows.kinds[place] == PENDING:
                promise = records[place, DEBIT].tobytes(), records[place, CREDIT].tobytes()
                self._promises[rows.ids[place].tobytes()] = promise
            else:
                payer, payee = self._promises.pop(rows.pending_ids[place].tobytes())
                records[place, DEBIT] = np.frombuffer(payer, np.uint8)
                records[place, CREDIT] = np.frombuffer(payee, np.uint8)
        self._records.append(records.tobytes())
        self._tiles.update(self._edge.append(leaf_hashes(records)))

    def close(self, *, after: Header | None, key: Ed25519PrivateKey, time_s: int) -> Block:
        """The block behind `after`, signed; `time_s` is what `block_time_s` gave."""
        header = Header(
            number=after.number + 1 if after else 0,
            previous=after.hash() if after else NO_HEADER,
            first_index=self._first_index,
            count=self._edge.size - self._first_index,
            tree_size=self._edge.size,
            root=self._edge.root(),
            time_s=time_s,
            key_id=key_id(key.public_key().public_bytes_raw()),
        )
        return Block(sign(header, key), b"".join(self._records), self._tiles)


def block_time_s(*, after: Header | None, at: datetime) -> int:
    """The time of a block that is made now: the minute, which tells less than the second; never back in time."""
    return max(int(at.timestamp()) // MINUTE_S * MINUTE_S, after.time_s if after else 0)


def month_of(time_s: int) -> str:
    """The month of a block's time, such as `2026-11`: the pseudonyms in it are of that month."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m")
