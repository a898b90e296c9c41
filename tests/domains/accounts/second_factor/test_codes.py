"""One-time codes against the test values of the standard, and the window in which they are taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.accounts.second_factor import codes
from overworld.domains.accounts.second_factor.errors import SecondFactorLocked
from overworld.domains.accounts.second_factor.sealing import Seal

SECRET = b"12345678901234567890"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ANN, BEA = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("at_s", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_standard(at_s, code):
    """RFC 6238, appendix B, the last six digits of each."""
    at = datetime.fromtimestamp(at_s, UTC)
    assert codes.code_at(SECRET, codes.step_at(at)) == code


@pytest.mark.parametrize(("steps", "is_taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_one_step_off(steps, is_taken):
    code = codes.code_at(SECRET, codes.step_at(NOW) + steps)
    found = codes.matching_step(SECRET, code, now=NOW, after=0)
    assert found == (codes.step_at(NOW) + steps if is_taken else None)


def test_the_code_of_a_step_that_is_over_is_not_taken():
    step = codes.step_at(NOW)
    code = codes.code_at(SECRET, step)
    assert codes.matching_step(SECRET, code, now=NOW, after=step) is None
    assert codes.matching_step(SECRET, code, now=NOW, after=step - 1) == step


@pytest.mark.parametrize("code", ["", "12345", "1234567", "\u0661\u0662\u0663\u0664\u0665\u0666", "abcdef"])
def test_what_is_no_code_matches_nothing(code):
    assert codes.matching_step(SECRET, code, now=NOW, after=0) is None


@given(st.binary(min_size=10, max_size=10))
def test_a_recovery_code_survives_how_people_write_it(random):
    code = codes.recovery_code(random)
    assert len(codes.plain(code)) == 16
    assert codes.plain(code.upper().replace("-", " ")) == codes.plain(code)
    assert codes.is_recovery(codes.plain(code))


def test_the_address_for_apps_says_whose_secret_it_is_and_how_codes_are_made():
    uri = urlsplit(codes.key_uri(SECRET, issuer="Over & under", username="Ann:?#/"))
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", "/Over & under:Ann:?#/")
    assert parse_qs(uri.query) == {
        "secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
        "issuer": ["Over & under"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }


def test_a_sealed_secret_is_opened_by_the_same_words_for_the_same_account_alone():
    seal = Seal("the operator's words", random=bytes)
    kept = seal.sealed(SECRET, ANN)
    assert SECRET not in kept
    assert seal.opened(kept, ANN) == SECRET
    for other, account_id in (
        (seal, BEA),
        (Seal("other words", random=bytes), ANN),
        (Seal("", random=bytes), ANN),
    ):
        with pytest.raises(SecondFactorLocked):
            other.opened(kept, account_id)
    with pytest.raises(SecondFactorLocked):
        seal.opened(kept[:-1] + bytes([kept[-1] ^ 1]), ANN)


def test_what_was_kept_without_words_is_read_with_them():
    kept = Seal("", random=bytes).sealed(SECRET, ANN)
    assert Seal("the operator's words", random=bytes).opened(kept, ANN) == SECRET


def test_the_clock_of_the_window_goes_with_the_seconds():
    assert (
        codes.step_at(NOW + timedelta(seconds=29))
        == codes.step_at(NOW)
        == codes.step_at(NOW + timedelta(seconds=30)) - 1
    )
