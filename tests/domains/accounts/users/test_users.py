"""Accounts in the hands of staff: who may handle whom, and that what ends does so in every process."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from overworld.app.developer_key import _SCOPES as DEVELOPER
from overworld.domains.accounts.apikeys.errors import BadApiKey
from overworld.domains.accounts.apikeys.messages import ApiKeyBody
from overworld.domains.accounts.errors import AccountSuspended, BadRefreshToken, NoSuchUser, TokenRevoked
from overworld.domains.accounts.messages import Refresh
from overworld.domains.accounts.rules import scopes_of
from overworld.domains.accounts.types import Role
from overworld.domains.accounts.users import rules
from overworld.domains.accounts.users.errors import BeyondYou, NotYourself
from overworld.domains.accounts.users.messages import UserSuspended
from overworld.domains.accounts.users.types import Asked
from overworld.platform.http import encode_cursor
from tests.audited import staff
from tests.domains.accounts.conftest import HERE

ADMIN = scopes_of(Role.ADMIN)
NOBODY = UUID(int=404)


def acting(grant, role=Role.ADMIN):
    return {"holds": scopes_of(role), "staff": staff(grant.user.id)}


async def key_of(desk, grant, scopes):
    principal = desk.accounts.verifier.verify(grant.access_token)
    body = ApiKeyBody(name="a key", scopes=scopes)
    made = await desk.api_keys.service.make(body, maker=principal, holds=principal.scopes, staff=staff(grant.user.id))
    return made.secret


async def test_a_suspended_account_loses_every_token_and_key_in_every_process_and_cannot_sign_in(desk):
    admin, player = await desk.joins("Ann", Role.ADMIN), await desk.joins("Ben", Role.DEVELOPER)
    async with desk.here.database.transaction() as tx:
        await tx.execute("UPDATE accounts.account SET role = 'admin' WHERE id = $1", player.user.id)
    player = await desk.joins("Ben", Role.ADMIN)
    key = await key_of(desk, player, ("audit.read",))
    await desk.heard()
    verifiers = [house.accounts.verifier for house in (desk.here, desk.elsewhere)]
    for verifier in verifiers:
        verifier.verify(player.access_token), verifier.verify(key)
    seen = await desk.users.service.suspend(player.user.id, "bots", **acting(admin))
    assert seen.suspended_at == desk.here.clock.now()
    await desk.heard()
    for verifier in verifiers:
        with pytest.raises(TokenRevoked):
            verifier.verify(player.access_token)
        with pytest.raises(BadApiKey):
            verifier.verify(key)
    with pytest.raises(BadRefreshToken):
        await desk.accounts.sessions.refresh(Refresh(refresh_token=player.refresh_token), origin=HERE)
    with pytest.raises(AccountSuspended):
        await desk.joins("Ben")
    assert desk.told(UserSuspended) == [UserSuspended(account_id=player.user.id)]


async def test_a_process_that_starts_later_knows_who_is_suspended(desk, open_house):
    admin, player = await desk.joins("Ann", Role.ADMIN), await desk.joins("Ben", Role.ADMIN)
    key = await key_of(desk, player, ("audit.read",))
    await desk.users.service.suspend(player.user.id, "bots", **acting(admin))
    desk.here.clock.advance(timedelta(minutes=14))
    async with open_house(desk.here.database) as later:
        with pytest.raises(TokenRevoked):
            later.accounts.verifier.verify(player.access_token)
        with pytest.raises(BadApiKey):
            later.accounts.verifier.verify(key)


async def test_a_restored_account_signs_in_again_and_its_keys_are_good(desk):
    admin, player = await desk.joins("Ann", Role.ADMIN), await desk.joins("Ben", Role.ADMIN)
    key = await key_of(desk, player, ("audit.read",))
    await desk.users.service.suspend(player.user.id, "bots", **acting(admin))
    assert await desk.users.service.suspend(player.user.id, "again", **acting(admin))
    restored = await desk.users.service.restore(player.user.id, "a mistake", **acting(admin))
    await desk.users.service.restore(player.user.id, "again", **acting(admin))
    assert restored.suspended_at is None
    await desk.heard()
    desk.elsewhere.accounts.verifier.verify((await desk.joins("Ben")).access_token)
    desk.elsewhere.accounts.verifier.verify(key)
    with pytest.raises(TokenRevoked):
        desk.elsewhere.accounts.verifier.verify(player.access_token)
    acts = [action for action, target, _ in await desk.did() if target == str(player.user.id)]
    assert acts == ["accounts.suspend", "accounts.restore"]


async def test_a_new_role_voids_tokens_but_not_sessions_and_ends_keys_that_do_more(desk):
    admin, ben = await desk.joins("Ann", Role.ADMIN), await desk.joins("Ben", Role.ADMIN)
    staffs, players = await key_of(desk, ben, ("audit.read", "game.read")), await key_of(desk, ben, ("game.read",))
    ingest = await key_of(desk, ben, ("telemetry.write",))
    await desk.heard()
    await desk.users.service.set_role(ben.user.id, Role.PLAYER, **acting(admin))
    await desk.heard()
    for house in (desk.here, desk.elsewhere):
        verifier = house.accounts.verifier
        with pytest.raises(TokenRevoked):
            verifier.verify(ben.access_token)
        with pytest.raises(BadApiKey):
            verifier.verify(staffs)
        assert [verifier.verify(key).role for key in (players, ingest)] == ["player", "player"]
    grant = await desk.accounts.sessions.refresh(Refresh(refresh_token=ben.refresh_token), origin=HERE)
    assert desk.accounts.verifier.verify(grant.access_token).scopes == scopes_of(Role.PLAYER)
    acts = [action for action, *_ in await desk.did()]
    assert acts[-2:] == ["accounts.set_role", "accounts.revoke_key"]


async def test_ending_sessions_signs_an_account_out_and_lets_it_in_again(desk):
    admin, ben = await desk.joins("Ann", Role.ADMIN), await desk.joins("Ben")
    await desk.users.service.end_sessions(ben.user.id, **acting(admin))
    await desk.heard()
    with pytest.raises(TokenRevoked):
        desk.elsewhere.accounts.verifier.verify(ben.access_token)
    desk.elsewhere.accounts.verifier.verify((await desk.joins("Ben")).access_token)


MAY = {
    Role.MODERATOR: {Role.PLAYER, Role.ADVERTISER, Role.SPONSOR, Role.GOVERNMENT},
    Role.ADMIN: set(Role),
}


@pytest.mark.parametrize("role", MAY)
def test_staff_handle_those_who_may_do_less_and_no_other_staff_but_by_administrators(role):
    for other in Role:
        judge = partial(
            rules.require_authority, actor_id=UUID(int=1), holds=scopes_of(role), over=UUID(int=2), role=other
        )
        if other in MAY[role]:
            judge()
        else:
            with pytest.raises(BeyondYou):
                judge()


def test_the_developer_key_can_appoint_the_first_administrator():
    rules.require_reach(holds=scopes_of(Role.PLAYER) | DEVELOPER, role=Role.ADMIN)


async def test_nobody_handles_themself_or_gives_a_role_beyond_their_own(desk):
    ann, ben = await desk.joins("Ann", Role.ADMIN), await desk.joins("Ben")
    for act in (
        desk.users.service.suspend(ann.user.id, "me", **acting(ann)),
        desk.users.service.set_role(ann.user.id, Role.PLAYER, **acting(ann)),
        desk.users.service.end_sessions(ann.user.id, **acting(ann)),
    ):
        with pytest.raises(NotYourself):
            await act
    with pytest.raises(BeyondYou):
        await desk.users.service.set_role(ben.user.id, Role.ADMIN, **acting(ann, Role.MODERATOR))
    with pytest.raises(BeyondYou):
        await desk.users.service.suspend(ann.user.id, "coup", **acting(ben, Role.MODERATOR))
    with pytest.raises(NoSuchUser):
        await desk.users.service.suspend(NOBODY, "who", **acting(ann))
    assert await desk.did() == []


async def names_of(desk, query="", holds=ADMIN, **asked):
    found = await desk.users.service.found(query, Asked(**asked), after=None, limit=10, holds=holds)
    return [person.username for person in found]


async def test_accounts_are_found_by_the_beginning_of_their_names_by_id_and_by_role(desk):
    admin, ben = await desk.joins("Ann", Role.ADMIN), await desk.joins("Ben")
    for name in ("Benno", "bENEDIKT", "Čarli"):
        await desk.joins(name)
    assert await names_of(desk, "BEN") == ["Ben", "bENEDIKT", "Benno"]
    assert await names_of(desk, "c") == []
    assert await names_of(desk, "č") == ["Čarli"]
    assert await names_of(desk, "%") == await names_of(desk, "_") == []
    assert await names_of(desk, str(ben.user.id)) == ["Ben"]
    assert await names_of(desk, role=Role.ADMIN) == ["Ann"]
    assert await names_of(desk, "b", role=Role.PLAYER) == ["Ben", "bENEDIKT", "Benno"]
    await desk.users.service.suspend(ben.user.id, "bots", **acting(admin))
    assert await names_of(desk, suspended=True) == ["Ben"]
    assert await names_of(desk, suspended=False) == ["Ann", "bENEDIKT", "Benno", "Čarli"]


async def test_an_e_mail_address_finds_an_account_for_who_manages_users_alone(desk):
    await desk.joins("Ann", Role.ADMIN)
    async with desk.here.database.transaction() as tx:
        await tx.execute("UPDATE accounts.account SET email = 'Ann@example.org', email_folded = 'ann@example.org'")
    assert await names_of(desk, "ANN@example.org") == ["Ann"]
    assert await names_of(desk, "ann@example") == []
    assert await names_of(desk, "ann@example.org", holds=scopes_of(Role.MODERATOR)) == []


async def test_pages_leave_nobody_out(desk):
    admin = await desk.joins("Ann", Role.ADMIN)
    names = {"Ann", *(f"player {number}" for number in range(5))}
    for name in names - {"Ann"}:
        await desk.joins(name)
    seen, cursor = [], None
    async with desk.client(admin) as client:
        while True:
            page = (
                await client.get("/v1/admin/users", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
            ).json()
            seen += [item["username"] for item in page["items"]]
            if (cursor := page["cursor"]) is None:
                break
    assert seen == sorted(names, key=str.lower)


@pytest.mark.parametrize("values", [("a\x00",), (1,), ("a", "b")])
async def test_a_cursor_that_nobody_was_given_is_refused(desk, values):
    admin = await desk.joins("Ann", Role.ADMIN)
    async with desk.client(admin) as client:
        reply = await client.get("/v1/admin/users", params={"cursor": encode_cursor(*values)})
    assert (reply.status_code, reply.json()["code"]) == (400, "http.bad_cursor")


async def test_moderators_see_no_e_mail_and_every_look_is_recorded(desk):
    admin, moderator = await desk.joins("Ann", Role.ADMIN), await desk.joins("Moe", Role.MODERATOR)
    ben = await desk.joins("Ben")
    async with desk.here.database.transaction() as tx:
        await tx.execute(
            "UPDATE accounts.account SET email = 'b@example.org', email_folded = 'b@example.org' WHERE id = $1",
            ben.user.id,
        )
    path = f"/v1/admin/users/{ben.user.id}"
    async with desk.client(admin) as as_admin, desk.client(moderator) as as_moderator, desk.client(ben) as as_player:
        assert (await as_admin.get(path)).json()["email"] == "b@example.org"
        seen = await as_moderator.get(path)
        assert (await as_player.get(path)).status_code == 403
    assert seen.json()["email"] is None
    [session] = seen.json()["sessions"]
    assert (session["way"], session["current"]) == ("device", False)
    looks = [("accounts.look", str(ben.user.id), one.user.id) for one in (admin, moderator)]
    assert await desk.did() == looks


async def test_users_are_handled_over_http(desk):
    admin, ben = await desk.joins("Ann", Role.ADMIN), await desk.joins("Ben")
    path = f"/v1/admin/users/{ben.user.id}"
    async with desk.client(admin) as client:
        suspended = await client.post(f"{path}/suspend", json={"why": "bots"})
        assert (suspended.status_code, suspended.json()["suspended_at"]) == (200, "2026-06-01T12:00:00Z")
        refused = await client.post("/v1/auth/device", json={"device_id": "the-device-of-Ben"})
        assert (refused.status_code, refused.json()["code"]) == (403, "accounts.suspended")
        assert "bots" not in refused.text
        assert (await client.get(path)).json()["suspended_why"] == "bots"
        assert (await client.post(f"{path}/restore", json={"why": "a mistake"})).status_code == 200
        assert (await client.put(f"{path}/role", json={"role": "moderator"})).json()["role"] == "moderator"
        assert (await client.put(f"{path}/role", json={"role": "emperor"})).status_code == 400
        assert (await client.post(f"{path}/logout")).status_code == 204
        for text in ("first", "second"):
            note = await client.post(f"{path}/notes", json={"text": text})
            assert (note.status_code, note.json()["author_id"]) == (201, str(admin.user.id))
        first = (await client.get(f"{path}/notes", params={"limit": 1})).json()
        second = (await client.get(f"{path}/notes", params={"limit": 1, "cursor": first["cursor"]})).json()
        assert [page["items"][0]["text"] for page in (first, second)] == ["second", "first"]
        assert second["cursor"] is None
        for method, end, body in (
            ("GET", "", None),
            ("POST", "/suspend", {"why": "x"}),
            ("GET", "/notes", None),
            ("POST", "/notes", {"text": "x"}),
        ):
            missing = await client.request(method, f"/v1/admin/users/{NOBODY}{end}", json=body)
            assert (missing.status_code, missing.json()["code"]) == (404, "accounts.no_such_user")
    acts = [action for action, *_ in await desk.did()]
    assert acts == [
        f"accounts.{verb}"
        for verb in ("suspend", "look", "restore", "set_role", "end_sessions", "note", "note", "look", "look")
    ]
