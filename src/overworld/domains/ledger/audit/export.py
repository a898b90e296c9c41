"""Writes the log so that strangers can check it: a folder of JSON Lines and Parquet, and a manifest that is signed.

The folder holds everything that `verify` needs beside a public key, and nothing that says who anybody is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from overworld.domains.ledger.audit import parquet
from overworld.domains.ledger.audit.blocks import month_of
from overworld.domains.ledger.audit.headers import NO_HEADER, Certificate, Header, SignedHeader, key_id
from overworld.domains.ledger.audit.merkle import EMPTY_ROOT, leaf_hash
from overworld.domains.ledger.audit.messages import block_item, key_item
from overworld.domains.ledger.audit.records import NO_ID_HASH, RECORD_BYTES, decode
from overworld.domains.ledger.audit.verify import KINDS, SUMS, Books
from overworld.kernel.clock import rfc3339

MANIFEST_TAG = b"overworld.ledger.manifest"
_FORMAT = {"format": "overworld-ledger-export", "version": 1}


class Export:
    """An export in the making. Give it every block in order, then `finish`; it keeps one month's accounts in memory."""

    def __init__(self, folder: Path) -> None:
        """Begins in a folder, which is made. Raises: FileExistsError when it is there and not empty; OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FileExistsError(f"{folder} is not empty")
        self._folder = folder
        self._files: dict[str, BinaryIO] = {
            name: (folder / name).open("wb") for name in ("blocks.jsonl", "transfers.jsonl", "balances.jsonl")
        }
        self._books = Books()
        self._month = ""
        self._last: Header | None = None

    @property
    def totals(self) -> Mapping[tuple[str, int], list[int]]:
        """What the transfers so far add up to, by currency and account code: debits, credits, then what is pending."""
        return self._books.totals

    def add(self, signed: SignedHeader, records: bytes) -> None:
        """Writes a block and its records. Raises: ValueError when a record cannot be read."""
        header = self._last = signed.header
        if month_of(header.time_s) != self._month:
            self._end_month(month_of(header.time_s))
        self._files["blocks.jsonl"].write(_line(block_item(signed)))
        lines = bytearray()
        for place in range(header.count):
            record = records[place * RECORD_BYTES : (place + 1) * RECORD_BYTES]
            line = transfer_line(header.first_index + place, header.number, record)
            self._books.take(line)
            lines += _line(line)
        self._files["transfers.jsonl"].write(lines)

    def finish(
        self,
        *,
        certificates: Iterable[Certificate],
        key: Ed25519PrivateKey,
        account_codes: Mapping[int, str],
        transfer_codes: Mapping[int, str],
        made_at: datetime,
    ) -> None:
        """Writes the rest, and signs the manifest with `key`, which has to be the newest of the certificates."""
        self._end_month("")
        for file in self._files.values():
            file.close()
        last = self._last
        keys = b"".join(_line(key_item(certificate)) for certificate in certificates)
        (self._folder / "keys.jsonl").write_bytes(keys)
        manifest = {
            **_FORMAT,
            "made_at": rfc3339(made_at),
            "blocks": last.number + 1 if last else 0,
            "tree_size": last.tree_size if last else 0,
            "root": (last.root if last else EMPTY_ROOT).hex(),
            "head": (last.hash() if last else NO_HEADER).hex(),
            "account_codes": {str(number): name for number, name in account_codes.items()},
            "transfer_codes": {str(number): name for number, name in transfer_codes.items()},
            "totals": [
                {"currency": currency, "account_code": code, **_sums(sums)}
                for (currency, code), sums in sorted(self._books.totals.items())
            ],
            "supply_minor": self._supply(account_codes),
            "files": {
                name: _about(self._folder / name)
                for name in sorted(["keys.jsonl", *self._files, *parquet.write(self._folder)])
            },
        }
        signed = {
            "manifest": manifest,
            "key_id": key_id(key.public_key().public_bytes_raw()).hex(),
            "signature": key.sign(MANIFEST_TAG + canonical_json(manifest)).hex(),
        }
        (self._folder / "manifest.json").write_text(json.dumps(signed, indent=2) + "\n")

    def _end_month(self, month: str) -> None:
        for (currency, code, account), sums in sorted(self._books.accounts.items()):
            about = {"month": self._month, "currency": currency, "account_code": code, "account": account}
            self._files["balances.jsonl"].write(_line({**about, **_sums(sums)}))
        self._books.accounts.clear()
        self._month = month

    def _supply(self, account_codes: Mapping[int, str]) -> dict[str, str]:
        supply = {currency: 0 for currency, _ in self._books.totals}
        for (currency, code), (debits, credited, *_) in self._books.totals.items():
            if account_codes.get(code) == "issuance":
                supply[currency] += debits - credited
        return {currency: str(minor) for currency, minor in sorted(supply.items())}


def transfer_line(index: int, block: int, record: bytes) -> dict[str, Any]:
    """A transfer as the export shows it. Raises: ValueError when the record cannot be read."""
    read = decode(record)
    return {
        "index": index,
        "block": block,
        "kind": KINDS[read.kind],
        "code": read.code,
        "currency": read.currency,
        "amount_minor": str(read.amount_minor),
        "debit_code": read.debit_code,
        "debit": read.debit.hex(),
        "credit_code": read.credit_code,
        "credit": read.credit.hex(),
        "id_hash": read.id_hash.hex(),
        "reference_hash": read.reference_hash.hex(),
        "pending_id_hash": None if read.pending_id_hash == NO_ID_HASH else read.pending_id_hash.hex(),
        "leaf": leaf_hash(record).hex(),
    }


def canonical_json(value: Any) -> bytes:
    """JSON as it is signed: sorted keys, no spaces, ASCII alone."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _line(value: Any) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _sums(sums: list[int]) -> dict[str, str]:
    return dict(zip(SUMS, map(str, sums), strict=True))


def _about(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"sha256": file_digest(file, "sha256").hexdigest(), "bytes": path.stat().st_size}
