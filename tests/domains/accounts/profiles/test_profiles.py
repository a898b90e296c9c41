"""What owners change, what others see, and who is found: over the real edge, on a real database."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import msgspec
import pytest

from overworld.domains.accounts.profiles.messages import UserUpdated

OPEN = {"findable": True, "progress": True, "badges": True, "memberships": True}
SEEN = {"id", "username", "avatar", "level", "experience", "memberships", "badges", "created_at"}


async def test_a_profile_is_replaced_and_reads_back(desk):
    ann = await desk.player("Ann")
    body = {
        "locale": "zh-Hant-TW",
        "settings": {"volume": 0.25, "muted": False, "keys": ["a", None, {"b": 1}]},
        "privacy": OPEN | {"badges": False},
    }
    reply = await ann("PUT", "/v1/users/me", json=body)
    assert reply.status_code == 200
    assert {name: reply.json()[name] for name in body} == body
    again = await ann("GET", "/v1/users/me")
    assert (again.json(), again.headers["etag"]) == (reply.json(), reply.headers["etag"])


async def test_a_new_profile_hides_nothing_and_says_nothing(desk):
    me = await (await desk.player("Ann")).me()
    assert (me["locale"], me["settings"], me["avatar"], me["privacy"]) == (None, {}, None, OPEN)
    assert me["badges"] == ["first_steps", "night_owl"]


async def test_a_change_is_told_by_what_changed_and_never_by_its_values(desk):
    ann = await desk.player("Ann")
    for _ in range(2):
        await ann.change(locale="sl", settings={"secret": "plans"})
    await ann.change(findable=False)
    told = desk.house.outbox.of(UserUpdated)
    assert [event.changed for event in told] == [("locale", "settings"), ("privacy",)]
    assert b"plans" not in msgspec.json.encode(told)


async def test_true_in_the_place_of_1_is_a_change(desk):
    ann = await desk.player("Ann")
    await ann.change(settings={"a": 1})
    assert (await ann.change(settings={"a": True})).json()["settings"] == {"a": True}
    assert (await ann.me())["settings"] == {"a": True}


async def test_a_change_of_what_has_changed_is_refused_and_changes_nothing(desk):
    ann = await desk.player("Ann")
    seen = await ann("GET", "/v1/users/me")
    body = {name: seen.json()[name] for name in ("settings", "privacy")}
    asked = {"json": body | {"locale": "sl"}, "headers": {"if-match": seen.headers["etag"]}}
    first, second = await ann("PUT", "/v1/users/me", **asked), await ann("PUT", "/v1/users/me", **asked)
    assert (first.status_code, second.status_code) == (200, 412)
    assert second.json()["code"] == "http.precondition_failed"
    following = {"json": body | {"locale": "de"}, "headers": {"if-match": first.headers["etag"]}}
    assert (await ann("PUT", "/v1/users/me", **following)).json()["locale"] == "de"


async def test_experience_that_came_meanwhile_does_not_refuse_a_change(desk, monkeypatch):
    """The tag of an account covers all that it shows; a change asks only for the part that it replaces."""
    ann = await desk.player("Ann")
    seen = await ann("GET", "/v1/users/me")
    profiles = desk.house.accounts.profiles
    monkeypatch.setattr(profiles, "_badges", None)
    now = await ann("GET", "/v1/users/me", headers={"if-none-match": seen.headers["etag"]})
    assert now.status_code == 200
    body = {name: seen.json()[name] for name in ("settings", "privacy")} | {"locale": "sl"}
    changed = await ann("PUT", "/v1/users/me", json=body, headers={"if-match": seen.headers["etag"]})
    assert changed.status_code == 200


@pytest.mark.parametrize("wanted", ['"x"', '""', 'W/"x.y"', "x"])
async def test_a_tag_that_was_never_given_matches_nothing(desk, wanted):
    ann = await desk.player("Ann")
    body = {"locale": None, "settings": {}, "privacy": OPEN}
    assert (await ann("PUT", "/v1/users/me", json=body, headers={"if-match": wanted})).status_code == 412


async def test_of_changes_at_once_under_one_tag_one_is_made(desk):
    ann = await desk.player("Ann")
    tag = (await ann("GET", "/v1/users/me")).headers["etag"]
    replies = await asyncio.gather(
        *(
            ann(
                "PUT",
                "/v1/users/me",
                json={"locale": None, "settings": {"turn": i}, "privacy": OPEN},
                headers={"if-match": tag},
            )
            for i in range(4)
        )
    )
    assert sorted(reply.status_code for reply in replies) == [200, 412, 412, 412]


@pytest.mark.parametrize(
    "extra",
    [
        {"role": "admin"},
        {"username": "Somebody"},
        {"email": "a@example.org"},
        {"security_version": 9},
        {"wallet_address": "0x0"},
        {"avatar": "ab" * 16},
        {"did": "did:key:z"},
        {"id": str(uuid4())},
    ],
)
async def test_what_is_not_the_owners_to_change_is_refused(desk, extra):
    """Mass assignment: every field that a row has and a body must not."""
    ann = await desk.player("Ann")
    before = await ann.me()
    reply = await ann("PUT", "/v1/users/me", json={"locale": None, "settings": {}, "privacy": OPEN} | extra)
    assert reply.status_code == 400
    assert await ann.me() == before


@pytest.mark.parametrize("missing", ["locale", "settings", "privacy"])
async def test_nothing_is_reset_by_being_left_out(desk, missing):
    ann = await desk.player("Ann")
    body = {"locale": None, "settings": {}, "privacy": OPEN}
    del body[missing]
    assert (await ann("PUT", "/v1/users/me", json=body)).status_code == 400


@pytest.mark.parametrize("locale", ["", "S", "slovene", "sl-si", "sl_SI", "en-US-x", "sl\n", "../sl", "zh-hant"])
async def test_a_locale_of_another_form_is_refused(desk, locale):
    assert (await (await desk.player("Ann")).change(locale=locale)).status_code == 400


async def test_settings_that_are_too_much_are_refused_with_the_bounds(desk):
    ann = await desk.player("Ann")
    reply = await ann.change(settings={"text": "x" * 9_000})
    assert (reply.status_code, reply.json()["code"]) == (400, "accounts.bad_settings")
    assert (reply.json()["bytes_max"], reply.json()["depth_max"]) == (8_192, 8)


async def test_numbers_at_the_bounds_come_back_as_they_were_sent(desk):
    ann = await desk.player("Ann")
    settings = {"n": [2**53 - 1, -(2**53) + 1, 1e-12, 0.1, -0.30000000000000004, 1.5e15]}
    await ann.change(settings=settings)
    assert (await ann.me())["settings"] == settings


async def test_others_see_no_more_than_is_theirs_to_see(desk):
    ann, ben = await desk.player("Ann"), await desk.player("Ben")
    seen = (await ben("GET", f"/v1/users/{ann.id}")).json()
    assert set(seen) == SEEN
    assert (seen["username"], seen["level"], seen["badges"]) == ("Ann", 3, ["first_steps", "night_owl"])
    for choice, fields in [
        ("progress", ("level", "experience")),
        ("badges", ("badges",)),
        ("memberships", ("memberships",)),
    ]:
        await ann.change(**{choice: False})
        hidden = (await ben("GET", f"/v1/users/{ann.id}")).json()
        assert all(hidden[name] is None for name in fields)
        assert all(hidden[name] == seen[name] for name in SEEN - set(fields))
        await ann.change(**{choice: True})
    assert (await ann.me())["level"] == 3


async def test_a_player_is_not_sent_again_while_the_same(desk):
    ann, ben = await desk.player("Ann"), await desk.player("Ben")
    tag = (await ben("GET", f"/v1/users/{ann.id}")).headers["etag"]
    assert (await ben("GET", f"/v1/users/{ann.id}", headers={"if-none-match": tag})).status_code == 304


async def test_nobody_is_seen_who_does_not_exist_and_nobody_sees_without_a_token(desk):
    ann = await desk.player("Ann")
    missing = await ann("GET", f"/v1/users/{uuid4()}")
    assert (missing.status_code, missing.json()["code"]) == (404, "accounts.no_such_user")
    for path in (f"/v1/users/{ann.id}", "/v1/users/search?q=an"):
        assert (await desk.ask.get(path)).status_code == 401


async def found(player, text, **query):
    reply = await player("GET", "/v1/users/search", params={"q": text} | query)
    assert reply.status_code == 200
    return [one["username"] for one in reply.json()["items"]], reply.json()["cursor"]


async def test_a_search_finds_by_how_a_name_begins_in_any_case_and_width(desk):
    ann = await desk.player("Annabel")
    for name in ("anna", "ANNE", "Hanna", "Strasse", "\N{FULLWIDTH LATIN CAPITAL LETTER A}nno"):
        await desk.player(name)
    assert (await found(ann, "ann"))[0] == ["anna", "Annabel", "ANNE", "Anno"]
    assert (await found(ann, "\N{FULLWIDTH LATIN CAPITAL LETTER A}NNA"))[0] == ["anna", "Annabel"]
    assert (await found(ann, "stra\N{LATIN SMALL LETTER SHARP S}"))[0] == ["Strasse"]
    assert (await found(ann, "nna"))[0] == []


async def test_what_means_something_to_a_database_means_nothing_to_a_search(desk):
    ann = await desk.player("Ann")
    await desk.player("100% sure")
    for text in ("%%", "__", "a%", "a_n", "an\\", "' OR 1=1 --", "an*", "(an"):
        assert (await found(ann, text))[0] == []
    assert (await found(ann, "100%"))[0] == ["100% sure"]


async def test_an_email_address_finds_nobody(desk):
    registered = {"email": "secret@example.org", "username": "Zed", "password": "correct horse"}
    assert (await desk.ask.post("/v1/auth/register", json=registered)).status_code == 201
    ann = await desk.player("Ann")
    for text in ("secret", "secret@example.org"):
        assert (await found(ann, text))[0] == []


async def test_who_does_not_want_to_be_found_is_found_by_nobody(desk):
    ann, ben = await desk.player("Annabel"), await desk.player("Annabeth")
    await ann.change(findable=False)
    for text in ("annab", "annabel"):
        assert "Annabel" not in (await found(ben, text))[0]
    assert "Annabel" not in (await found(ann, "annabel"))[0]
    await ann.change(findable=True)
    assert (await found(ben, "annabel"))[0] == ["Annabel"]


async def test_pages_give_each_once_and_end(desk):
    ann = await desk.player("Annabel")
    for i in range(6):
        await desk.player(f"Annabel {i}")
    names, cursor = await found(ann, "annabel", limit=3)
    while cursor is not None:
        more, cursor = await found(ann, "annabel", limit=3, cursor=cursor)
        names += more
    assert names == ["Annabel", *(f"Annabel {i}" for i in range(6))]


async def test_a_cursor_of_another_list_is_refused(desk):
    ann = await desk.player("Ann")
    for cursor in ("AAAA", "kQA", "x" * 513, "kaEA"):
        reply = await ann("GET", "/v1/users/search", params={"q": "an", "cursor": cursor})
        assert reply.status_code == 400


async def test_a_search_reads_the_index_alone_and_no_more_rows_than_it_gives(desk):
    """Bounded by its plan: no sort, no filter, whatever the number of accounts."""
    from overworld.domains.accounts.profiles import store

    async with desk.house.database.transaction() as tx:
        await tx.execute("SET LOCAL enable_seqscan = off")
        rows = await tx.fetch(f"EXPLAIN {store._SEARCH}", "an", "an\U0010ffff", "", 10)
    plan = "\n".join(row[0] for row in rows)
    assert "using account_findable" in plan
    assert "Index Cond" in plan
    assert "Sort" not in plan
    assert "Filter" not in plan


async def test_a_change_of_an_account_that_is_gone_is_refused(desk):
    ann = await desk.player("Ann")
    async with desk.house.database.transaction() as tx:
        await tx.execute("DELETE FROM accounts.session")
        await tx.execute("DELETE FROM accounts.device")
        await tx.execute("DELETE FROM accounts.account")
    body = {"locale": None, "settings": {}, "privacy": OPEN}
    assert (await ann("PUT", "/v1/users/me", json=body)).json()["code"] == "accounts.token_revoked"
