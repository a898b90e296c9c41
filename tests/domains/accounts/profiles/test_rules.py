"""What of settings is kept, what a search looks between, and what pictures are called."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overworld.domains.accounts.errors import BadUsername
from overworld.domains.accounts.profiles.errors import BadProfileSettings
from overworld.domains.accounts.profiles.rules import avatar_file, avatar_name, avatar_of, checked_settings, searched
from overworld.domains.accounts.profiles.types import SETTINGS_DEPTH_MAX, SETTINGS_VALUES_MAX
from overworld.domains.accounts.rules import folded, username

ANN, BEN = UUID(int=1), UUID(int=2)
SQUARES = {64: b"small", 256: b"medium"}


def nested(depth):
    value: dict[str, object] = {}
    for _ in range(depth):
        value = {"in": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"volume": 0.5, "muted": False, "name": "Ann", "none": None, "list": [1, -2, 2**53 - 1], "fine": 1e-12},
        nested(SETTINGS_DEPTH_MAX),
        {"many": list(range(SETTINGS_VALUES_MAX - 1))},
        {"n" * 64: 1},
        {"text": "x" * 8_000},
    ],
)
def test_sound_settings_pass(value):
    checked_settings(value)


@pytest.mark.parametrize(
    "value",
    [
        nested(SETTINGS_DEPTH_MAX + 1),
        {"list": [[[[[[[[[1]]]]]]]]]},
        {"many": list(range(SETTINGS_VALUES_MAX))},
        {str(i): i for i in range(SETTINGS_VALUES_MAX + 1)},
        {"n" * 65: 1},
        {"in": {"n" * 65: 1}},
        {"text": "x" * 8_192},
        {"integer": 2**53},
        {"integer": -(2**53)},
        {"huge": 10**400},
        {"large": 1e308},
        {"small": 1e-300},
    ],
)
def test_settings_that_are_too_much_of_anything_are_refused(value):
    with pytest.raises(BadProfileSettings):
        checked_settings(value)


def test_settings_as_deep_as_a_body_can_be_are_refused_without_going_down():
    value: object = 1
    for _ in range(900):
        value = [value]
    with pytest.raises(BadProfileSettings):
        checked_settings({"deep": value})


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9)
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=6)


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=9), VALUES, max_size=4))
def test_what_passes_is_bounded_and_every_number_of_it_comes_back(value):
    try:
        checked_settings(value)
    except BadProfileSettings:
        return
    written = msgspec.json.encode(value)
    assert len(written) <= 8_192
    assert msgspec.json.decode(written) == value


@settings(max_examples=60)
@given(st.text(min_size=2, max_size=50), st.text(min_size=3, max_size=50))
def test_a_name_lies_between_exactly_when_it_begins_with_the_text(text, name):
    try:
        name = folded(username(name))
    except BadUsername:
        return
    bounds = searched(text)
    if bounds is not None:
        assert (bounds[0] <= name < bounds[1]) == name.startswith(folded(text))


@pytest.mark.parametrize("text", ["", "a", "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 50])
def test_a_text_that_is_too_short_or_too_long_finds_nobody(text):
    assert searched(text) is None


def test_a_picture_is_named_by_its_content_and_its_account():
    names = {avatar_name(ANN, SQUARES), avatar_name(BEN, SQUARES), avatar_name(ANN, SQUARES | {64: b"other"})}
    assert len(names) == 3
    assert avatar_name(ANN, dict(reversed(SQUARES.items()))) == avatar_name(ANN, SQUARES)
    assert avatar_name(ANN, {64: b"smallm", 256: b"edium"}) not in names


def test_a_file_says_which_picture_and_side_it_is_of():
    name = avatar_name(ANN, SQUARES)
    assert avatar_of(avatar_file(name, 256)) == (name, 256)


@pytest.mark.parametrize(
    "file",
    [
        "",
        "nobody",
        "../../etc/passwd",
        f"{'a' * 32}-64.png",
        f"{'a' * 32}-64.webp\n",
        f"{'A' * 32}-64.webp",
        f"{'a' * 31}-64.webp",
        f"{'a' * 32}-99999.webp",
        f"../{'a' * 32}-64.webp",
        f"{'a' * 32}-\N{ARABIC-INDIC DIGIT SIX}4.webp",
    ],
)
def test_what_is_no_file_of_a_picture_is_nothing(file):
    assert avatar_of(file) is None
