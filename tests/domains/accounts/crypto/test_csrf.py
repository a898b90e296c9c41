"""CSRF tokens: of one session, not to be made by anybody else."""

from __future__ import annotations

import random
from uuid import UUID

import pytest

from overworld.domains.accounts import SCHEMA
from overworld.domains.accounts.crypto.csrf import CsrfKey
from overworld.kernel.refusals import Fault

SESSION = UUID(int=5)


async def loaded(database, *, secret: str = "", seed: int = 1) -> CsrfKey:
    key = CsrfKey(secret=secret, random=random.Random(seed).randbytes)
    async with database.transaction() as tx:
        await key.load(tx)
    return key


@pytest.fixture
async def database(open_database):
    async with open_database(SCHEMA) as opened:
        yield opened


async def test_a_token_names_its_session(database):
    key = await loaded(database)
    assert key.session(key.token(SESSION)) == SESSION
    assert key.token(SESSION) == key.token(SESSION) != key.token(UUID(int=6))


async def test_a_token_with_any_character_changed_is_none(database):
    key = await loaded(database)
    token = key.token(SESSION)
    for i, was in enumerate(token):
        assert key.session(token[:i] + ("A" if was != "A" else "B") + token[i + 1 :]) is None


@pytest.mark.parametrize("token", ["", "x", "é" * 64, "!" * 64, "A" * 64, "A" * 63, "A" * 65, "=" * 64])
async def test_what_was_never_a_token_is_none(database, token):
    assert (await loaded(database)).session(token) is None


async def test_servers_share_the_key_and_whoever_lacks_the_operators_secret_makes_no_token(database):
    one, twin = await loaded(database), await loaded(database, seed=2)
    other = await loaded(database, secret="the operator's")
    assert twin.session(one.token(SESSION)) == SESSION
    assert other.session(one.token(SESSION)) is None


def test_no_token_is_made_before_the_key_is_loaded():
    with pytest.raises(Fault):
        CsrfKey(secret="", random=random.Random(1).randbytes).token(SESSION)
