"""Pure decisions: where a mail goes, when it is tried again, and when it is too late for it."""

from __future__ import annotations

from datetime import datetime, timedelta

from overworld.domains.accounts.mail.types import Addressee, Kind, Owner, Purpose, Waiting

_FIRST_PAUSE_S = 5.0
_GROWTH = 3.0
_PAUSE_MAX_S = 1_800.0
_KEPT = {Kind.RESET_PASSWORD: timedelta(hours=2)}
_KEPT_OTHERWISE = timedelta(days=2)


def purpose_of(kind: Kind) -> Purpose | None:
    """What the token of a mail is for; None for a mail without one."""
    return Purpose(kind.value) if kind.value in set(Purpose) else None


def addressee(mail: Waiting, owner: Owner | None) -> Addressee | None:
    """Where a mail goes, given whose its address is now; None when it is not to be sent.

    A new password is for the account that has the address, and goes to the address as that account wrote it: another
    text that folds to the same may be another mailbox. An address is confirmed unless it has become another's.
    """
    if mail.kind is Kind.RESET_PASSWORD:
        return None if owner is None else Addressee(owner.email, owner.account_id)
    if mail.kind is Kind.CONFIRM_EMAIL:
        is_free = owner is None or owner.account_id == mail.account_id
        return Addressee(mail.email, mail.account_id) if is_free and mail.account_id is not None else None
    return Addressee(mail.email, None)


def next_try(mail: Waiting, *, at: datetime) -> datetime | None:
    """When a mail that could not be sent is tried again; None when that would be too late for what it says.

    After 5 s, 15 s, 45 s and so on up to half an hour. A mail for a new password is given up after two hours, others
    after two days.
    """
    pause_s = min(_FIRST_PAUSE_S * _GROWTH ** min(mail.attempts, 10), _PAUSE_MAX_S)
    then = at + timedelta(seconds=pause_s)
    return then if then - mail.made_at <= _KEPT.get(mail.kind, _KEPT_OTHERWISE) else None
