"""Password reset, confirmation and changes of what proves who somebody is, through a real SMTP server."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from overworld.domains.accounts import SCHEMA
from overworld.domains.accounts.messages import SessionRevoked
from overworld.domains.accounts.types import AccountsSettings
from tests.domains.accounts.conftest import CHEAP
from tests.domains.accounts.mail.conftest import ANN, Town, bearer, carrier_to, text_of, token_in
from tests.domains.accounts.test_routes import client_of
from tests.post_office import PostOffice

NEW = "a different horse"


async def forgotten(town: Town, email: str = ANN["email"]) -> str:
    assert (await town.ask.post("/v1/auth/password/forgot", json={"email": email})).status_code == 204
    return await town.token()


async def reset(town: Town, token: str, password: str = NEW):
    return await town.ask.post("/v1/auth/password/reset", json={"token": token, "password": password})


async def confirm(town: Town, token: str):
    return await town.ask.post("/v1/auth/email/confirm", json={"token": token})


def code_of(reply) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


BAD = (400, "accounts.bad_mail_token")


async def test_who_registers_gets_a_mail_that_confirms_the_address(town):
    headers = await town.registered()
    assert (await town.me(headers)).json()["email_verified"] is False
    [mail] = await town.delivered()
    assert (mail["To"], mail["From"], mail["Auto-Submitted"]) == (
        "ann@example.org",
        "Ore <overworld@localhost>",
        "auto-generated",
    )
    assert mail["Subject"] == "Ore: confirm your e-mail address"
    assert ANN["username"] not in text_of(mail)
    assert (await confirm(town, token_in(mail))).status_code == 204
    assert (await town.me(headers)).json()["email_verified"] is True
    assert code_of(await confirm(town, token_in(mail))) == BAD


async def test_a_forgotten_password_is_replaced_once_and_everybody_is_signed_out(town):
    headers = await town.confirmed()
    refresh = (await town.ask.post("/v1/auth/login", json=login())).json()
    token = await forgotten(town)
    assert (await reset(town, token)).status_code == 204
    assert code_of(await reset(town, token, "another horse yet")) == BAD
    assert (await town.me(headers)).json()["code"] == "accounts.token_revoked"
    again = await town.ask.post("/v1/auth/refresh", json={"refresh_token": refresh["refresh_token"]})
    assert again.status_code == 401
    assert not await town.can_log_in(ANN["email"], ANN["password"])
    assert await town.can_log_in(ANN["email"], NEW)
    [told] = await town.delivered()
    assert (told["To"], told["Subject"]) == ("ann@example.org", "Ore: your password was changed")
    [revoked] = town.house.outbox.of(SessionRevoked)
    assert (revoked.session_id, revoked.reason) == (None, "password_reset")


def login() -> dict[str, str]:
    return {"email": ANN["email"], "password": ANN["password"]}


async def test_one_token_used_by_many_at_once_counts_once(town):
    await town.confirmed()
    token = await forgotten(town)
    replies = await asyncio.gather(*(reset(town, token, f"horse number {n}") for n in range(6)))
    assert sorted(reply.status_code for reply in replies) == [204, 400, 400, 400, 400, 400]
    [winner] = [n for n, reply in enumerate(replies) if reply.status_code == 204]
    assert await town.can_log_in(ANN["email"], f"horse number {winner}")


@pytest.mark.parametrize(("life_s", "status"), [(1_799, 204), (1_800, 400)])
async def test_a_token_for_a_new_password_ends_after_half_an_hour(town, life_s, status):
    await town.confirmed()
    token = await forgotten(town)
    town.house.clock.advance(timedelta(seconds=life_s))
    assert (await reset(town, token)).status_code == status


async def test_a_new_password_voids_every_other_token(town):
    headers = await town.confirmed()
    first, second = await forgotten(town), await forgotten(town)
    change = {"email": "thief@example.net", "password": ANN["password"]}
    assert (await town.ask.put("/v1/auth/email", json=change, headers=headers)).status_code == 204
    assert (await reset(town, first)).status_code == 400, "a change of address takes earlier tokens back"
    thief = await town.token()
    third = await forgotten(town)
    assert (await reset(town, third)).status_code == 204
    assert code_of(await reset(town, second)) == BAD
    assert code_of(await confirm(town, thief)) == BAD


async def test_a_token_serves_its_own_purpose_alone(town):
    await town.registered()
    token = await town.token()
    assert code_of(await reset(town, token)) == BAD
    assert (await confirm(town, token)).status_code == 204
    assert code_of(await confirm(town, await forgotten(town))) == BAD


@pytest.mark.parametrize("token", ["x", "A" * 43, "\N{SNOWMAN}", "a" * 255])
async def test_a_token_that_was_never_sent_is_refused(town, token):
    assert code_of(await reset(town, token)) == BAD
    assert code_of(await confirm(town, token)) == BAD


async def test_asking_looks_at_no_account(town):
    """So neither the answer nor the time that it takes can tell whether somebody has an address."""
    await town.confirmed()
    async with town.house.database.read() as tx:
        await tx.execute("ALTER TABLE accounts.account RENAME TO out_of_reach")
        replies = [
            await town.ask.post("/v1/auth/password/forgot", json={"email": email})
            for email in (ANN["email"], "nobody@example.org")
        ]
        await tx.execute("ALTER TABLE accounts.out_of_reach RENAME TO account")
    assert [(reply.status_code, reply.content) for reply in replies] == [(204, b"")] * 2
    assert [set(reply.headers) for reply in replies] == [set(replies[0].headers)] * 2
    assert [mail["To"] for mail in await town.delivered()] == ["ann@example.org"]
    async with town.house.database.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM accounts.mail") == 0


@pytest.mark.parametrize("asked", ["ANN@example.org", "\N{FULLWIDTH LATIN SMALL LETTER A}nn@example.org"])
async def test_a_mail_goes_to_the_address_as_its_account_wrote_it(town, asked):
    """A look-alike that folds to the same address may be somebody else's mailbox."""
    await town.confirmed()
    await town.ask.post("/v1/auth/password/forgot", json={"email": asked})
    [mail] = await town.delivered()
    assert mail["To"] == "ann@example.org"
    assert town.office.recipients[-1] == ["ann@example.org"]


async def test_neither_the_queue_nor_what_is_kept_nor_the_log_holds_a_token(town, caplog):
    await town.confirmed()
    await town.ask.post("/v1/auth/password/forgot", json={"email": ANN["email"]})
    async with town.house.database.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM accounts.mail_token") == 0
    town.office.refusals.append("451 later")
    await town.sender.turn()
    town.house.clock.advance(timedelta(minutes=1))
    token = await town.token()
    async with town.house.database.read() as tx:
        rows = [
            str(dict(row))
            for table in ("mail", "mail_token", "account", "session")
            for row in await tx.fetch(f"SELECT * FROM accounts.{table}")  # noqa: S608
        ]
    assert rows
    for text in (*rows, caplog.text, str(town.house.outbox.events)):
        assert token not in text
        assert NEW not in text
    assert (await reset(town, token)).status_code == 204


async def test_a_password_is_changed_by_who_knows_it_and_one_new_session_remains(town):
    headers = await town.confirmed()
    others = bearer(await town.ask.post("/v1/auth/login", json=login()))
    body = {"current_password": ANN["password"], "password": NEW}
    reply = await town.ask.put("/v1/auth/password", json=body, headers=headers)
    assert (reply.status_code, reply.json()["user"]["username"]) == (200, "Ann")
    for old in (headers, others):
        assert (await town.me(old)).json()["code"] == "accounts.token_revoked"
    assert (await town.me(bearer(reply))).status_code == 200
    assert [mail["Subject"] for mail in await town.delivered()] == ["Ore: your password was changed"]
    assert [await town.can_log_in(ANN["email"], each) for each in (ANN["password"], NEW)] == [False, True]


async def test_a_wrong_current_password_changes_nothing(town):
    headers = await town.confirmed()
    password = {"current_password": "wrong password", "password": NEW}
    replies = [
        await town.ask.put("/v1/auth/password", json=password, headers=headers),
        await town.ask.put("/v1/auth/email", json={"email": "new@example.org", "password": "wrong"}, headers=headers),
        await town.ask.put("/v1/auth/email", json={"email": "new@example.org"}, headers=headers),
    ]
    assert [code_of(reply) for reply in replies] == [(403, "accounts.wrong_password")] * 3
    assert await town.delivered() == []
    assert await town.can_log_in(ANN["email"], ANN["password"])
    assert (await town.me(headers)).status_code == 200


async def test_another_address_counts_when_it_was_read_there(town):
    headers = await town.confirmed()
    change = {"email": "ann@example.net", "password": ANN["password"]}
    assert (await town.ask.put("/v1/auth/email", json=change, headers=headers)).status_code == 204
    assert (await town.me(headers)).json()["email"] == "ann@example.org"
    [mail] = await town.delivered()
    assert mail["To"] == "ann@example.net"
    assert (await confirm(town, token_in(mail))).status_code == 204
    assert (await town.me(headers)).status_code == 401
    [told] = await town.delivered()
    assert (told["To"], told["Subject"]) == ("ann@example.org", "Ore: your e-mail address was changed")
    assert [await town.can_log_in(each, ANN["password"]) for each in (ANN["email"], "ann@example.net")] == [False, True]


async def test_an_address_of_another_account_gets_no_mail_and_nobody_is_told(town):
    await town.confirmed(email="bea@example.org", username="Bea")
    headers = await town.confirmed()
    taken = {"email": "BEA@example.org", "password": ANN["password"]}
    free = taken | {"email": "free@example.org"}
    replies = [await town.ask.put("/v1/auth/email", json=body, headers=headers) for body in (taken, free)]
    assert [(reply.status_code, reply.content) for reply in replies] == [(204, b"")] * 2
    assert [mail["To"] for mail in await town.delivered()] == ["free@example.org"]


async def test_an_address_that_was_taken_meanwhile_is_refused_like_a_bad_token(town):
    headers = await town.confirmed()
    change = {"email": "bea@example.org", "password": ANN["password"]}
    await town.ask.put("/v1/auth/email", json=change, headers=headers)
    token = await town.token()
    await town.registered(email="bea@example.org", username="Bea")
    assert code_of(await confirm(town, token)) == BAD
    assert (await town.me(headers)).json()["email"] == "ann@example.org"


async def test_a_device_account_gets_an_address_and_then_a_password(town):
    device = {"device_id": "device-of-somebody"}
    headers = bearer(await town.ask.post("/v1/auth/device", json=device))
    body = {"current_password": "anything", "password": NEW}
    assert code_of(await town.ask.put("/v1/auth/password", json=body, headers=headers)) == (409, "accounts.no_password")
    assert (await town.ask.put("/v1/auth/email", json={"email": ANN["email"]}, headers=headers)).status_code == 204
    assert (await confirm(town, await town.token())).status_code == 204
    assert (await reset(town, await forgotten(town))).status_code == 204
    assert await town.can_log_in(ANN["email"], NEW)
    assert (await town.ask.post("/v1/auth/device", json=device)).status_code == 200, "a confirmed account keeps it"


async def test_whoever_took_an_address_in_advance_is_out_when_its_owner_sets_a_password(town):
    """Account pre-hijacking: a way in that was added before the owner came must not outlive the reset."""
    headers = await town.registered()
    me = (await town.me(headers)).json()["id"]
    device = {"device_id": "device-of-the-thief"}
    async with town.house.database.transaction() as tx:
        await tx.execute("INSERT INTO accounts.device VALUES (sha256($1), $2, now())", device["device_id"].encode(), me)
    assert (await town.ask.post("/v1/auth/device", json=device)).json()["user"]["id"] == me
    await town.delivered()
    assert (await reset(town, await forgotten(town))).status_code == 204
    assert (await town.ask.post("/v1/auth/device", json=device)).json()["user"]["id"] != me
    assert await town.can_log_in(ANN["email"], NEW)


async def test_another_mail_confirms_too_and_a_confirmed_address_needs_none(town):
    headers = await town.registered()
    first = await town.token()
    assert (await town.ask.post("/v1/auth/email/send", headers=headers)).status_code == 204
    assert (await confirm(town, await town.token())).status_code == 204
    assert (await confirm(town, first)).status_code == 204, "the same address, once more"
    reply = await town.ask.post("/v1/auth/email/send", headers=headers)
    assert code_of(reply) == (409, "accounts.nothing_to_confirm")


@pytest.mark.parametrize("password", ["password1", "PASSWORD123!", "aaaaaaaabbb", "ann@example.org", "qwertyuiop"])
async def test_a_weak_password_is_refused_wherever_one_is_set(town, password):
    weak = (400, "accounts.weak_password")
    assert code_of(await town.ask.post("/v1/auth/register", json=ANN | {"password": password})) == weak
    headers = await town.confirmed()
    token = await forgotten(town)
    assert code_of(await reset(town, token, password)) == weak
    body = {"current_password": ANN["password"], "password": password}
    assert code_of(await town.ask.put("/v1/auth/password", json=body, headers=headers)) == weak
    assert (await reset(town, token)).status_code == 204, "a refused password does not use the token up"


async def limited(open_database, open_house, clock, settings: AccountsSettings, asked: list[str]) -> list[int]:
    async with (
        PostOffice().open() as office,
        open_database(SCHEMA) as database,
        open_house(database, carrier=carrier_to(office, clock), limits_enabled=True, settings=settings) as house,
        client_of(house) as ask,
    ):
        replies = [await ask.post("/v1/auth/password/forgot", json={"email": email}) for email in asked]
    assert all("retry-after" in reply.headers for reply in replies if reply.status_code == 429)
    return [reply.status_code for reply in replies]


async def test_mails_to_one_address_are_bounded_whoever_has_it(open_database, open_house, clock):
    asked = ["nobody@example.org"] * 5 + ["NOBODY@example.org", "else@example.org"]
    assert await limited(open_database, open_house, clock, CHEAP, asked) == [204] * 5 + [429, 204]


async def test_mails_from_one_network_address_are_bounded(open_database, open_house, clock):
    asked = [f"n{n}@example.org" for n in range(22)]
    assert await limited(open_database, open_house, clock, CHEAP, asked) == [204] * 20 + [429] * 2


async def test_guesses_at_the_current_password_lock_like_sign_ins(open_database, open_house, clock):
    async with (
        open_database(SCHEMA) as database,
        open_house(database, limits_enabled=True) as house,
        client_of(house) as ask,
    ):
        headers = bearer(await ask.post("/v1/auth/register", json=ANN))
        body = {"current_password": "wrong password", "password": NEW}
        replies = [await ask.put("/v1/auth/password", json=body, headers=headers) for _ in range(6)]
        assert [reply.status_code for reply in replies] == [403] * 5 + [429]
        assert (await ask.post("/v1/auth/login", json=login())).status_code == 429


async def test_without_anybody_to_carry_mail_none_can_be_asked_for(open_database, open_house):
    async with open_database(SCHEMA) as database, open_house(database) as house, client_of(house) as ask:
        headers = bearer(await ask.post("/v1/auth/register", json=ANN))
        replies = [
            await ask.post("/v1/auth/password/forgot", json={"email": ANN["email"]}),
            await ask.put("/v1/auth/email", json={"email": "a@example.org"}, headers=headers),
            await ask.post("/v1/auth/email/send", headers=headers),
        ]
        assert [code_of(reply) for reply in replies] == [(503, "accounts.mail_unavailable")] * 3
        async with database.read() as tx:
            assert await tx.fetchval("SELECT count(*) FROM accounts.mail") == 0


async def test_a_sign_in_under_way_does_not_outlive_a_new_password(town, monkeypatch):
    """The old password is checked, then a new one is set, then the session would be opened."""
    await town.confirmed()
    token = await forgotten(town)
    passwords = town.house.accounts.sign_in._passwords
    verify = passwords.verify

    async def then_it_is_another(password, kept):
        is_right = await verify(password, kept)
        monkeypatch.undo()
        assert (await reset(town, token)).status_code == 204
        return is_right

    monkeypatch.setattr(passwords, "verify", then_it_is_another)
    assert code_of(await town.ask.post("/v1/auth/login", json=login())) == (401, "accounts.bad_credentials")
    async with town.house.database.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM accounts.session WHERE revoked_at IS NULL") == 0


async def test_a_new_password_waits_for_a_device_that_signs_in_and_ends_its_session(town, monkeypatch):
    headers = await town.registered()
    me = (await town.me(headers)).json()["id"]
    device = {"device_id": "device-of-the-thief"}
    async with town.house.database.transaction() as tx:
        await tx.execute("INSERT INTO accounts.device VALUES (sha256($1), $2, now())", device["device_id"].encode(), me)
    await town.delivered()
    token = await forgotten(town)
    sessions = town.house.accounts.sign_in._sessions
    opened, resetting = sessions.open, []

    async def while_the_reset_waits(tx, account_id, **how):
        monkeypatch.undo()
        resetting.append(asyncio.create_task(reset(town, token)))
        while not await tx.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            continue
        return await opened(tx, account_id, **how)

    monkeypatch.setattr(sessions, "open", while_the_reset_waits)
    assert (await town.ask.post("/v1/auth/device", json=device)).status_code == 200
    assert (await resetting[0]).status_code == 204
    async with town.house.database.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM accounts.session WHERE revoked_at IS NULL") == 0
        assert await tx.fetchval("SELECT count(*) FROM accounts.device") == 0
