"""Checks an export of a ledger, with nothing but the export and one public key. Read this file; trust nobody.

It needs Python and `cryptography` (for Ed25519), and imports nothing else of Overworld, so it can be copied and run:

    python verify.py FOLDER --key FILE

FILE holds the first public key of the log, or a later one, as 64 hexadecimal digits. `docs/ledger-audit.md` tells what
the bytes mean. In short: a transfer is a record of 128 bytes; the records are the leaves of one Merkle tree as in RFC
6962; the header of each block holds the root of the tree after it and the hash of the header before, and is signed; a
new signing key is vouched for by the one before it.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from hashlib import file_digest, sha256
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Line = dict[str, Any]

LINES = ("keys.jsonl", "blocks.jsonl", "transfers.jsonl", "balances.jsonl")
KINDS = ("posted", "pending", "post_pending", "void_pending")
SUMS = ("debits_minor", "credits_minor", "debits_pending_minor", "credits_pending_minor")
FINDINGS_MAX = 100
_BEGINNING: Line = {"number": -1, "hash": "00" * 32, "tree_size": 0, "root": sha256(b"").hexdigest(), "time_s": 0}
_BAD = (KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError, struct.error)


class Finding(NamedTuple):
    """Something wrong: where (`transfer 17`, `block 3`, `key 1`, `balance ...`, `manifest`, a file), and what."""

    where: str
    what: str


class Verdict(NamedTuple):
    """What was looked at, and everything found wrong; after `FINDINGS_MAX` it is looked no further."""

    blocks: int
    transfers: int
    findings: list[Finding]


def verify(folder: Path, trusted_key: bytes) -> Verdict:
    """Everything that is wrong with the export in this folder. Raises: OSError when a file cannot be read.

    It goes from what is signed down to single transfers, and up again to what they add up to.
    """
    check = _Check(folder, trusted_key)
    with suppress(_Enough):
        check.check_keys()
        check.check_manifest()
        check.check_blocks()
        check.check_transfers()
        check.check_totals()
    return Verdict(len(check.blocks), check.transfers, check.findings)


class Tree:
    """A Merkle tree that is only appended to: the roots of its perfect subtrees, the largest first (RFC 6962, 2.1)."""

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    def append(self, leaf_hash: bytes) -> None:
        """Adds a leaf; wherever two subtrees are of one size, they become one."""
        self._roots.append(leaf_hash)
        self.size += 1
        size = self.size
        while size % 2 == 0:
            right, left = self._roots.pop(), self._roots.pop()
            self._roots.append(sha256(b"\x01" + left + right).digest())
            size //= 2

    def root(self) -> bytes:
        """The root of all leaves so far."""
        found = self._roots[-1] if self._roots else sha256(b"").digest()
        for left in self._roots[-2::-1]:
            found = sha256(b"\x01" + left + found).digest()
        return found


class Books:
    """What transfers add up to, and the promises that are open. Sums are debits and credits posted, then pending."""

    def __init__(self) -> None:
        self.accounts: dict[tuple[str, int, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self.totals: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self._open: dict[str, tuple[int, tuple[Any, ...]]] = {}

    def take(self, transfer: Line) -> str | None:
        """Adds one transfer; gives what is wrong with it, if anything is."""
        fault, amount = None, _number(transfer["amount_minor"])
        kind, currency = transfer["kind"], transfer["currency"]
        debit = currency, transfer["debit_code"], transfer["debit"]
        credit = currency, transfer["credit_code"], transfer["credit"]
        posted, pending = (amount if kind in ("posted", "post_pending") else 0), (amount if kind == "pending" else 0)
        if kind == "pending":
            self._open[transfer["id_hash"]] = amount, (debit, credit)
        elif kind != "posted":
            promised, between = self._open.pop(transfer["pending_id_hash"], (None, None))
            if promised is None:
                fault = "settles a promise that was never made, or that was settled before"
            elif amount > promised:
                fault = f"settles {amount} of a promise of {promised}"
            elif between != (debit, credit):
                fault = "settles a promise between other accounts"
            pending = -(promised or 0)
        for account, change in ((debit, (posted, 0, pending, 0)), (credit, (0, posted, 0, pending))):
            for sums in (self.accounts[account], self.totals[account[:2]]):
                sums[:] = map(sum, zip(sums, change, strict=True))
        return fault


class _Enough(Exception):
    """So much is wrong that more would not help."""


class _Check:
    """One look at one export. Each method checks one thing and leaves what it learned for the next."""

    def __init__(self, folder: Path, trusted_key: bytes) -> None:
        self.folder, self.trusted_key, self.transfers, self.books = folder, trusted_key.hex(), 0, Books()
        self.findings: list[Finding] = []
        self.manifest: Line = {}
        self.keys: list[Line] = []
        self.trusted_ids: set[str] = set()
        self.blocks: list[Line] = []

    def wrong(self, where: str, what: str) -> None:
        """Notes a finding."""
        self.findings.append(Finding(where, what))
        if len(self.findings) == FINDINGS_MAX:
            raise _Enough

    def lines(self, name: str) -> Iterator[Line]:
        """The lines of a file, empty where they are no object; none where there is no file, a finding elsewhere."""
        if (self.folder / name).exists():
            with (self.folder / name).open("rb") as file:
                for text in file:
                    try:
                        line = json.loads(text)
                    except _BAD:
                        line = None
                    yield line if isinstance(line, dict) else {}

    def each(self, name: str, what: str, look: Callable[[str, int, Line], None]) -> None:
        """Looks at every line of a file; one that cannot be understood is a finding."""
        for number, line in enumerate(self.lines(name)):
            try:
                look(f"{what} {number}", number, line)
            except _BAD as error:
                self.wrong(f"{what} {number}", f"cannot be read: {error!r}")

    def check_keys(self) -> None:
        """Each key is vouched for by the one before it. Trusted are the given one and those that follow from it."""
        self.each("keys.jsonl", "key", self._check_key)
        if not self.trusted_ids:
            self.wrong("key", "the given key is not among those of this log")

    def _check_key(self, where: str, number: int, key: Line) -> None:
        issuer, public = self.keys[-1] if self.keys else key, _bytes(key["public_key"], 32)
        made_at_s, issuer_id = _seconds(key["made_at"]), _bytes(key["issuer_id"], 16)
        layout = struct.pack(">BIQQ32s16s", 1, key["number"], key["from_block"], made_at_s, public, issuer_id)
        if key["number"] != number:
            self.wrong(where, f"is missing; key {key['number']} stands in its place")
        if key["key_id"] != sha256(public).hexdigest()[:32]:
            self.wrong(where, "its id is not the hash of the key")
        if key["issuer_id"] != issuer["key_id"] or key["from_block"] < issuer["from_block"]:
            self.wrong(where, "does not follow from the key before it")
        if not _signed(issuer["public_key"], key["signature"], b"overworld.ledger.key" + layout):
            self.wrong(where, "its certificate is not signed by the key before it")
        self.keys.append(key)
        if self.trusted_ids or key["public_key"] == self.trusted_key:
            self.trusted_ids.add(key["key_id"])

    def check_manifest(self) -> None:
        """The manifest is signed, and names every file by its hash."""
        try:
            signed = json.loads((self.folder / "manifest.json").read_bytes())
            self.manifest = signed["manifest"]
            message = json.dumps(self.manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
            signer = next((key["public_key"] for key in self.keys if key["key_id"] == signed["key_id"]), "")
            if signed["key_id"] not in self.trusted_ids or not _signed(
                signer, signed["signature"], b"overworld.ledger.manifest" + message
            ):
                self.wrong("manifest", "is not signed by the given key or one that it vouches for")
            for name in {*LINES, *self.manifest["files"]}:
                path = self.folder / Path(name).name
                if not path.exists() or _digest(path) != self.manifest["files"].get(name, {}).get("sha256"):
                    self.wrong(name, "is not the file whose SHA-256 stands in the manifest")
        except (OSError, *_BAD) as error:
            self.wrong("manifest", f"cannot be read: {error!r}")

    def check_blocks(self) -> None:
        """Each header names the one before it, begins where that one ended, and is signed by the key in force."""
        self.each("blocks.jsonl", "block", self._check_block)
        last = self.blocks[-1] if self.blocks else _BEGINNING
        # The last header vouches by hash for all before it, so it is the one that must be signed by a trusted key.
        if self.blocks and last["key_id"] not in self.trusted_ids:
            self.wrong(f"block {last['number']}", "is signed by a key that the given one does not vouch for")
        # The manifest tells where the log ends, so that the last blocks cannot be left out.
        end, told = last["number"] + 1, [self.manifest.get(name) for name in ("blocks", "tree_size", "root", "head")]
        if self.manifest and told != [end, last["tree_size"], last["root"], last["hash"]]:
            self.wrong(f"block {end}", f"is missing, too many or another: told are {told[0]} with root {told[2]}")

    def _check_block(self, _place: str, _number: int, block: Line) -> None:
        last, number = self.blocks[-1] if self.blocks else _BEGINNING, block["number"]
        where, expected, block["time_s"] = f"block {number}", last["number"] + 1, _seconds(block["time"])
        previous, root, key_id = _bytes(block["previous"], 32), _bytes(block["root"], 32), _bytes(block["key_id"], 16)
        first, count, size = block["first_index"], block["count"], block["tree_size"]
        layout = struct.pack(">BQ32sQIQ32sQ16s", 1, number, previous, first, count, size, root, block["time_s"], key_id)
        message = b"overworld.ledger.block" + layout
        if number != expected:
            self.wrong(f"block {expected}", f"is missing; block {number} stands in its place")
        elif block["previous"] != last["hash"]:
            self.wrong(where, f"does not name block {last['number']} as the one before it")
        if block["hash"] != sha256(message).hexdigest():
            self.wrong(where, "its hash is not that of its fields")
        if first != last["tree_size"] or block["time_s"] < last["time_s"]:
            self.wrong(where, f"does not begin where block {last['number']} ended")
        if count < 1 or first + count != size or block["time_s"] % 60:
            self.wrong(where, "its numbers do not fit together")
        in_force = [key for key in self.keys if key["from_block"] <= number][-1:]
        if not in_force or block["key_id"] != in_force[0]["key_id"]:
            self.wrong(where, "is not signed by the key that was in force")
        elif not _signed(in_force[0]["public_key"], block["signature"], message):
            self.wrong(where, "its signature is not good")
        self.blocks.append(block)

    def check_transfers(self) -> None:
        """Records give leaves, leaves the root in each header, and what they add up to stands in the balances."""
        tree, transfers, balances = Tree(), _InOrder(self, "transfers.jsonl"), _Balances(self)
        broken = False
        for month, blocks in groupby(self.blocks, key=lambda block: str(block["time"])[:7]):
            for block in blocks:
                for index in range(block["first_index"], block["tree_size"]):
                    transfer = transfers.at(index)
                    leaf = None if transfer is None else self._check_transfer(transfer, block)
                    broken = broken or leaf is None or index != tree.size
                    if leaf is not None and not broken:
                        tree.append(leaf)
                if not broken and tree.root().hex() != block["root"]:
                    broken = True
                    these = f"transfers {block['first_index']} to {block['tree_size'] - 1}"
                    what = f"was made of other {these} than those here; roots after it cannot be compared"
                    self.wrong(f"block {block['number']}", what)
            balances.check(month)
            self.books.accounts.clear()
        transfers.end()
        balances.end()

    def _check_transfer(self, transfer: Line, block: Line) -> bytes | None:
        """Its leaf hash, as the line tells it; that the rest of the line tells something else is found here."""
        where = f"transfer {transfer['index']}"
        self.transfers += 1
        try:
            leaf = _bytes(transfer["leaf"], 32)
            if sha256(b"\x00" + _record(transfer)).digest() != leaf:
                self.wrong(where, "is not what was sealed: it does not hash to its leaf")
            elsewhere = None if transfer["block"] == block["number"] else f"is told to be in block {transfer['block']}"
            for fault in filter(None, [elsewhere, self.books.take(transfer)]):
                self.wrong(where, fault)
        except _BAD as error:
            self.wrong(where, f"cannot be read: {error!r}")
            return None
        return leaf

    def check_totals(self) -> None:
        """The totals and the supply of the manifest are those of the transfers: minted less burned is what is held."""
        here = self.books.totals
        try:
            told = {(total["currency"], total["account_code"]): _sums(total) for total in self.manifest["totals"]}
            supplies = {currency: _number(supply) for currency, supply in self.manifest["supply_minor"].items()}
            issuance = [int(code) for code, name in self.manifest["account_codes"].items() if name == "issuance"]
        except _BAD as error:
            self.wrong("manifest", f"its totals cannot be read: {error!r}")
            return
        for key in sorted(told.keys() | here.keys()):
            if told.get(key) != here.get(key):
                where = "total of {}, account code {}".format(*key)
                self.wrong("manifest", f"{where}: told are {told.get(key)}, the transfers add up to {here.get(key)}")
        for currency in sorted({currency for currency, _ in here} | supplies.keys()):
            of_code = {code: sums for (name, code), sums in here.items() if name == currency}
            supply = sum(of_code[code][0] - of_code[code][1] for code in of_code if code in issuance)
            held = sum(of_code[code][1] - of_code[code][0] for code in of_code if code not in issuance)
            if not supply == held == supplies.get(currency):
                told_minor = supplies.get(currency)
                self.wrong(f"currency {currency}", f"minted less burned is {supply}, held {held}, told {told_minor}")


class _InOrder:
    """Lines that are numbered by `index`: gives the one asked for and tells which are missing, or too many."""

    def __init__(self, check: _Check, name: str) -> None:
        self._check = check
        self._lines = check.lines(name)
        self._waiting = [next(self._lines, None), next(self._lines, None)]

    def at(self, index: int) -> Line | None:
        """The line of this index, which only grows from call to call; None when it is missing."""
        while self._number(0) is not None:
            if self._number(0) == index:
                return self._take()
            if self._number(1) == index or self._number(0) < index:
                self._check.wrong(f"transfer {self._number(0)}", f"stands where {index} should; it is one too many")
                self._take()
            elif self._number(1) == index + 1:
                self._check.wrong(f"transfer {index}", f"is missing; transfer {self._number(0)} stands in its place")
                self._take()
                return None
            else:
                break
        self._check.wrong(f"transfer {index}", "is missing")
        return None

    def end(self) -> None:
        """No line may be left."""
        while self._number(0) is not None:
            self._check.wrong(f"transfer {self._number(0)}", "is in no block")
            self._take()

    def _take(self) -> Line | None:
        taken = self._waiting.pop(0)
        self._waiting.append(next(self._lines, None))
        return taken

    def _number(self, place: int) -> Any:
        line = self._waiting[place]
        index = -1 if line is None else line.get("index")
        return None if line is None else index if isinstance(index, int) else -1


class _Balances:
    """The lines of the balances, which come month by month, beside what the transfers of that month add up to."""

    def __init__(self, check: _Check) -> None:
        self._check = check
        self._lines = check.lines("balances.jsonl")
        self._next = next(self._lines, None)

    def check(self, month: str) -> None:
        """Compares a month."""
        here, told = self._check.books.accounts, dict[tuple[str, int, str], list[int]]()
        while self._next is not None and self._next.get("month") == month:
            try:
                told[self._next["currency"], self._next["account_code"], self._next["account"]] = _sums(self._next)
            except _BAD as error:
                self._check.wrong(f"balance {month}", f"cannot be read: {error!r}")
            self._next = next(self._lines, None)
        for account in sorted(told.keys() | here.keys()):
            if told.get(account) != here.get(account):
                where = "balance {} {} {} {}".format(month, *account)
                self._check.wrong(where, f"told are {told.get(account)}; its transfers add up to {here.get(account)}")

    def end(self) -> None:
        """No line may be left."""
        while self._next is not None:
            self._check.wrong(f"balance {self._next.get('month')} {self._next.get('account')}", "is of no month here")
            self._next = next(self._lines, None)


def _record(transfer: Line) -> bytes:
    """The 128 bytes that were sealed, made again from what the line says."""
    currency, pending = transfer["currency"].encode("ascii"), transfer["pending_id_hash"]
    if len(currency) > 16:  # noqa: PLR2004 - the field's width
        raise ValueError("the currency is too long")
    return struct.pack(
        ">BBHHHQ16s16s16s16s16s16s16x",
        1,
        KINDS.index(transfer["kind"]),
        transfer["code"],
        transfer["debit_code"],
        transfer["credit_code"],
        _number(transfer["amount_minor"]),
        currency,
        *(_bytes(transfer[name], 16) for name in ("id_hash", "debit", "credit", "reference_hash")),
        bytes(16) if pending is None else _bytes(pending, 16),
    )


def _bytes(text: str, size: int) -> bytes:
    found = bytes.fromhex(text)
    if len(found) != size or found.hex() != text:
        raise ValueError(f"not {size} bytes as small hexadecimal digits: {text}")
    return found


def _number(text: str) -> int:
    if str(int(text)) != text:
        raise ValueError(f"not a whole number: {text}")
    return int(text)


def _sums(line: Line) -> list[int]:
    return [_number(line[name]) for name in SUMS]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())


def _signed(public_key: str, signature: str, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_key(file: Path) -> bytes:
    """A public key out of a file. Raises: ValueError when there is none; OSError."""
    key = bytes.fromhex(file.read_text().strip())
    if len(key) != 32:  # noqa: PLR2004 - Ed25519
        raise ValueError(f"a public key is 32 bytes, as 64 hexadecimal digits; these are {len(key)} bytes")
    return key


def main() -> int:
    """Verifies the export named on the command line; 0 when nothing is wrong."""
    parser = argparse.ArgumentParser(description="Checks an export of a ledger.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--key", type=Path, required=True, help="a file with a public key of 64 hexadecimal digits")
    given = parser.parse_args()
    verdict = verify(given.folder, read_key(given.key))
    sys.stdout.writelines(f"{where}: {what}\n" for where, what in verdict.findings)
    sys.stdout.write(f"{verdict.blocks} blocks, {verdict.transfers} transfers, {len(verdict.findings)} findings\n")
    return 1 if verdict.findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
