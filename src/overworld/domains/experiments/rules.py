"""Pure decisions: who gets which variant, and what a definition may be.

The draw. For a flag with the salt `s`, and a unit `u` (a player's id as lower-case text with its hyphens), a point is

    point(s, part, u) = the first 8 bytes, big-endian, of SHA-256(s, NUL, part, NUL, u in UTF-8)

a whole number from 0 to 2^64 - 1. A player is in a rollout of r per cent when point(s, "rollout", u) * 10000 is less
than round(100 r) * 2^64: who is in one of 10 % is in every larger one. Variants lie one after another in the order of
the definition, each as wide as its weight; the one drawn is that in which floor(point(s, "variant", u) * W / 2^64)
lies, W being the sum of the weights. Whole numbers only, so every language gets the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from hashlib import sha256
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec

from overworld.domains.experiments.errors import BadFlag
from overworld.domains.experiments.types import (
    VALUE_BYTES_MAX,
    Attributes,
    Condition,
    Decision,
    Definition,
    Op,
    Reason,
    Rule,
    Variant,
)

_POINTS = 1 << 64
_PARTS = 10_000
_DIGITS = re.compile(r"[0-9]{1,18}")
_encode = msgspec.json.Encoder().encode


def point(salt: str, part: str, unit: str) -> int:
    """Where a unit lies for one part of a draw, 0 to 2^64 - 1: see above."""
    return int.from_bytes(sha256(f"{salt}\0{part}\0{unit}".encode()).digest()[:8], "big")


def is_rolled_out(salt: str, unit: str, *, rollout_pct: float) -> bool:
    """Whether a unit is in a rollout of so many per cent; hundredths count."""
    parts = round(rollout_pct * 100)
    return parts >= _PARTS or point(salt, "rollout", unit) * _PARTS < parts * _POINTS


def drawn(variants: Collection[Variant], *, salt: str, unit: str) -> Variant:
    """The variant that chance gives a unit, by weight."""
    total = sum(one.weight for one in variants)
    ticket = point(salt, "variant", unit) * total >> 64
    for one in variants:
        if ticket < one.weight:
            return one
        ticket -= one.weight
    raise ValueError("no variant has a weight")


def unit_of(targeting_key: str) -> tuple[str, UUID | None]:
    """What is drawn for, and the player if it is one: ids are written one way, whatever way they were sent."""
    try:
        player_id = UUID(targeting_key)
    except ValueError:
        return targeting_key, None
    return str(player_id), player_id


def decide(key: str, definition: Definition, *, unit: str, attributes: Attributes) -> Decision:
    """What a unit gets of a flag."""
    variants = {one.name: one for one in definition.variants}
    if not definition.enabled:
        return _given(variants[definition.default], Reason.DISABLED)
    salt = definition.salt or key
    for rule in definition.rules:
        if _is_meant(rule, salt=salt, unit=unit, attributes=attributes):
            if rule.variant is not None:
                return _given(variants[rule.variant], Reason.TARGETING_MATCH)
            return _given(drawn(definition.variants, salt=salt, unit=unit), Reason.SPLIT)
    return _given(variants[definition.default], Reason.DEFAULT if definition.rules else Reason.STATIC)


def asked(definitions: Iterable[Definition]) -> frozenset[str]:
    """The attributes that the rules of flags look at."""
    return frozenset(
        condition.attribute for one in definitions if one.enabled for rule in one.rules for condition in rule.when
    )


def holds(condition: Condition, attributes: Attributes) -> bool:
    """Whether a condition holds. What cannot be compared does not, but for `not_in`, which is the opposite of `in`."""
    there = attributes.get(condition.attribute)
    if condition.op is Op.NOT_IN:
        return not _is_in(there, condition)
    if condition.op is Op.IN:
        return _is_in(there, condition)
    return any(_compares(one, condition) for one in (there if isinstance(there, list | tuple) else (there,)))


def _is_meant(rule: Rule, *, salt: str, unit: str, attributes: Attributes) -> bool:
    return all(holds(one, attributes) for one in rule.when) and is_rolled_out(salt, unit, rollout_pct=rule.rollout_pct)


def _given(variant: Variant, reason: Reason) -> Decision:
    return Decision(variant=variant.name, value=variant.value, reason=reason)


def _is_in(there: Any, condition: Condition) -> bool:
    return any(_equal(one, value) for one in _items(there) for value in condition.values)


def _items(there: Any) -> Collection[Any]:
    return there if isinstance(there, list | tuple) else (there,)


def _equal(one: Any, value: Any) -> bool:
    return one == value and isinstance(one, bool) == isinstance(value, bool)


def _compares(one: Any, condition: Condition) -> bool:
    match condition.op:
        case Op.AT_LEAST:
            return any(_is_number(one) and _is_number(value) and one >= value for value in condition.values)
        case Op.AT_MOST:
            return any(_is_number(one) and _is_number(value) and one <= value for value in condition.values)
        case Op.STARTS_WITH:
            return any(isinstance(one, str) and one.startswith(str(value)) for value in condition.values)
        case Op.VERSION_AT_LEAST:
            return isinstance(one, str) and any(_version(one) >= _version(str(value)) for value in condition.values)
        case _:
            return isinstance(one, str) and any(_version(one) <= _version(str(value)) for value in condition.values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _version(text: str) -> tuple[int, ...]:
    """The numbers of a version, without the zeros at its end: 1.10 is above 1.9, and 1.2.0 is 1.2."""
    numbers = [int(digits) for digits in _DIGITS.findall(text.partition("-")[0].partition("+")[0])[:8]]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def checked(definition: Definition, *, metrics: Collection[str]) -> Definition:
    """The definition, if a flag can be like that; `metrics` are those that can be counted. Raises: BadFlag."""
    names = [one.name for one in definition.variants]
    if len(set(names)) < len(names):
        raise BadFlag("Two variants have one name.", field="variants")
    if not any(one.weight for one in definition.variants):
        raise BadFlag("One variant at least needs a weight.", field="variants")
    if any(_kind(one.value) != _kind(two.value) or not _kind(one.value) for one, two in pairwise(definition.variants)):
        raise BadFlag("The values of all variants have to be of one type, and none null.", field="variants")
    if definition.variants[0].value is None:
        raise BadFlag("A value cannot be null.", field="variants")
    if any(len(_encode(one.value)) > VALUE_BYTES_MAX for one in definition.variants):
        raise BadFlag(f"A value takes more than {VALUE_BYTES_MAX} bytes.", field="variants")
    if definition.default not in names:
        raise BadFlag("The default is none of the variants.", field="default", allowed=names)
    if any(rule.variant not in names for rule in definition.rules if rule.variant is not None):
        raise BadFlag("A rule gives what is none of the variants.", field="rules", allowed=names)
    if definition.experiment is not None:
        _check_experiment(definition, metrics=metrics)
    return definition


def _check_experiment(definition: Definition, *, metrics: Collection[str]) -> None:
    experiment = definition.experiment
    assert experiment is not None  # noqa: S101 - the caller has looked
    weighed = [one.name for one in definition.variants if one.weight]
    if experiment.control not in weighed or len(weighed) < 2:  # noqa: PLR2004
        raise BadFlag("An experiment compares two variants with weights, one of them the control.", field="experiment")
    named = [one.name for one in experiment.metrics]
    if unknown := sorted(set(named) - set(metrics)):
        raise BadFlag(f"Nothing counts {unknown[0]}.", field="experiment", allowed=sorted(metrics))
    if len(set(named)) < len(named):
        raise BadFlag("A metric is named twice.", field="experiment")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__ if value is not None else ""


def is_same_draw(one: Definition, other: Definition, *, key: str) -> bool:
    """Whether two definitions give the same to the same players: equal names, weights, values, order, and salt."""
    draws = [(each.salt or key, [(v.name, v.weight, _encode(v.value)) for v in each.variants]) for each in (one, other)]
    return draws[0] == draws[1]
