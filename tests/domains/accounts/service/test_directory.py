"""Who is who, for other domains."""

from __future__ import annotations

from uuid import UUID

import pytest

from overworld.domains.accounts.messages import SignInDevice
from tests.domains.accounts.conftest import HERE


async def joined(house, username: str) -> UUID:
    command = SignInDevice(device_id=f"the device of {username}", username=username)
    answer = await house.accounts.sign_in.sign_in_device(command, origin=HERE)
    user_id: UUID = answer.grant.user.id
    return user_id


async def test_accounts_are_found_by_id_and_by_name_in_the_order_asked(house):
    ann, bob = await joined(house, "Ann"), await joined(house, "Bob")
    names = ["bob", str(ann), "nobody", "ANN", str(bob).upper(), str(UUID(int=1))]
    assert await house.accounts.directory.found(names) == [bob, ann, None, ann, bob, None]
    assert await house.accounts.directory.found([]) == []


async def test_a_name_that_looks_like_an_id_is_never_found_by_it(house):
    """Otherwise whoever takes another's id for a name would get what is meant for them."""
    nobody = str(UUID(int=7))
    thief = await joined(house, nobody)
    assert await house.accounts.directory.found([nobody, nobody.upper(), str(thief)]) == [None, None, thief]


@pytest.mark.parametrize("spelled", ["{%s}", "urn:uuid:%s", " %s", "%s\n"])
async def test_an_id_has_one_form(house, spelled):
    ann = await joined(house, "Ann")
    assert await house.accounts.directory.found([spelled % ann]) == [None]
