"""What players send each other: exact under any batch and race, within the game's limits, once for each key."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from overworld.domains.ledger.errors import OverLimit
from overworld.domains.ledger.types import CurrencyTransferRules, TransferRules
from overworld.kernel.identity import Answer
from overworld.kernel.money import AMOUNT_MINOR_MAX, TransferCode
from overworld.kernel.refusals import Refusal
from overworld.kernel.standing import Gate
from tests.domains.ledger.bank import A, B, C, mint
from tests.domains.ledger.senders import RULES, Senders, command, midnight_after, opened_senders, told

DAY_COUNT = RULES.currencies["ore"].per_day_count


@pytest.fixture
async def senders(open_database, clock, ids):
    async with opened_senders(open_database, clock, ids) as opened:
        yield opened


async def test_a_gift_moves_from_one_wallet_to_the_other_and_both_are_told(senders: Senders):
    await senders.bank.post(mint(A, 5_000))
    answer = await senders.send(A, "bob", "12.5", note="for lunch")
    assert isinstance(answer, Answer)
    sent = answer.value
    assert (sent.to, sent.currency, sent.amount, sent.balance) == (B, "ore", "12.50", "37.50")
    [gift_id] = await senders.bank.ledger.transfer_ids([(A, "key")])
    assert (sent.id, sent.at, answer.replayed) == (gift_id, senders.clock.now(), False)
    assert (await senders.bank.held(A), await senders.bank.held(B)) == (3_750, 1_250)
    [event] = await senders.events()
    assert (event.from_id, event.to_id, event.amount_minor, event.note) == (A, B, 1_250, "for lunch")
    assert (event.transfer_id, event.key) == (sent.id, str(A))


async def test_a_player_is_named_by_id_or_username(senders: Senders):
    await senders.bank.post(mint(A, 1_000))
    assert await senders.send_all([command(A, "bob", "1", key="1"), command(A, str(B), "1", key="2")]) == [
        "9.00",
        "8.00",
    ]
    assert await senders.bank.held(B) == 200


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"currency": "doubloon"}, "ledger.unknown_currency"),
        ({"amount": "0"}, "ledger.bad_amount"),
        ({"amount": "0.00"}, "ledger.bad_amount"),
        ({"amount": "1.001"}, "ledger.bad_amount"),
        ({"amount": "9999999999999999999"}, "ledger.bad_amount"),
        ({"currency": "gem"}, "ledger.not_sendable"),
        ({"to": "nobody"}, "ledger.no_such_player"),
        ({"to": str(UUID(int=99))}, "ledger.no_such_player"),
        ({"to": "ada"}, "ledger.to_oneself"),
        ({"to": str(A)}, "ledger.to_oneself"),
        ({"amount": "100.01"}, "ledger.over_limit"),
        ({"amount": "60"}, "ledger.insufficient"),
    ],
)
async def test_what_cannot_be_sent_is_refused_and_moves_nothing(senders: Senders, given, code):
    await senders.bank.post(mint(A, 5_000), mint(A, 7, currency="gem"))
    asked = {"to": "bob", "amount": "1"} | given
    assert await senders.send(A, asked.pop("to"), asked.pop("amount"), **asked) == code
    assert (await senders.bank.held(A), await senders.bank.held(B), await senders.events()) == (5_000, 0, [])


async def test_who_is_not_trusted_or_too_new_sends_nothing(senders: Senders):
    await senders.bank.post(mint(A, 5_000))
    seasoned = senders.server(replace(RULES, trust_min=0.5, level_min=3))
    codes = []
    for trust, level in ((0.49, 3), (0.5, 2), (0.5, 3)):
        senders.people.trust[A], senders.people.levels[A] = trust, level
        answer = await senders.send(A, "bob", "1", key=f"{trust} {level}", server=seasoned)
        codes.append(answer if isinstance(answer, str) else answer.value.balance)
    assert codes == ["ledger.low_trust", "ledger.level_too_low", "49.00"]


@pytest.mark.parametrize(
    ("gate", "told"),
    [(Gate.REDUCED, "10.00"), (Gate.REVIEW, "ledger.low_trust"), (Gate.REFUSED, "ledger.low_trust")],
)
async def test_who_is_at_review_or_refused_sends_nothing_and_receives_all_the_same(senders: Senders, gate, told):
    await senders.bank.post(mint(A, 1_000), mint(B, 1_000))
    senders.people.gates[A] = gate
    crossing = [command(B, "ada", "1", key="in"), command(A, "bob", "1", key="out")]
    assert await senders.send_all(crossing) == ["9.00", told]


async def test_a_frozen_wallet_neither_sends_nor_receives(senders: Senders):
    await senders.bank.post(mint(A, 500), mint(B, 500))
    await senders.bank.ledger.freeze(B)
    assert await senders.send(A, "bob", "1", key="in") == "ledger.account_frozen"
    assert await senders.send(B, "ada", "1", key="out") == "ledger.account_frozen"
    await senders.bank.ledger.freeze(B, frozen=False)
    assert await senders.send_all([command(B, "ada", "1", key="thawed")]) == ["4.00"]


async def test_a_wallet_that_is_full_takes_no_more(senders: Senders):
    await senders.bank.post(mint(A, 500), mint(B, AMOUNT_MINOR_MAX))
    assert await senders.send(A, "bob", "0.01") == "ledger.wallet_full"


class TestLimits:
    """They count what was sent on a UTC day, refused gifts not."""

    async def test_a_day_has_so_many_gifts(self, senders: Senders):
        await senders.bank.post(mint(A, 5_000))
        batch = [command(A, "bob", "1", key=str(n)) for n in range(DAY_COUNT + 1)]
        assert await senders.send_all(batch) == ["49.00", "48.00", "47.00", "46.00", "ledger.over_limit"]

    async def test_a_day_has_so_much_and_a_smaller_gift_still_fits(self, senders: Senders):
        await senders.bank.post(mint(A, 50_000))
        batch = [command(A, "bob", amount, key=amount) for amount in ("100", "50.01", "50", "0.01")]
        assert await senders.send_all(batch) == ["400.00", "ledger.over_limit", "350.00", "ledger.over_limit"]

    async def test_the_refusal_says_which_limit_and_when_it_ends(self, senders: Senders):
        await senders.bank.post(mint(A, 50_000))
        batch = [command(A, "bob", amount, key=amount) for amount in ("101", "100", "99")]
        outcomes = await senders.first.service.run(batch)
        fields = [one.public_fields() for one in outcomes if isinstance(one, OverLimit)]
        assert fields == [
            {"limit": "per_transfer_max", "max": "100.00", "currency": "ore"},
            {
                "limit": "per_day_max",
                "max": "150.00",
                "currency": "ore",
                "resets_at": midnight_after(senders.clock.now()),
            },
        ]

    async def test_a_new_day_begins_at_midnight(self, senders: Senders):
        await senders.bank.post(mint(A, 50_000))
        assert await senders.send_all([command(A, "bob", "100", key="1")]) == ["400.00"]
        senders.clock.advance(timedelta(hours=11, minutes=59))
        assert await senders.send(A, "bob", "100", key="2") == "ledger.over_limit"
        senders.clock.advance(timedelta(minutes=1))
        assert await senders.send_all([command(A, "bob", "100", key="3")]) == ["300.00"]

    async def test_what_was_refused_does_not_count(self, senders: Senders):
        await senders.bank.post(mint(A, 1_000))
        batch = [command(A, "bob", "11", key=str(n)) for n in range(DAY_COUNT + 2)]
        assert set(await senders.send_all(batch)) == {"ledger.insufficient"}
        assert await senders.send_all([command(A, "bob", "10", key="last")]) == ["0.00"]

    async def test_what_others_gave_does_not_count(self, senders: Senders):
        await senders.bank.post(mint(A, 10_000), mint(B, 10_000))
        batch = [command(one, to, "100", key="x") for one, to in ((A, "bob"), (B, "ada"))]
        assert await senders.send_all(batch) == ["0.00", "100.00"]

    async def test_two_servers_at_once_let_through_what_one_day_allows(self, senders: Senders):
        await senders.bank.post(mint(A, 50_000))
        answers = await asyncio.gather(
            *(
                senders.send(A, to, "20", key=f"{n}", server=server)
                for n, (to, server) in enumerate(
                    [("bob", senders.first), ("cleo", senders.second), ("ada", senders.first)] * 6
                )
            )
        )
        sent = [answer for answer in answers if isinstance(answer, Answer)]
        assert len(sent) == DAY_COUNT
        assert await senders.bank.held(A) == 50_000 - DAY_COUNT * 2_000


class TestKeys:
    """A key names one gift, whatever becomes of the first try and wherever the second one arrives."""

    async def test_the_same_request_again_gets_the_same_answer_on_any_server(self, senders: Senders):
        await senders.bank.post(mint(A, 5_000))
        first = await senders.send(A, "bob", "5", note="hi")
        senders.clock.advance(timedelta(minutes=5))
        again = [await senders.send(A, "bob", "5", note="hi", server=s) for s in (senders.first, senders.second)]
        assert isinstance(first, Answer)
        assert again == [Answer(first.value, replayed=True)] * 2
        assert await senders.bank.held(B) == 500

    async def test_another_request_under_the_key_is_refused(self, senders: Senders):
        await senders.bank.post(mint(A, 5_000))
        assert isinstance(await senders.send(A, "bob", "5"), Answer)
        for changed in (("cleo", "5", None), ("bob", "6", None), ("bob", "5", "a note")):
            assert await senders.send(A, *changed[:2], note=changed[2]) == "http.key_reused"

    async def test_what_was_sent_is_still_answered_when_the_game_no_longer_lets_it_be_sent(self, senders: Senders):
        await senders.bank.post(mint(A, 5_000))
        first = await senders.send(A, "bob", "5")
        strict = senders.server(TransferRules())
        assert isinstance(first, Answer)
        assert await senders.send(A, "bob", "5", server=strict) == Answer(first.value, replayed=True)
        assert await senders.send(A, "bob", "5", key="new", server=strict) == "ledger.not_sendable"

    async def test_a_refusal_is_kept_under_its_key(self, senders: Senders):
        assert await senders.send(A, "bob", "5") == "ledger.insufficient"
        await senders.bank.post(mint(A, 5_000))
        with pytest.raises(Refusal) as refused:
            await senders.second.service.send(command(A, "bob", "5"))
        assert (refused.value.code, refused.value.replayed) == ("ledger.insufficient", True)
        assert isinstance(await senders.send(A, "bob", "5", key="another"), Answer)

    async def test_twins_in_one_batch_are_one_gift(self, senders: Senders):
        await senders.bank.post(mint(A, 5_000))
        batch = [command(A, "bob", "5"), command(A, "bob", "5"), command(A, "bob", "6"), command(A, "bob", "5")]
        outcomes = await senders.first.service.run(batch)
        assert [told(one) for one in outcomes] == ["45.00", "45.00", "http.key_reused", "45.00"]
        assert [one.replayed for one in outcomes] == [False, True, False, True]

    async def test_who_reuses_a_key_says_nothing_about_the_next_who_asks_rightly(self, senders: Senders):
        await senders.bank.post(mint(A, 5_000))
        await senders.send(A, "bob", "5")
        batch = [command(A, "bob", "6"), command(A, "bob", "5")]
        assert await senders.send_all(batch) == ["http.key_reused", "45.00"]

    async def test_keys_of_two_players_have_nothing_to_do_with_each_other(self, senders: Senders):
        await senders.bank.post(mint(A, 500), mint(B, 500))
        assert await senders.send_all([command(A, "bob", "5"), command(B, "ada", "5")]) == ["0.00", "5.00"]

    async def test_a_key_under_which_something_else_moved_is_refused(self, senders: Senders):
        [gift_id] = await senders.bank.ledger.transfer_ids([(A, "key")])
        await senders.bank.post(mint(A, 500, id=gift_id))
        assert await senders.send(A, "bob", "1") == "http.key_reused"

    async def test_twins_at_once_on_two_servers_are_one_gift(self, senders: Senders):
        await senders.bank.post(mint(A, 5_000))
        answers = await asyncio.gather(
            *(senders.send(A, "bob", "5", server=server) for server in (senders.first, senders.second) * 5)
        )
        assert {told(answer) if isinstance(answer, Answer) else answer for answer in answers} == {"45.00"}
        assert [isinstance(one, Answer) and one.replayed for one in answers].count(False) == 1
        assert (await senders.bank.held(B), len(await senders.events())) == (500, 1)

    async def test_refused_twins_at_once_are_one_refusal(self, senders: Senders):
        """Nobody has a wallet whose lock would make them wait for each other."""
        answers = await asyncio.gather(
            *(senders.send(A, "bob", "5", server=server) for server in (senders.first, senders.second) * 5)
        )
        assert set(answers) == {"ledger.insufficient"}


async def test_what_comes_in_can_be_sent_on_in_the_same_batch(senders: Senders):
    await senders.bank.post(mint(A, 1_000))
    batch = [command(C, "ada", "10", key="early"), command(A, "bob", "10"), command(B, "cleo", "10")]
    assert await senders.send_all(batch) == ["ledger.insufficient", "0.00", "0.00"]
    assert await senders.bank.held(C) == 1_000


async def test_what_is_promised_cannot_be_sent(senders: Senders):
    await senders.bank.post(mint(A, 1_000))
    [result] = await senders.bank.post(senders.promise(A, B, 600))
    assert result.status.name == "CREATED"
    assert await senders.send(A, "cleo", "5", key="1") == "ledger.insufficient"
    assert await senders.send_all([command(A, "cleo", "4", key="2")]) == ["6.00"]


@pytest.mark.parametrize("seed", range(4))
async def test_random_gifts_from_two_servers_add_up(senders: Senders, seed):
    """What was answered is what the books and the events hold; nobody passed a limit."""
    chance = random.Random(seed)
    names = {"ada": A, "bob": B, "cleo": C}
    await senders.bank.post(*(mint(one, 10_000) for one in names.values()))
    wide = senders.server(
        TransferRules(currencies={"ore": CurrencyTransferRules(per_transfer_max="40", per_day_max="300")})
    )
    commands = [
        command(names[payer], payee, str(chance.randrange(1, 45)), key=str(chance.randrange(40)))
        for payer, payee in (chance.sample(sorted(names), 2) for _ in range(120))
    ]
    parts = await asyncio.gather(
        *((senders.first, wide)[n % 2].service.run(commands[n * 10 : n * 10 + 10]) for n in range(12))
    )
    outcomes = [outcome for part in parts for outcome in part]
    made = {
        one.value.id: (given.from_id, one.value)
        for given, one in zip(commands, outcomes, strict=True)
        if isinstance(one, Answer)
    }
    expected = Counter(dict.fromkeys(names.values(), 10_000))
    for from_id, sent in made.values():
        minor = int(sent.amount.replace(".", ""))
        expected[from_id] -= minor
        expected[sent.to] += minor
    assert {one: await senders.bank.held(one) for one in names.values()} == dict(expected)
    assert {event.transfer_id for event in await senders.events()} == made.keys()
    assert len(await senders.events()) == len(made)


async def test_history_names_the_other_player_of_a_gift_and_of_nothing_else(senders: Senders):
    await senders.bank.post(replace(mint(A, 1_000), code=TransferCode.MINT))
    senders.clock.advance(timedelta(seconds=1))
    await senders.send(A, "bob", "4", note="thanks")
    [gift, minted] = await senders.bank.ledger.history(A)
    assert (gift.counterparty_id, gift.note, gift.direction) == (B, "thanks", "out")
    assert (minted.counterparty_id, minted.note) == (None, None)
    [received] = await senders.bank.ledger.history(B)
    assert (received.counterparty_id, received.note, received.direction) == (A, "thanks", "in")
