"""API keys: what they may do, that each process knows them, and that what ends does so everywhere."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from overworld.domains.accounts.apikeys import rules
from overworld.domains.accounts.apikeys import store as keys_store
from overworld.domains.accounts.apikeys.errors import BadApiKey, BadScopes, NoSuchApiKey, TooManyApiKeys
from overworld.domains.accounts.apikeys.messages import ApiKeyBody, ApiKeyChanged
from overworld.domains.accounts.errors import TokenRevoked
from overworld.domains.accounts.rules import scopes_of
from overworld.domains.accounts.types import Role
from overworld.kernel.identity import Scope
from tests.audited import staff
from tests.domains.accounts.conftest import CHEAP
from tests.domains.accounts.desk import opened_desk

READING = ("audit.read", "world.read")


async def made(desk, maker, scopes=READING, **body):
    principal = desk.accounts.verifier.verify(maker.access_token)
    asked = ApiKeyBody(name="our shop", scopes=scopes, **body)
    by = staff(principal.account_id)
    return await desk.api_keys.service.make(asked, maker=principal, holds=principal.scopes, staff=by)


async def test_a_key_acts_as_its_maker_with_its_own_scopes_alone(desk):
    admin = await desk.joins("Ann", Role.ADMIN)
    secret = (await made(desk, admin)).secret
    principal = desk.accounts.verifier.verify(secret)
    assert (principal.account_id, principal.role, principal.sid) == (admin.user.id, "admin", None)
    assert principal.scopes == set(READING)
    async with desk.client(secret) as client:
        assert (await client.get("/v1/admin/audit")).status_code == 200
        assert (await client.get("/v1/users/me")).json()["code"] == "http.forbidden"
        assert (await client.get("/v1/admin/keys")).json()["code"] == "http.forbidden"


async def test_a_key_is_good_in_every_process_that_heard_of_it(desk):
    secret = (await made(desk, await desk.joins("Ann", Role.ADMIN))).secret
    desk.accounts.verifier.verify(secret)
    with pytest.raises(BadApiKey):
        desk.elsewhere.accounts.verifier.verify(secret)
    await desk.heard()
    assert desk.elsewhere.accounts.verifier.verify(secret) == desk.accounts.verifier.verify(secret)


async def test_a_process_that_missed_the_news_reads_the_keys_when_one_shows_up(desk):
    """The loop reads them when a stranger's key was seen, at most every 5 s."""
    secret = (await made(desk, await desk.joins("Ann", Role.ADMIN))).secret
    book = desk.elsewhere.accounts.book
    loop = asyncio.create_task(book.run())
    try:
        async with asyncio.timeout(5):
            while not len(book):
                with pytest.raises(BadApiKey):
                    desk.elsewhere.accounts.verifier.verify(secret)
                await asyncio.sleep(0)
    finally:
        loop.cancel()
    desk.elsewhere.accounts.verifier.verify(secret)
    desk.elsewhere.clock.advance(timedelta(seconds=1))
    book._stale.clear()
    with pytest.raises(BadApiKey):
        book.principal(secret + "x")
    assert not book._stale.is_set()


async def test_a_revoked_key_stops_in_every_process_without_a_look_at_the_database(desk):
    admin = await desk.joins("Ann", Role.ADMIN)
    key = await made(desk, admin)
    await desk.heard()
    await desk.api_keys.service.revoke(key.key.id, staff=staff(admin.user.id))
    with pytest.raises(BadApiKey):
        desk.accounts.verifier.verify(key.secret)
    desk.elsewhere.accounts.verifier.verify(key.secret)
    await desk.elsewhere.accounts.on_events(desk.here.outbox.envelopes[-1:])
    with pytest.raises(BadApiKey):
        desk.elsewhere.accounts.verifier.verify(key.secret)
    with pytest.raises(NoSuchApiKey):
        await desk.api_keys.service.revoke(key.key.id, staff=staff(admin.user.id))


async def test_a_reading_that_began_before_a_revocation_does_not_bring_the_key_back(desk, monkeypatch):
    admin = await desk.joins("Ann", Role.ADMIN)
    key = await made(desk, admin)
    real, reads = keys_store.live, 0

    async def slow(tx, at):
        nonlocal reads
        reads += 1
        found = await real(tx, at)
        if reads == 1:
            await desk.api_keys.service.revoke(key.key.id, staff=staff(admin.user.id))
        return found

    monkeypatch.setattr(keys_store, "live", slow)
    await desk.accounts.book.load()
    assert (reads, len(desk.accounts.book)) == (2, 0)


async def test_a_rotated_key_has_two_secrets_until_the_old_one_ends(desk):
    admin = await desk.joins("Ann", Role.ADMIN)
    principal = desk.accounts.verifier.verify(admin.access_token)
    old = await made(desk, admin)
    desk.here.clock.advance(timedelta(minutes=5))
    turn = {"maker": principal, "holds": principal.scopes, "staff": staff(admin.user.id)}
    new = await desk.api_keys.service.rotate(old.key.id, overlap_s=60, **turn)
    await desk.heard()
    assert (new.key.id, new.key.scopes) == (old.key.id, old.key.scopes)
    assert new.key.ends_at - old.key.ends_at == timedelta(minutes=5)
    for secret in (old.secret, new.secret):
        desk.elsewhere.accounts.verifier.verify(secret)
    desk.here.clock.advance(timedelta(seconds=60))
    with pytest.raises(BadApiKey):
        desk.elsewhere.accounts.verifier.verify(old.secret)
    last = await desk.api_keys.service.rotate(old.key.id, overlap_s=0, **turn)
    await desk.heard()
    for house in (desk.here, desk.elsewhere):
        house.accounts.verifier.verify(last.secret)
        with pytest.raises(BadApiKey):
            house.accounts.verifier.verify(new.secret)


async def test_only_its_owner_rotates_a_key(desk):
    """Else one administrator would get a secret that acts as another one."""
    ann, ben = await desk.joins("Ann", Role.ADMIN), await desk.joins("Ben", Role.ADMIN)
    key = await made(desk, ann)
    principal = desk.accounts.verifier.verify(ben.access_token)
    with pytest.raises(NoSuchApiKey):
        await desk.api_keys.service.rotate(
            key.key.id, overlap_s=0, maker=principal, holds=principal.scopes, staff=staff(ben.user.id)
        )


async def test_a_key_ends_by_itself_and_is_forgotten_later(desk):
    admin = await desk.joins("Ann", Role.ADMIN)
    secret = (await made(desk, admin, life_s=60)).secret
    desk.here.clock.advance(timedelta(seconds=59))
    desk.accounts.verifier.verify(secret)
    desk.here.clock.advance(timedelta(seconds=1))
    with pytest.raises(BadApiKey):
        desk.accounts.verifier.verify(secret)
    assert await desk.api_keys.service.forget(rows_max=10) == 0
    desk.here.clock.advance(timedelta(days=90, seconds=1))
    assert await desk.api_keys.service.forget(rows_max=10) == 1
    assert await desk.api_keys.service.every(before=None, limit=9) == []


async def test_the_last_use_is_written_down(desk):
    key = await made(desk, await desk.joins("Ann", Role.ADMIN))
    assert (await desk.api_keys.service.every(before=None, limit=9))[0].used_at is None
    desk.accounts.verifier.verify(key.secret)
    await desk.accounts.book.note_use()
    [seen] = await desk.api_keys.service.every(before=None, limit=9)
    assert seen.used_at == desk.here.clock.now()


async def test_no_more_keys_are_made_than_there_may_be_also_all_at_once(open_database, open_house):
    async with opened_desk(open_database, open_house, replace(CHEAP, api_keys_max=2)) as desk:
        admin = await desk.joins("Ann", Role.ADMIN)
        results = await asyncio.gather(*(made(desk, admin) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(result, TooManyApiKeys) for result in results) == 3


async def test_who_lost_the_role_meanwhile_makes_no_key(desk):
    admin = await desk.joins("Ann", Role.ADMIN)
    async with desk.here.database.transaction() as tx:
        await tx.execute("UPDATE accounts.account SET role = 'player' WHERE id = $1", admin.user.id)
    with pytest.raises(TokenRevoked):
        await made(desk, admin)


async def test_secrets_are_kept_as_hashes_and_shown_once(desk):
    admin = await desk.joins("Ann", Role.ADMIN)
    key = await made(desk, admin)
    assert key.secret not in repr(key)
    async with desk.here.database.read() as tx:
        rows = await tx.fetch("SELECT api_key::text AS row FROM accounts.api_key")
        audit = await tx.fetch("SELECT audit::text AS row FROM accounts.audit")
    told = [str(envelope.data) for envelope in desk.here.outbox.envelopes]
    assert rows
    assert audit
    assert desk.told(ApiKeyChanged)
    for text in (*(row["row"] for row in (*rows, *audit)), *told):
        assert key.secret[len(key.key.hint) :] not in text
    assert await desk.did() == [("accounts.make_key", str(key.key.id), admin.user.id)]


ADMIN = scopes_of(Role.ADMIN)


@pytest.mark.parametrize("scope", sorted(ADMIN & rules._NEVER | {Scope.WORLD_REPLAY}))
def test_what_stays_with_people_is_given_to_no_key(scope):
    with pytest.raises(BadScopes) as refused:
        rules.granted([scope], holds=ADMIN | {Scope.WORLD_REPLAY})
    assert scope not in refused.value.fields["allowed"]


@pytest.mark.parametrize("scopes", [["world.read"], ["world.read", "account.self"], ["nonsense"], []])
def test_nobody_gives_a_key_what_they_may_not_do(scopes):
    with pytest.raises(BadScopes):
        rules.granted(scopes, holds=scopes_of(Role.PLAYER))


def test_an_ingest_key_writes_telemetry_and_nothing_else():
    assert rules.granted(["telemetry.write"], holds=frozenset()) == ("telemetry.write",)
    with pytest.raises(BadScopes):
        rules.granted(["telemetry.write", "audit.read"], holds=ADMIN | {"telemetry.write"})


async def test_an_ingest_key_opens_no_other_route(desk):
    """Every route that asks for a scope asks for another one."""
    admin = await desk.joins("Ann", Role.ADMIN)
    key = await made(desk, admin, scopes=("telemetry.write",))
    assert (key.secret[:9], key.key.ingest) == ("owingest_", True)
    async with desk.client(key.secret) as client:
        for path in ("/v1/users/me", "/v1/auth/sessions", "/v1/admin/keys", "/v1/admin/users", "/v1/admin/audit"):
            assert (await client.get(path)).json()["code"] == "http.forbidden"


@pytest.mark.parametrize(
    "key", ["owkey_", "owingest_", "owkey_" + "A" * 43, "owkey_\xff", "owkey_" + "x" * 5_000, "owkey_\ud800"]
)
async def test_what_looks_like_a_key_and_is_none_is_refused(desk, key):
    with pytest.raises(BadApiKey):
        desk.accounts.verifier.verify(key)


async def test_keys_are_managed_over_http(desk):
    admin, player = await desk.joins("Ann", Role.ADMIN), await desk.joins("Ben")
    async with desk.client(player) as client:
        assert (await client.post("/v1/admin/keys", json={"name": "x", "scopes": ["game.read"]})).status_code == 403
    async with desk.client(admin) as client:
        made = await client.post("/v1/admin/keys", json={"name": "shop", "scopes": ["game.read"], "life_s": 3_600})
        key = made.json()["key"]
        assert (made.status_code, key["name"], key["hint"]) == (201, "shop", made.json()["secret"][:10])
        listed = await client.get("/v1/admin/keys")
        assert listed.json()["items"] == [key]
        second = (await client.post("/v1/admin/keys", json={"name": "other", "scopes": ["game.read"]})).json()["key"]
        page = (await client.get("/v1/admin/keys", params={"limit": 1})).json()
        following = (await client.get("/v1/admin/keys", params={"limit": 1, "cursor": page["cursor"]})).json()
        assert (page["items"], following) == ([second], {"items": [key], "cursor": None})
        assert made.json()["secret"][10:] not in listed.text
        rotated = await client.post(f"/v1/admin/keys/{key['id']}/rotate")
        assert (rotated.status_code, rotated.json()["key"]["old_ends_at"]) == (200, key["ends_at"])
        assert (await client.delete(f"/v1/admin/keys/{key['id']}")).status_code == 204
        assert (await client.delete(f"/v1/admin/keys/{key['id']}")).json()["code"] == "accounts.no_such_api_key"
        bad = await client.post("/v1/admin/keys", json={"name": "x", "scopes": ["world.replay"]})
        assert (bad.status_code, bad.json()["code"]) == (400, "accounts.bad_scopes")
        assert "telemetry.write" in bad.json()["allowed"]
    actions = [(action, actor) for action, _, actor in await desk.did()]
    assert actions == [(f"accounts.{verb}_key", admin.user.id) for verb in ("make", "make", "rotate", "revoke")]


async def test_verifying_a_key_asks_the_database_nothing(desk):
    key = await made(desk, await desk.joins("Ann", Role.ADMIN))
    await desk.here.database.close()
    assert desk.accounts.verifier.verify(key.secret).scopes == set(READING)
    desk.accounts.book._used_us.clear()
