"""The verifier: a sound export passes, and whatever is changed, dropped, swapped or added is named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import msgspec
import pytest

from overworld.domains.ledger.audit import export, merkle, parquet, verify
from overworld.domains.ledger.audit.headers import Header, key_id, sign
from overworld.domains.ledger.audit.messages import block_item
from tests.domains.ledger.audit.chronicle import PENDING, POST_PENDING, VOID_PENDING, Chronicle, busy

FILES = ("keys", "blocks", "transfers", "balances")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    log = busy()
    return log, log.export(tmp_path_factory.mktemp("export"))


class Tampered:
    """A copy of an export that somebody works on; `verify` says what is found then."""

    def __init__(self, log, folder):
        self.log, self.folder = log, folder

    def lines(self, name):
        return [json.loads(line) for line in (self.folder / f"{name}.jsonl").read_text().splitlines()]

    def write(self, name, lines):
        (self.folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def manifest(self, **changes):
        signed = json.loads((self.folder / "manifest.json").read_text())
        signed["manifest"].update(changes)
        (self.folder / "manifest.json").write_text(json.dumps(signed))

    def sign_again(self, key):
        """The manifest as one who has `key` would write it: with the hashes of what lies there now."""
        signed = json.loads((self.folder / "manifest.json").read_text())
        for name, about in signed["manifest"]["files"].items():
            about["sha256"] = verify._digest(self.folder / name)
        signed["key_id"] = key_id(key.public_key().public_bytes_raw()).hex()
        signed["signature"] = key.sign(export.MANIFEST_TAG + export.canonical_json(signed["manifest"])).hex()
        (self.folder / "manifest.json").write_text(json.dumps(signed))

    def found(self):
        return verify.verify(self.folder, self.log.first_key).findings

    def places(self):
        return [finding.where for finding in self.found()]


@pytest.fixture
def tampered(sound, tmp_path):
    log, folder = sound
    return Tampered(log, shutil.copytree(folder, tmp_path / "copy"))


def test_a_sound_export_has_no_findings(sound):
    log, folder = sound

    verdict = verify.verify(folder, log.first_key)

    assert verdict == verify.Verdict(blocks=4, transfers=7 + 5 + 4 + 301, findings=[])


def test_a_later_key_is_enough(sound):
    log, folder = sound

    assert verify.verify(folder, log.certificates[1].public_key).findings == []


def test_an_empty_log_verifies(tmp_path):
    log = Chronicle()

    assert verify.verify(log.export(tmp_path / "export"), log.first_key) == verify.Verdict(0, 0, [])


def test_the_verifier_runs_alone(sound, tmp_path):
    """Copied out of the package, with nothing of it to import."""
    log, folder = sound
    alone, key = tmp_path / "verify.py", tmp_path / "key"
    shutil.copy(verify.__file__, alone)
    key.write_text(log.first_key.hex())

    command = [sys.executable, alone, folder, "--key", key]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a copy of our own file

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "4 blocks, 317 transfers, 0 findings\n"
    assert "overworld." not in "".join(line for line in alone.read_text().splitlines() if "import" in line)


@pytest.mark.parametrize("field", ["amount_minor", "debit", "credit", "id_hash", "reference_hash", "currency", "kind"])
@pytest.mark.parametrize("index", [0, 9, 316])
def test_a_changed_transfer_is_named(tampered, field, index):
    lines = tampered.lines("transfers")
    other = {"amount_minor": "77", "currency": "gold", "kind": "void_pending"}
    lines[index][field] = other.get(field, lines[index][field][::-1])
    tampered.write("transfers", lines)

    assert f"transfer {index}" in tampered.places()


@pytest.mark.parametrize("index", [0, 9, 20, 316])
def test_a_changed_transfer_that_hashes_to_its_new_leaf_is_named_by_its_block(tampered, index):
    lines = tampered.lines("transfers")
    lines[index]["amount_minor"] = "78"
    lines[index]["leaf"] = merkle.leaf_hash(verify._record(lines[index])).hex()
    tampered.write("transfers", lines)

    found = tampered.found()

    block = next(f for f in found if f.where == f"block {lines[index]['block']}")
    first, last = [part for part in block.what.split() if part.isdigit()][:2]
    assert int(first) <= index <= int(last)


@pytest.mark.parametrize("index", [0, 6, 7, 200, 316])
def test_a_dropped_transfer_is_named(tampered, index):
    lines = tampered.lines("transfers")
    del lines[index]
    tampered.write("transfers", lines)

    assert f"transfer {index}" in tampered.places()


@pytest.mark.parametrize(("one", "two"), [(0, 1), (3, 8), (20, 250), (15, 316)])
def test_swapped_transfers_are_named(tampered, one, two):
    lines = tampered.lines("transfers")
    lines[one], lines[two] = lines[two], lines[one]
    tampered.write("transfers", lines)

    places = tampered.places()

    assert f"transfer {two}" in places
    assert len(places) < 20


@pytest.mark.parametrize(("one", "two"), [(0, 1), (20, 250)])
def test_swapped_transfers_that_were_numbered_anew_are_named_by_their_block(tampered, one, two):
    lines = tampered.lines("transfers")
    lines[one], lines[two] = {**lines[two], "index": one}, {**lines[one], "index": two}
    tampered.write("transfers", lines)

    assert f"block {lines[one]['block']}" in tampered.places()


@pytest.mark.parametrize("index", [0, 7, 200, 317])
def test_an_inserted_transfer_is_named(tampered, index):
    lines = tampered.lines("transfers")
    lines.insert(index, {**lines[index - 1], "index": index})
    tampered.write("transfers", lines)

    assert f"transfer {index}" in tampered.places()


def test_an_inserted_transfer_that_all_others_made_room_for_is_named_by_its_block(tampered):
    lines = tampered.lines("transfers")
    lines.insert(9, dict(lines[0]))
    tampered.write("transfers", [{**line, "index": index} for index, line in enumerate(lines)])

    places = tampered.places()

    assert "block 1" in places
    assert "transfer 317" in places


@pytest.mark.parametrize("field", ["number", "previous", "first_index", "count", "tree_size", "root", "time", "key_id"])
@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_changed_header_is_named(tampered, field, number):
    lines = tampered.lines("blocks")
    lines[number][field] = "2026-12-24T00:00:00Z" if field == "time" else _other(lines[number][field])
    tampered.write("blocks", lines)

    assert f"block {number}" in tampered.places()


@pytest.mark.parametrize("number", range(4))
def test_a_dropped_header_is_named(tampered, number):
    lines = tampered.lines("blocks")
    del lines[number]
    tampered.write("blocks", lines)

    assert f"block {number}" in tampered.places()


@pytest.mark.parametrize("number", range(3))
def test_swapped_headers_are_named(tampered, number):
    lines = tampered.lines("blocks")
    lines[number], lines[number + 1] = lines[number + 1], lines[number]
    tampered.write("blocks", lines)

    assert f"block {number}" in tampered.places()


def test_an_inserted_header_is_named(tampered):
    lines = tampered.lines("blocks")
    lines.insert(2, {**lines[1], "number": 2})
    tampered.write("blocks", lines)

    assert "block 2" in tampered.places()


@pytest.mark.parametrize("number", range(4))
def test_a_changed_signature_is_named(tampered, number):
    lines = tampered.lines("blocks")
    lines[number]["signature"] = lines[number - 1]["signature"]
    tampered.write("blocks", lines)

    assert f"block {number}" in tampered.places()


def test_a_header_signed_by_the_key_before_its_time_is_named(tampered):
    """The old key was turned out because it may have leaked."""
    old, lines = tampered.log.keys[0], tampered.lines("blocks")
    header = tampered.log.blocks[3].signed.header
    forged = sign(Header(**{**_fields(header), "key_id": tampered.log.certificates[0].key_id}), old)
    lines[3] = msgspec.to_builtins(block_item(forged))
    tampered.write("blocks", lines)

    found = tampered.found()

    assert ("block 3", "is not signed by the key that was in force") in found


@pytest.mark.parametrize("field", ["number", "public_key", "from_block", "made_at", "issuer_id", "signature", "key_id"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_changed_key_is_named(tampered, field, number):
    lines = tampered.lines("keys")
    value = lines[number][field]
    lines[number][field] = "2020-01-01T00:00:00Z" if field == "made_at" else _other(value)
    tampered.write("keys", lines)

    assert f"key {number}" in tampered.places()


def test_dropped_and_swapped_keys_are_named(tampered):
    lines = tampered.lines("keys")
    tampered.write("keys", lines[:1])
    assert "block 2" in tampered.places()
    tampered.write("keys", lines[1:])
    assert "key 0" in tampered.places()
    tampered.write("keys", lines[::-1])
    assert {"key 0", "key 1"} <= set(tampered.places())


@pytest.mark.parametrize("place", [0, 3, -1])
@pytest.mark.parametrize("field", ["debits_minor", "credits_minor", "debits_pending_minor", "account", "month"])
def test_a_changed_balance_is_named(tampered, field, place):
    lines = tampered.lines("balances")
    was = lines[place]
    lines[place] = {**was, field: "2031-01" if field == "month" else _other(was[field])}
    tampered.write("balances", lines)

    assert "balance {month} {currency} {account_code} {account}".format(**was) in tampered.places()


def test_dropped_added_and_swapped_balances_are_named(tampered):
    lines = tampered.lines("balances")
    name = "balance {month} {currency} {account_code} {account}".format
    tampered.write("balances", lines[1:])
    assert name(**lines[0]) in tampered.places()
    added = {**lines[0], "account": "ab" * 16}
    tampered.write("balances", [added, *lines])
    assert name(**added) in tampered.places()
    tampered.write("balances", [lines[-1], *lines[1:-1], lines[0]])
    assert name(**lines[0]) in tampered.places()


def test_a_changed_total_is_named(tampered):
    manifest = json.loads((tampered.folder / "manifest.json").read_text())["manifest"]
    totals = manifest["totals"]
    totals[0]["debits_minor"] = "1"
    tampered.manifest(totals=totals, supply_minor={"coin": "9"})

    assert {"manifest", "currency coin"} <= set(tampered.places())


@pytest.mark.parametrize("change", [{"blocks": 3}, {"head": "00" * 32}, {"made_at": "2026-12-24T00:00:00Z"}])
def test_a_changed_manifest_is_named(tampered, change):
    tampered.manifest(**change)

    assert "manifest" in tampered.places()


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_or_another_is_named(tampered, name):
    path = tampered.folder / f"{name}.jsonl"
    path.write_bytes(path.read_bytes() + b" \n")
    assert f"{name}.jsonl" in tampered.places()
    path.unlink()
    assert f"{name}.jsonl" in tampered.places()


def test_leaving_out_the_end_of_the_log_is_found_by_the_manifest(tampered):
    """What is left is a sound log by itself, only an older one."""
    tampered.write("blocks", tampered.lines("blocks")[:3])
    tampered.write("transfers", tampered.lines("transfers")[:16])

    assert "block 3" in tampered.places()


def test_a_log_of_somebody_elses_keys_is_refused(tampered, tmp_path):
    """Sound in itself, and signed by keys that the trusted one never vouched for."""
    forged = busy(seed=2).export(tmp_path / "forged")

    found = verify.verify(forged, tampered.log.first_key).findings

    assert ("key", "the given key is not among those of this log") in found


def test_a_forged_log_before_the_trusted_key_is_refused(tampered):
    """A forger may put a key of his own before the trusted one: he can certify it, but sign nothing as it."""
    forger = busy(seed=2)
    trusted = tampered.log.keys[1]
    forger.certificates[1] = export_certificate(forger, trusted)
    folder = forger.export(tampered.folder.parent / "forged")

    found = verify.verify(folder, trusted.public_key().public_bytes_raw()).findings

    assert [f.where for f in found if "does not vouch" in f.what or "given key" in f.what]


def test_who_signs_exports_cannot_tell_of_another_minute_than_was_sealed(tampered):
    """A transfer's time is that of its block, and the operator's manifest vouches for every file as it lies there."""
    lines = tampered.lines("transfers")
    lines[3]["block"] = 2
    tampered.write("transfers", lines)
    tampered.sign_again(tampered.log.keys[-1])

    assert tampered.found() == [("transfer 3", "is told to be in block 2")]


def test_who_signs_exports_cannot_tell_of_another_root(tampered):
    tampered.manifest(root="00" * 32)
    tampered.sign_again(tampered.log.keys[-1])

    assert tampered.places() == ["block 4"]


def test_settling_a_promise_twice_or_beyond_it_is_named(tmp_path):
    """The log is sealed and signed as it is: this is what an operator cannot do without being seen."""
    log = Chronicle()
    mint = log.transfer(1, 2, 100)
    promise, other = log.transfer(2, 3, 40, kind=PENDING), log.transfer(2, 3, 10, kind=PENDING)
    once = log.transfer(2, 3, 40, kind=POST_PENDING, settles=promise)
    beyond = log.transfer(2, 3, 11, kind=POST_PENDING, settles=other)
    log.seal([mint, promise, other, once, beyond])
    log._promises[promise[0]] = (bytes(16), bytes(16))
    log.seal([log.transfer(2, 3, 40, kind=VOID_PENDING, settles=promise)])

    found = verify.verify(log.export(tmp_path / "export"), log.first_key).findings

    assert [f.where for f in found] == ["transfer 4", "transfer 5"]


def test_a_parquet_file_that_says_something_else_is_named(tampered):
    assert list(parquet.differences(tampered.folder)) == []
    lines = tampered.lines("transfers")
    lines[11]["amount_minor"] = "5"
    tampered.write("transfers", lines)
    balances = tampered.lines("balances")
    tampered.write("balances", balances[:-1])

    where = [place for place, _ in parquet.differences(tampered.folder)]

    assert where == ["transfer 11", f"balance {len(balances) - 1}"]


@pytest.mark.parametrize("name", [*(f"{name}.jsonl" for name in FILES), "manifest.json"])
@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]\n", b"{}\n", b'{"index": "x", "number": []}\n', b"\xff\n", b"[" * 9999]
)
def test_garbage_is_a_finding_and_no_crash(tampered, name, text):
    (tampered.folder / name).write_bytes(text)

    assert tampered.found()


def test_a_thorough_forger_is_stopped_by_the_signatures_alone(tampered):
    """He makes every hash and sum right again, and even signs the manifest with the leaked old key."""
    forger = busy(seed=1)
    first = forger.blocks[0].signed.header
    forger.blocks[0] = type(forger.blocks[0])(
        type(forger.blocks[0].signed)(Header(**{**_fields(first), "time_s": first.time_s - 60}), b"\1" * 64),
        forger.blocks[0].records,
        {},
    )
    folder = forger.export(tampered.folder.parent / "forged")

    found = verify.verify(folder, tampered.log.first_key).findings

    assert ("block 0", "its signature is not good") in found
    assert ("block 1", "does not name block 0 as the one before it") in found


def export_certificate(forger, trusted):
    issuer = forger.keys[0]
    from overworld.domains.ledger.audit.headers import certify

    return certify(trusted, number=1, from_block=10_000, made_at_s=1_790_000_000, issuer=issuer)


def _fields(header):
    return {name: getattr(header, name) for name in header.__struct_fields__}


def _other(value):
    if isinstance(value, int):
        return value + 1
    if set(value) == {"0"}:
        return "1" * len(value)
    return str(int(value) + 1) if value.isdigit() else value[::-1]
