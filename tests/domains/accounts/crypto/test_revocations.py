"""Revocations are kept exactly as long as a token they concern may live."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from overworld.domains.accounts.crypto.revocations import Revocations
from overworld.domains.accounts.types import Revocation

ANN, BEN = UUID(int=1), UUID(int=2)
HERS, OTHER = UUID(int=11), UUID(int=12)


@pytest.fixture
def revocations(clock):
    return Revocations(clock=clock, keep_s=100)


def of_session(clock, session_id=HERS):
    return Revocation(account_id=ANN, session_id=session_id, version=0, at=clock.now())


def of_version(clock, version, account_id=ANN):
    return Revocation(account_id=account_id, session_id=None, version=version, at=clock.now())


def test_a_session_is_revoked_and_no_other(clock, revocations):
    revocations.add(of_session(clock))
    assert revocations.is_revoked(account_id=ANN, session_id=HERS, version=1)
    assert not revocations.is_revoked(account_id=ANN, session_id=OTHER, version=1)


def test_a_version_voids_all_below_it_whatever_the_order(clock, revocations):
    for version in (3, 2):
        revocations.add(of_version(clock, version))
    assert [revocations.is_revoked(account_id=ANN, session_id=HERS, version=v) for v in (1, 2, 3)] == [
        True,
        True,
        False,
    ]
    assert not revocations.is_revoked(account_id=BEN, session_id=OTHER, version=1)


def test_a_revocation_is_forgotten_when_its_tokens_are_over(clock, revocations):
    revocations.add(of_session(clock))
    revocations.add(of_version(clock, 2))
    clock.advance(timedelta(seconds=100))
    revocations.add(of_session(clock, OTHER))
    assert revocations.is_revoked(account_id=ANN, session_id=HERS, version=2)
    clock.advance(timedelta(seconds=1))
    revocations.add(of_version(clock, 2, BEN))
    assert len(revocations) == 2
    assert not revocations.is_revoked(account_id=ANN, session_id=HERS, version=1)


def test_a_version_heard_again_is_kept_as_long_as_the_latest(clock, revocations):
    revocations.add(of_version(clock, 2))
    clock.advance(timedelta(seconds=60))
    revocations.add(of_version(clock, 3))
    clock.advance(timedelta(seconds=60))
    revocations.add(of_session(clock))
    assert revocations.is_revoked(account_id=ANN, session_id=OTHER, version=2)
