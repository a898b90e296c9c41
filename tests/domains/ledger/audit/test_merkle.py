"""Merkle trees: the vectors of Certificate Transparency, and the recursive definitions of RFC 6962 as properties."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.ledger.audit import merkle
from overworld.domains.ledger.audit.merkle import Perfect, consistency_spans, inclusion_spans, leaf_hash, path

LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
"""Source: the test vectors of Google's certificate-transparency, which every implementation of RFC 6962 uses."""

ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}

CONSISTENCY = {
    (1, 1): [],
    (1, 8): INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def mth(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it stands there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = split(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def audit_path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*audit_path(m, leaves[:k]), mth(leaves[k:])]
    return [*audit_path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2; PROOF(m, D[n]) is SUBPROOF(m, D[n], true)."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def split(n: int) -> int:
    """The k of the RFC: the largest power of two smaller than n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def perfect_of(leaves: Sequence[bytes]) -> Perfect:
    return lambda height, number: mth(leaves[number << height : (number + 1) << height])


def leaves_of(count: int) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in range(count)]


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_of_certificate_transparency(size):
    assert merkle.root_of([leaf_hash(leaf) for leaf in LEAVES[:size]]).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_the_inclusion_proofs_are_those_of_certificate_transparency(index, size):
    proof = path(inclusion_spans(index, size), perfect_of(LEAVES))

    assert [step.hex() for step in proof] == INCLUSION[index, size]
    leaf, root = leaf_hash(LEAVES[index]), bytes.fromhex(ROOTS[size])
    assert merkle.included(leaf, index=index, size=size, proof=proof, root=root)


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_the_consistency_proofs_are_those_of_certificate_transparency(old, new):
    proof = path(consistency_spans(old, new), perfect_of(LEAVES))

    assert [step.hex() for step in proof] == CONSISTENCY[old, new]
    roots = {"from_root": bytes.fromhex(ROOTS[old]), "to_root": bytes.fromhex(ROOTS[new])}
    assert merkle.consistent(from_size=old, to_size=new, proof=proof, **roots)


@given(st.integers(0, 70))
def test_pairing_from_the_left_gives_the_tree_that_the_rfc_splits_from_the_top(count):
    leaves = leaves_of(count)

    assert merkle.root_of([leaf_hash(leaf) for leaf in leaves]) == mth(leaves)


@given(st.data(), st.integers(1, 70))
def test_proofs_of_inclusion_are_those_of_the_recursive_definition_and_verify(data, size):
    index = data.draw(st.integers(0, size - 1))
    leaves = leaves_of(size)

    proof = path(inclusion_spans(index, size), perfect_of(leaves))

    assert proof == audit_path(index, leaves)
    assert merkle.included(leaf_hash(leaves[index]), index=index, size=size, proof=proof, root=mth(leaves))


@given(st.data(), st.integers(1, 70))
def test_proofs_of_consistency_are_those_of_the_recursive_definition_and_verify(data, new):
    old = data.draw(st.integers(1, new))
    leaves = leaves_of(new)

    proof = path(consistency_spans(old, new), perfect_of(leaves))

    assert proof == subproof(old, leaves, True)
    roots = {"from_root": mth(leaves[:old]), "to_root": mth(leaves)}
    assert merkle.consistent(from_size=old, to_size=new, proof=proof, **roots)


@given(st.data(), st.integers(2, 70))
def test_a_proof_of_inclusion_proves_nothing_else(data, size):
    """Another leaf, place, size, root or proof than the one that was made for it."""
    index = data.draw(st.integers(0, size - 1))
    leaves = leaves_of(size)
    proof, root, leaf = audit_path(index, leaves), mth(leaves), leaf_hash(leaves[index])
    other = data.draw(st.integers(-1, size + 1).filter(lambda number: number != index))
    step = data.draw(st.integers(0, len(proof) - 1))
    bent = [*proof[:step], leaf_hash(b"x"), *proof[step + 1 :]]

    def included(leaf=leaf, index=index, size=size, proof=proof, root=root):
        return merkle.included(leaf, index=index, size=size, proof=proof, root=root)

    assert included()
    assert not included(leaf=leaf_hash(b"x"))
    assert not included(index=other)
    assert not included(root=leaf_hash(b"x"))
    assert not included(proof=bent)
    assert not included(proof=proof[:-1])
    assert not included(proof=[*proof, root])
    assert not included(size=0)


@given(st.data(), st.integers(2, 70))
def test_a_proof_of_consistency_proves_nothing_else(data, new):
    old = data.draw(st.integers(1, new - 1))
    leaves = leaves_of(new)
    proof, old_root, new_root = subproof(old, leaves, True), mth(leaves[:old]), mth(leaves)
    step = data.draw(st.integers(0, len(proof) - 1))
    bent = [*proof[:step], leaf_hash(b"x"), *proof[step + 1 :]]

    def consistent(old=old, new=new, old_root=old_root, new_root=new_root, proof=proof):
        return merkle.consistent(from_size=old, to_size=new, from_root=old_root, to_root=new_root, proof=proof)

    assert consistent()
    assert not consistent(old_root=leaf_hash(b"x"))
    assert not consistent(new_root=leaf_hash(b"x"))
    assert not consistent(proof=bent)
    assert not consistent(proof=proof[:-1])
    assert not consistent(proof=[*proof, new_root])
    assert not consistent(old=0)
    assert not consistent(old=new, new=old)
    assert not consistent(new=old)


def test_a_proof_of_nothing_is_refused():
    for index, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(ValueError, match="no leaf"):
            inclusion_spans(index, size)
    for old, new in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match="no proof"):
            consistency_spans(old, new)
