"""The canonical record: its bytes, its keyed hashes, and that it can be taken apart again."""

from __future__ import annotations

import hmac
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.ledger.audit import merkle, records
from overworld.domains.ledger.audit.records import Rows

KEYS = [bytes([number]) * 32 for number in (7, 8, 9)]
sixteen = st.binary(min_size=16, max_size=16)
transfers = st.tuples(
    sixteen,
    st.integers(0, 3),
    st.integers(0, 2**16 - 1),
    st.integers(1, 2**62),
    st.sampled_from([(11, 30), (30, 22), (22, 11)]),
    sixteen,
    st.one_of(st.just(bytes(16)), sixteen),
)


def sides(month="2026-11"):
    return records.sides(
        ids=np.array([11, 22, 30]),
        codes=np.array([1, 2, 300], np.uint16),
        currencies=np.stack([np.frombuffer(records.currency_field(name), np.uint8) for name in ("ORE", "ORE", "ORE")]),
        keys=np.stack([np.frombuffer(key, np.uint8) for key in KEYS]),
        month=month,
    )


def rows(items):
    ids, kinds, codes, amounts, accounts, references, pendings = zip(*items, strict=True)
    flat = [np.frombuffer(b"".join(each), np.uint8).reshape(-1, 16) for each in (ids, references, pendings)]
    return Rows(
        ids=flat[0],
        kinds=np.array(kinds, np.uint8),
        codes=np.array(codes, np.uint16),
        amounts_minor=np.array(amounts, np.int64),
        debit_ids=np.array([debit for debit, _ in accounts]),
        credit_ids=np.array([credit for _, credit in accounts]),
        references=flat[1],
        pending_ids=flat[2],
    )


def cut(key, message):
    return hmac.digest(key, message, "sha256")[:16]


@given(st.lists(transfers, min_size=1, max_size=8))
def test_a_record_is_what_the_format_says(items):
    """Each field made again the slow way, with the standard library's HMAC."""
    place = {11: 0, 22: 1, 30: 2}
    encoded = records.encode(rows(items), sides())

    for record, (id_, kind, code, amount, (debit, credit), reference, pending) in zip(encoded, items, strict=True):
        payer, payee = KEYS[place[debit]], KEYS[place[credit]]
        expected = (
            bytes([1, kind])
            + code.to_bytes(2, "big")
            + [1, 2, 300][place[debit]].to_bytes(2, "big")
            + [1, 2, 300][place[credit]].to_bytes(2, "big")
            + amount.to_bytes(8, "big")
            + b"ORE".ljust(16, b"\0")
            + sha256(b"overworld.ledger.id" + id_).digest()[:16]
            + cut(payer, b"pseudonym2026-11")
            + cut(payee, b"pseudonym2026-11")
            + cut(payer + payee, b"reference" + reference)
            + (sha256(b"overworld.ledger.id" + pending).digest()[:16] if any(pending) else bytes(16))
            + bytes(16)
        )
        assert record.tobytes() == expected
        read = records.decode(expected)
        assert (read.kind, read.code, read.amount_minor, read.currency) == (kind, code, amount, "ORE")
        assert read.id_hash == records.id_hash(id_)
        assert expected[records.DEBIT] == read.debit
        assert expected[records.CREDIT] == read.credit


@given(st.lists(transfers, min_size=1, max_size=8))
def test_leaves_are_those_of_the_rfc(items):
    encoded = records.encode(rows(items), sides())

    assert records.leaf_hashes(encoded) == b"".join(merkle.leaf_hash(record.tobytes()) for record in encoded)


def test_pseudonyms_are_others_every_month():
    november, december = sides("2026-11").pseudonyms, sides("2026-12").pseudonyms

    assert len({each.tobytes() for each in (*november, *december)}) == 6


def test_what_is_no_record_is_refused():
    record = records.encode(rows([(bytes(16), 0, 1, 5, (11, 22), bytes(16), bytes(16))]), sides()).tobytes()

    for broken in (record[:-1], record + b"\0", b"\2" + record[1:], b""):
        with pytest.raises(ValueError, match="not a transfer record"):
            records.decode(broken)


@pytest.mark.parametrize("name", ["seventeen_letters", "müll"])
def test_a_currency_that_has_no_place_in_a_record_is_refused(name):
    with pytest.raises(ValueError, match="currency"):
        records.currency_field(name)
