"""Which passwords are refused because a guesser tries them first."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from overworld.domains.accounts import rules
from overworld.domains.accounts.errors import WeakPassword

_LIST = Path(__file__).parent / "common_passwords.txt.gz"
_ENDINGS = "0123456789!?.,-_#*$+@&%"
_DIFFERENT_MIN = 4
_NAME_LENGTH_MIN = 4


def require_strong(password: str, *, length_min: int, names: Iterable[str | None] = ()) -> None:
    """Passes for a password that is long enough and not among the first that anybody would try.

    Those are the common ones, also in capitals and with digits or signs behind; one character over and over; and what
    the account is called: `names` are its username and its e-mail address.
    Source: NIST SP 800-63B-4, section 3.1.1.2, which asks for such a list and for no rules of composition.
    Raises: WeakPassword.
    """
    if len(password) < length_min:
        raise WeakPassword(f"A password has at least {length_min} characters.", reason="short")
    plain = rules.folded(password)
    if len(set(plain)) < _DIFFERENT_MIN:
        raise WeakPassword("A password has some more different characters.", reason="repeated")
    bare = plain.rstrip(_ENDINGS)
    if not common_passwords().isdisjoint({plain, bare}):
        raise WeakPassword("This is one of the passwords that are tried first.", reason="common")
    if not {plain, bare}.isdisjoint(_forms(names)):
        raise WeakPassword("A password is not the name or the e-mail address of its account.", reason="named")


@cache
def common_passwords() -> frozenset[str]:
    """The list, read at the first call: 11 611 passwords, 1 MB."""
    return frozenset(gzip.decompress(_LIST.read_bytes()).decode().split())


def _forms(names: Iterable[str | None]) -> set[str]:
    """The names themselves, and of addresses what stands before the @."""
    whole = [rules.folded(name) for name in names if name]
    return {part for name in whole for part in (name, name.partition("@")[0]) if len(part) >= _NAME_LENGTH_MIN}
