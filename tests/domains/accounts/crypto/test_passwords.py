"""Passwords are checked off the loop, in a bounded queue, and nobody's password takes as long as somebody's."""

from __future__ import annotations

import asyncio
import threading

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from overworld.domains.accounts.crypto.passwords import Passwords
from overworld.domains.accounts.types import AccountsSettings
from overworld.kernel.refusals import Busy

CHEAP = AccountsSettings(argon2_memory_kib=8, argon2_passes=1, password_workers=1, password_queue_max=2)


@pytest.fixture
def passwords():
    opened = Passwords(CHEAP, random=bytes)
    yield opened
    opened.close()


async def test_a_password_is_right_for_its_own_hash_only(passwords):
    kept = await passwords.hash("correct horse")
    assert await passwords.verify("correct horse", kept)
    assert not await passwords.verify("correct hors", kept)
    assert not await passwords.verify("correct horse", await passwords.hash("other"))


@pytest.mark.parametrize("password", ["päßwörd", "密码密码密码密码", "\x00" * 8, "x" * 1024, "\ud800" * 8])
async def test_any_text_is_a_password(passwords, password):
    assert await passwords.verify(password, await passwords.hash(password))


@pytest.mark.parametrize("broken", ["", "plain", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"])
async def test_a_damaged_hash_is_nobodys(passwords, broken):
    assert not await passwords.verify("", broken)


async def test_nobodys_hash_costs_what_somebodys_does():
    """The check of an unknown account must run the same Argon2id, never end early."""
    passwords = Passwords(AccountsSettings(), random=bytes)
    try:
        kept = extract_parameters(await passwords.hash("somebody"))
        nobody = extract_parameters(passwords.nobody)
        assert (kept.type, kept.memory_cost, kept.time_cost, kept.parallelism) == (Type.ID, 19_456, 2, 1)
        assert nobody == kept
        assert not await passwords.verify("somebody", None)
    finally:
        passwords.close()


async def test_not_even_the_right_guess_is_nobodys(passwords):
    assert not await passwords.verify("", None)


async def test_a_full_queue_refuses_and_the_loop_stays_free(monkeypatch):
    """One works, two wait, the next is refused; the loop goes on meanwhile."""
    release, working = threading.Event(), threading.Event()

    def slow(self, password):
        working.set()
        release.wait(10)
        return "hash"

    monkeypatch.setattr(PasswordHasher, "hash", slow)
    passwords = Passwords(CHEAP, random=bytes)
    taken = [asyncio.create_task(passwords.hash("x")) for _ in range(3)]
    await asyncio.to_thread(working.wait, 10)
    with pytest.raises(Busy):
        await passwords.hash("x")
    release.set()
    assert await asyncio.gather(*taken) == ["hash"] * 3
    assert await passwords.hash("x") == "hash"
    passwords.close()


async def test_callers_that_leave_give_their_places_back(monkeypatch):
    release, working = threading.Event(), threading.Event()

    def slow(self, password):
        working.set()
        release.wait(10)
        return "hash"

    monkeypatch.setattr(PasswordHasher, "hash", slow)
    passwords = Passwords(CHEAP, random=bytes)
    first = asyncio.create_task(passwords.hash("x"))
    waiting = [asyncio.create_task(passwords.hash("x")) for _ in range(2)]
    await asyncio.to_thread(working.wait, 10)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    again = asyncio.create_task(passwords.hash("x"))
    release.set()
    assert [await first, await again] == ["hash", "hash"]
    passwords.close()
