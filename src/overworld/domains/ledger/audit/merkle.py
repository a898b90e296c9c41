"""Merkle trees as certificate logs have them: hashes, proofs and how they are verified. Pure; knows no transfer.

Source: RFC 6962, section 2.1; RFC 9162, sections 2.1.3.2 and 2.1.4.2, for verifying without recursion.
A tree is never held whole. A proof is first worked out as spans of leaves, and then each span is hashed from the
perfect subtrees it is made of, wherever they are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

Span = tuple[int, int]
"""The leaves from the first number up to, not including, the second."""

Perfect = Callable[[int, int], bytes]
"""The hash of the perfect subtree of this height and number: it covers 2**height leaves from number * 2**height on."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of one leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over subtrees that lie side by side, all of one height; the last may be lower. `EMPTY_ROOT` for none.

    Pairing from the left and carrying a lonely last one up gives the tree that the RFC splits from the top.
    """
    if not hashes:
        return EMPTY_ROOT
    row = list(hashes)
    while len(row) > 1:
        paired = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=False)]
        row = paired + row[-1:] if len(row) % 2 else paired
    return row[0]


def perfect_parts(span: Span) -> list[tuple[int, int]]:
    """The perfect subtrees, as (height, number), that a span of a tree is made of, from left to right.

    The span starts where a subtree as large as it would.
    """
    start, end = span
    parts = []
    while start < end:
        height = (end - start).bit_length() - 1
        parts.append((height, start >> height))
        start += 1 << height
    return parts


def span_hash(span: Span, perfect: Perfect) -> bytes:
    """The hash of a span of the tree."""
    *lefts, found = [perfect(height, number) for height, number in perfect_parts(span)]
    for left in reversed(lefts):
        found = node_hash(left, found)
    return found


def inclusion_spans(index: int, size: int) -> list[Span]:
    """What an inclusion proof is made of, from the leaf to the root. Raises: ValueError without such a leaf."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    start, end = 0, size
    spans = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    return spans[::-1]


def consistency_spans(from_size: int, to_size: int) -> list[Span]:
    """What the proof is made of that the tree of `to_size` begins with that of `from_size`.

    Raises: ValueError unless 0 < from_size <= to_size.
    """
    if not 0 < from_size <= to_size:
        raise ValueError(f"no proof from {from_size} to {to_size} leaves")
    start, end = 0, to_size
    spans = []
    while end != from_size:
        middle = start + _split(end - start)
        if from_size <= middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    if start > 0:
        spans.append((start, end))
    return spans[::-1]


def path(spans: Iterable[Span], perfect: Perfect) -> list[bytes]:
    """The hashes of a proof."""
    return [span_hash(span, perfect) for span in spans]


def included(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof shows that the leaf with this hash is number `index` of the tree."""
    if not 0 <= index < size:
        return False
    number, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = node_hash(step, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, step)
        number, last = number >> 1, last >> 1
    return last == 0 and found == root


def consistent(*, from_size: int, to_size: int, from_root: bytes, to_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the larger tree begins with the smaller one."""
    if not 0 < from_size <= to_size:
        return False
    if from_size == to_size:
        return not proof and from_root == to_root
    steps = list(proof)
    if from_size & (from_size - 1) == 0:
        steps.insert(0, from_root)
    if not steps:
        return False
    number, last = from_size - 1, to_size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            new = node_hash(new, step)
        number, last = number >> 1, last >> 1
    return last == 0 and old == from_root and new == to_root


def _split(size: int) -> int:
    """The largest power of two below `size`: where the RFC divides a tree."""
    return 1 << (size - 1).bit_length() - 1
