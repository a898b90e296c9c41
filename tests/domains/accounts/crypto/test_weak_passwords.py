"""Which passwords are refused, and that no more are."""

from __future__ import annotations

import pytest

from overworld.domains.accounts.crypto.weak_passwords import common_passwords, require_strong
from overworld.domains.accounts.errors import WeakPassword

NAMES = ("Lovelace", "Ada.Byron@example.org")


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("1234567", "short"),
        ("\N{PILE OF POO}" * 7, "short"),
        ("ababababab", "repeated"),
        ("password", "common"),
        ("PassWord2026!!", "common"),
        ("\N{FULLWIDTH LATIN SMALL LETTER P}assword", "common"),
        ("1234567890", "common"),
        ("lovelace", "named"),
        ("LOVELACE99", "named"),
        ("ada.byron", "named"),
        ("ada.byron@EXAMPLE.org", "named"),
    ],
)
def test_what_would_be_tried_first_is_refused_by_its_reason(password, reason):
    with pytest.raises(WeakPassword) as refused:
        require_strong(password, length_min=8, names=NAMES)
    assert refused.value.public_fields() == {"reason": reason}
    assert not refused.value.fields.keys() - {"reason"}


@pytest.mark.parametrize(
    "password", ["correct horse", "a password", "lovelace's engine", "žabja kost 7", "0" * 5 + "abc"]
)
def test_what_nobody_would_try_first_passes(password):
    require_strong(password, length_min=8, names=NAMES)


def test_a_longer_one_may_be_asked_for():
    with pytest.raises(WeakPassword, match="at least 15"):
        require_strong("correct horse", length_min=15)


def test_the_list_is_whole_and_as_its_comparison_needs_it():
    """A list that holds what folding would change could never match it."""
    known = common_passwords()
    assert len(known) == 11_611
    assert all(len(each) >= 8 and each == each.casefold() for each in known)
