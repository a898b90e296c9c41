"""The queue and its sender: nothing is lost or goes out before its commit; a server that fails is asked again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
from msgspec.structs import replace

from overworld.domains.accounts import SCHEMA
from overworld.domains.accounts.mail import store
from overworld.domains.accounts.mail.types import Kind
from overworld.kernel.mail import Carried
from tests.domains.accounts.conftest import CHEAP
from tests.domains.accounts.mail.conftest import ANN, carrier_to, text_of, token_in
from tests.domains.accounts.test_routes import client_of
from tests.post_office import PostOffice


async def waiting(town) -> int:
    async with town.house.database.read() as tx:
        count: int = await tx.fetchval("SELECT count(*) FROM accounts.mail")
    return count


class Undone(Exception):
    pass


async def test_a_mail_of_a_transaction_that_was_undone_is_not_sent(town):
    mails, database = town.house.accounts.mail.queue, town.house.database
    with suppress(Undone):
        async with database.transaction() as tx:
            at = town.house.clock.now()
            await mails.ask(tx, Kind.RESET_PASSWORD, ANN["email"], account_id=None, address="", at=at)
            raise Undone
    assert (await town.delivered(), await waiting(town)) == ([], 0)


async def test_a_server_that_refuses_for_now_is_asked_again_and_the_last_token_counts(town):
    await town.registered()
    town.office.refusals += ["451 try later", "452 try later"]
    for pause_s in (5, 15):
        assert (await town.delivered(), await waiting(town)) == ([], 1)
        town.house.clock.advance(timedelta(seconds=pause_s - 1))
        assert await town.sender.turn() == 0
        town.house.clock.advance(timedelta(seconds=1))
    reply = await town.ask.post("/v1/auth/email/confirm", json={"token": await town.token()})
    assert (reply.status_code, await waiting(town)) == (204, 0)
    assert (town.sender.sent, town.sender.failed, town.sender.given_up) == (1, 2, 0)


async def test_a_server_that_refuses_for_good_is_not_asked_again(town, caplog):
    await town.registered()
    town.office.refusals.append("550 ann@example.org is unknown here")
    assert (await town.delivered(), await waiting(town)) == ([], 0)
    assert town.sender.given_up == 1
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("overworld"))
    assert "550" in ours
    assert "ann@example.org" not in ours


async def test_one_refused_mail_holds_up_no_other(town):
    await town.registered()
    await town.registered(email="bea@example.org", username="Bea")
    town.office.refusals.append("550 no")
    assert len(await town.delivered()) == 1
    assert await waiting(town) == 0


@pytest.mark.parametrize(("hours", "left"), [(1, 1), (3, 0)])
async def test_a_mail_for_a_new_password_is_given_up_after_two_hours(town, hours, left):
    await town.confirmed()
    await town.ask.post("/v1/auth/password/forgot", json={"email": ANN["email"]})
    town.office.refusals += ["451 later"] * 2
    await town.sender.turn()
    town.house.clock.advance(timedelta(hours=hours))
    await town.sender.turn()
    assert await waiting(town) == left


async def test_a_server_that_cannot_be_reached_costs_no_mail(open_database, open_house, clock):
    office = PostOffice()
    async with office.open():
        pass
    async with (
        open_database(SCHEMA) as database,
        open_house(database, carrier=carrier_to(office, clock)) as house,
        client_of(house) as ask,
    ):
        sender = house.accounts.mail.sender
        assert (await ask.post("/v1/auth/register", json=ANN)).status_code == 201
        assert (await sender.turn(), sender.failed) == (1, 1)
        clock.advance(timedelta(seconds=5))
        async with office.open():
            assert (await sender.turn(), sender.sent) == (1, 1)
    assert [mail["To"] for mail in office.mails] == ["ann@example.org"]


async def test_a_sender_that_dies_after_sending_sends_the_same_mail_again_when_its_lease_is_over(town, monkeypatch):
    await town.registered()

    async def dies(*_: object) -> None:
        raise Undone

    with monkeypatch.context() as patched:
        patched.setattr(town.sender, "_keep", dies)
        with pytest.raises(Undone):
            await town.sender.turn()
    [first] = town.office.mails
    assert await town.sender.turn() == 0, "somebody may still be sending it"
    town.house.clock.advance(timedelta(minutes=5))
    first, second = (await town.delivered())[-2:]
    assert first["Message-ID"] == second["Message-ID"]
    assert token_in(first) != token_in(second)
    reply = await town.ask.post("/v1/auth/email/confirm", json={"token": token_in(first)})
    assert reply.status_code == 204, "whichever of them is read works"


async def test_two_senders_share_the_queue_and_send_each_mail_once(open_database, open_house, clock):
    async with (
        PostOffice().open() as office,
        open_database(SCHEMA) as database,
        open_house(database, carrier=carrier_to(office, clock)) as one,
        open_house(database, carrier=carrier_to(office, clock), seed=12) as two,
        client_of(one) as ask,
    ):
        for n in range(40):
            await ask.post("/v1/auth/register", json=ANN | {"email": f"n{n}@example.org", "username": f"name {n}"})
        senders = [house.accounts.mail.sender for house in (one, two)]
        while sum(await asyncio.gather(*(sender.turn() for sender in senders))):
            pass
        assert sum(sender.sent for sender in senders) == 40
    assert sorted(mail["To"] for mail in office.mails) == sorted(f"n{n}@example.org" for n in range(40))


async def test_what_is_taken_back_while_it_is_being_sent_gets_no_token(town, monkeypatch):
    """Whoever changes the password must not have to fear a mail that is on its way to somebody else."""
    headers = await town.confirmed()
    me = (await town.me(headers)).json()["id"]
    change = {"email": "thief@example.net", "password": ANN["password"]}
    await town.ask.put("/v1/auth/email", json=change, headers=headers)
    owners = store.owners

    async def then_it_is_taken_back(tx, emails):
        async with town.house.database.transaction() as other:
            await store.withdraw(other, me)
        return await owners(tx, emails)

    monkeypatch.setattr(store, "owners", then_it_is_taken_back)
    assert (await town.delivered(), await waiting(town)) == ([], 0)


async def test_too_many_waiting_mails_refuse_the_next_one(open_database, open_house, clock):
    few = replace(CHEAP, mails_waiting_max=2)
    async with (
        PostOffice().open() as office,
        open_database(SCHEMA) as database,
        open_house(database, carrier=carrier_to(office, clock), settings=few) as house,
        client_of(house) as ask,
    ):
        replies = [await ask.post("/v1/auth/password/forgot", json={"email": f"n{n}@example.org"}) for n in range(3)]
        assert [reply.status_code for reply in replies] == [204, 204, 503]
        assert replies[-1].json()["code"] == "platform.busy"
        assert await house.accounts.mail.sender.turn() == 2
        assert (await ask.post("/v1/auth/password/forgot", json={"email": ANN["email"]})).status_code == 204


async def test_the_loop_sends_as_soon_as_a_mail_is_committed(town):
    came = asyncio.Event()

    class Awaited:
        async def carry(self, mails):
            came.set()
            return [Carried(taken=True) for _ in mails]

    town.sender._carrier = Awaited()
    running = asyncio.create_task(town.sender.run())
    try:
        await town.registered()
        await asyncio.wait_for(came.wait(), 10)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert await waiting(town) == 0, "what was under way is kept before the loop ends"


async def test_tokens_that_are_over_are_thrown_away(town):
    await town.registered()
    await town.delivered()
    changes = town.house.accounts.mail.changes
    assert await changes.forget_tokens(rows_max=10) == 0
    town.house.clock.advance(timedelta(days=1, seconds=1))
    assert await changes.forget_tokens(rows_max=10) == 1


async def test_a_mail_says_where_it_was_asked_for_and_how_long_it_works(town):
    await town.confirmed()
    await town.ask.post("/v1/auth/password/forgot", json={"email": ANN["email"]})
    [mail] = await town.delivered()
    text = " ".join(text_of(mail).split())
    assert "203.0.113.9" in text
    assert "works once and for 30 minutes" in text
