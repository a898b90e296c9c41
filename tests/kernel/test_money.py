"""Amounts go to decimal strings and back without a loss, and nothing else is taken for an amount."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.kernel.money import AMOUNT_MINOR_MAX, Currency, TransferStatus

currencies = st.builds(Currency, st.just("ore"), st.integers(0, 18))


@pytest.mark.parametrize(
    ("scale", "minor", "text"),
    [
        (0, 150, "150"),
        (0, -3, "-3"),
        (2, 0, "0.00"),
        (2, 5, "0.05"),
        (2, 150, "1.50"),
        (2, -150, "-1.50"),
        (2, -5, "-0.05"),
        (18, 1, "0.000000000000000001"),
        (18, AMOUNT_MINOR_MAX, "4.611686018427387904"),
    ],
)
def test_amounts_are_shown_in_the_currencys_places(scale, minor, text):
    assert Currency("ore", scale).format(minor) == text


@given(currencies, st.integers(0, AMOUNT_MINOR_MAX))
def test_what_is_shown_is_read_back_exactly(currency, minor):
    assert currency.parse(currency.format(minor)) == minor


@given(currencies, st.integers(0, AMOUNT_MINOR_MAX))
def test_a_negative_amount_is_shown_and_never_taken(currency, minor):
    assert currency.format(-minor) == ("-" if minor else "") + currency.format(minor)
    with pytest.raises(ValueError, match="not a decimal amount"):
        currency.parse(f"-{currency.format(minor)}")


@pytest.mark.parametrize(
    ("scale", "text", "minor"),
    [(2, "1", 100), (2, "1.5", 150), (2, "1.500", 150), (0, "7.0", 7), (2, "007", 700), (2, "0", 0)],
)
def test_missing_and_trailing_zeros_do_not_matter(scale, text, minor):
    assert Currency("ore", scale).parse(text) == minor


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1\n",
        "+1",
        "-1",
        "1.",
        ".5",
        "1,5",
        "1e3",
        "0x1",
        "NaN",
        "inf",
        "1_000",
        "\u0661",
        "1.2.3",
        "9" * 20,
    ],
)
def test_what_is_not_a_plain_decimal_is_refused(text):
    with pytest.raises(ValueError, match="not a decimal amount"):
        Currency("ore", 2).parse(text)


def test_more_places_than_the_currency_has_are_refused():
    with pytest.raises(ValueError, match="2 decimal places"):
        Currency("ore", 2).parse("1.005")


@pytest.mark.parametrize(("scale", "text"), [(0, str(AMOUNT_MINOR_MAX + 1)), (18, "4.611686018427387905"), (18, "5")])
def test_an_amount_above_the_maximum_is_refused(scale, text):
    with pytest.raises(ValueError, match="too large"):
        Currency("ore", scale).parse(text)


def test_the_numbers_of_statuses_never_change():
    """They are stored and sent; a new status takes a new number."""
    assert {status.name: status.value for status in TransferStatus} == {
        "CREATED": 0,
        "EXISTS": 1,
        "EXISTS_WITH_DIFFERENT_FIELDS": 2,
        "AMOUNT_NOT_POSITIVE": 3,
        "ACCOUNTS_SAME": 4,
        "CURRENCY_MISMATCH": 5,
        "EXCEEDS_CREDITS": 6,
        "EXCEEDS_MAXIMUM": 7,
        "MALFORMED": 8,
        "PENDING_NOT_FOUND": 9,
        "PENDING_HAS_DIFFERENT_FIELDS": 10,
        "PENDING_ALREADY_POSTED": 11,
        "PENDING_ALREADY_VOIDED": 12,
        "PENDING_EXPIRED": 13,
        "EXCEEDS_PENDING": 14,
        "ACCOUNT_FROZEN": 15,
        "REFERENCE_TAKEN": 16,
        "LINKED_FAILED": 17,
        "CHAIN_OPEN": 18,
    }
