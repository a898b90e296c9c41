"""Collectibles that somebody put there: found and claimed like any other, by whoever pays, on every server."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import asdict, replace

from overworld.domains.gameplay.errors import BadPlacement, NotFound, TooManyPlaced
from overworld.domains.gameplay.messages import (
    AsOf,
    ClaimCollectible,
    CollectiblePlaced,
    CollectibleToPlace,
    CollectibleWithdrawn,
    PlaceCollectibles,
)
from overworld.domains.gameplay.placing import IN_CELL_MAX
from overworld.domains.gameplay.types import CollectibleType, GameplaySettings
from overworld.geo import cells
from overworld.kernel.audit import digest_of
from overworld.kernel.clock import rfc3339
from overworld.kernel.money import HOUSE, AccountCode, AccountRef, Transfer, TransferCode, TransferStatus
from overworld.kernel.refusals import Fault, Refusal
from overworld.platform.eventlog.store import read
from overworld.platform.eventlog.types import START
from overworld.platform.postgres.idempotency import KeyReused
from tests.audited import staff
from tests.domains.gameplay.field import CURRENCIES, HOME, RULES, SECRET, CountingDatabase, code_of

ANN, BEN, STAFF, CAMPAIGN = (UUID(int=n) for n in (1, 2, 8, 9))
LAT, LNG = cells.centre_deg(HOME)
HOUR = timedelta(hours=1)
TOPICS = frozenset({CollectiblePlaced.topic, CollectibleWithdrawn.topic})
WITH_TOKENS = replace(RULES, types={**RULES.types, "token": CollectibleType(weight=0, value="7", currency="coin")})


def item(field, **changes):
    said = {"type": "token", "lat": LAT, "lng": LNG, "closes_at": field.clock.now() + HOUR}
    return CollectibleToPlace(**{**said, **changes})


async def place(server, *items, key="k"):
    answer = await server.placing.place(PlaceCollectibles(placed_by=STAFF, staff=staff(STAFF), items=items, key=key))
    return answer.value.items


async def claim(field, server, player_id, collectible_id, *, key=None):
    """The code of a claim by a player who stands at the middle of the cell."""
    field.fixes.at[player_id] = (LAT, LNG, field.clock.now_us())
    command = ClaimCollectible(player_id=player_id, collectible_id=collectible_id, key=key or str(field.ids()))
    try:
        return code_of(await server.service.collect(command))
    except Refusal as refusal:
        return code_of(refusal)


async def news(field):
    """Every placing and withdrawing in the log."""
    async with field.database.read() as tx:
        batches = await read(tx, after=START, topics=TOPICS, batches_max=10_000)
    return [envelope for batch in batches for envelope in batch.events]


async def around(field, server, player_id=ANN):
    found = await server.service.nearby(
        player_id=player_id, scopes=frozenset(), lat_deg=LAT, lng_deg=LNG, radius_m=100.0, limit=1_000
    )
    return {one.id for one in found}


@pytest.fixture
async def server(field):
    return await field.parts(WITH_TOKENS)


async def test_what_is_placed_is_seen_and_claimed_like_what_spawned(field, server):
    """A type of weight 0 never spawns; its value, currency, mode and experience are those of the definition."""
    [told] = await place(server, item(field))
    assert {name: value for name, value in asdict(told).items() if name != "id"} == {
        "type": "token",
        "value": "7",
        "currency": "coin",
        "experience": 70,
        "mode": "shared",
        "lat": LAT,
        "lng": LNG,
        "opens_at": rfc3339(field.clock.now()),
        "expires_at": rfc3339(field.clock.now() + HOUR),
        "payer_id": None,
    }
    assert len(told.id) == 32 and told.id in await around(field, server)
    for room in (HOME, cells.parent(HOME, 13), cells.cell_of(LAT, LNG, 17)):
        seen = await server.service.collectibles_in([room], player_id=ANN, at=field.clock.now())
        assert told.id in {one.id for one in seen}
    assert [await claim(field, server, who, told.id) for who in (ANN, BEN)] == ["ok", "already_collected"]
    assert await field.balance(ANN) == 7
    assert told.id not in await around(field, server, BEN)


async def test_each_placement_may_say_otherwise_than_its_type(field, server):
    """A personal one in another currency goes to each player once, and gives the experience that was asked for."""
    [told] = await place(server, item(field, value="2.5", currency="gem", mode="personal", experience=4))
    assert (told.value, told.currency, told.experience, told.mode) == ("2.50", "gem", 4, "personal")
    for who in (ANN, BEN):
        assert [await claim(field, server, who, told.id) for _ in range(2)] == ["ok", "already_collected"]
        assert await field.balance(who, "gem") == 250
        assert (await server.service.progress([who]))[0].experience == 4


async def test_it_is_open_from_the_first_to_before_the_last_moment(field, server):
    opens_at = field.clock.now() + HOUR
    [told] = await place(server, item(field, opens_at=opens_at, closes_at=opens_at + HOUR, mode="personal"))
    found: list[tuple[bool, str]] = []
    for after in (timedelta(), HOUR - timedelta(microseconds=1), HOUR, 2 * HOUR - timedelta(microseconds=1), 2 * HOUR):
        field.clock.advance(opens_at - HOUR + after - field.clock.now())
        seen = told.id in await around(field, server)
        found.append((seen, await claim(field, server, UUID(int=1000 + len(found)), told.id)))
    assert found == [(False, "not_found")] * 2 + [(True, "ok")] * 2 + [(False, "expired")]


async def test_a_campaign_pays_until_its_budget_is_empty(field, server):
    """20 coins pay two of 7; the third is out of stock until more is paid in."""
    await fund(field, 20)
    [told] = await place(server, item(field, payer_id=CAMPAIGN, mode="personal"))
    codes = [await claim(field, server, UUID(int=100 + n), told.id) for n in range(3)]
    assert codes == ["ok", "ok", "out_of_stock"]
    await fund(field, 1)
    assert await claim(field, server, UUID(int=102), told.id) == "ok"


async def test_a_budget_is_exact_when_many_claim_at_once(field, server):
    await fund(field, 5 * 7)
    [told] = await place(server, item(field, payer_id=CAMPAIGN, mode="personal"))
    players = [UUID(int=100 + n) for n in range(20)]
    codes = await asyncio.gather(*(claim(field, server, player, told.id) for player in players))
    assert sorted(codes) == ["ok"] * 5 + ["out_of_stock"] * 15


async def test_out_of_stock_comes_after_all_other_refusals(field, server):
    """An empty budget behind something that is taken already: taken is what counts."""
    await fund(field, 7)
    [told] = await place(server, item(field, payer_id=CAMPAIGN))
    assert [await claim(field, server, who, told.id) for who in (ANN, BEN)] == ["ok", "already_collected"]


async def fund(field, amount_minor):
    transfer = Transfer(
        id=field.ids(),
        debit=AccountRef(HOUSE, "coin", AccountCode.ISSUANCE),
        credit=AccountRef(CAMPAIGN, "coin", AccountCode.BUDGET),
        amount_minor=amount_minor,
        code=TransferCode.FUND,
        reference=UUID(int=9),
    )
    async with field.database.transaction() as tx:
        [result] = await field.ledger.post(tx, [transfer], at=field.clock.now())
    assert result.status is TransferStatus.CREATED


async def test_other_servers_know_it_when_they_hear_of_it_and_when_they_start(field, server):
    """Before the news comes it is not shown there; a claim for it is looked up."""
    late = await field.parts(WITH_TOKENS)
    told, other = await place(server, item(field), item(field))
    assert told.id not in await around(field, late)
    assert await claim(field, late, BEN, other.id) == "ok"
    await late.on_events(await news(field))
    await late.on_events(await news(field))
    assert told.id in await around(field, late)
    started = await field.parts(WITH_TOKENS)
    await started.placing.load()
    assert [await claim(field, one, ANN, told.id) for one in (started, late)] == ["ok", "already_collected"]


async def test_what_is_withdrawn_is_collected_by_nobody_also_where_the_news_is_late(field, server):
    """The other server still shows it; its claims find out in their transaction."""
    late = await field.parts(WITH_TOKENS)
    [told] = await place(server, item(field, mode="personal"))
    await late.on_events(await news(field))
    assert await claim(field, late, ANN, told.id) == "ok"
    field.clock.advance(timedelta(seconds=1))
    await server.placing.withdraw(told.id, by=STAFF, staff=staff(STAFF))
    assert told.id not in await around(field, server, BEN) and told.id in await around(field, late, BEN)
    assert [await claim(field, one, BEN, told.id) for one in (server, late)] == ["expired", "expired"]
    await late.on_events(await news(field))
    assert told.id not in await around(field, late, BEN)
    assert await field.balance(BEN) == 0


async def test_what_staff_place_and_take_back_stands_in_the_audit_log(field, server):
    told = await place(server, item(field), item(field, mode="personal"), key="once")
    await place(server, item(field), item(field, mode="personal"), key="once")
    for _ in range(2):
        await server.placing.withdraw(told[0].id, by=STAFF, staff=staff(STAFF))
    placed, withdrawn = field.audit.entries[:2], field.audit.entries[2:]
    assert [(entry.action, entry.target, entry.after) for entry in placed] == [
        ("gameplay.place", one.id, digest_of(one)) for one in told
    ]
    assert [(entry.action, entry.target, entry.actor_id) for entry in withdrawn] == [
        ("gameplay.withdraw", told[0].id, STAFF)
    ]


async def test_claims_in_flight_beside_a_withdrawal_are_before_it_or_after(field, server):
    """Whoever is told that it is withdrawn knows that no claim sent from then on is paid, on any server."""
    late = await field.parts(WITH_TOKENS)
    [told] = await place(server, item(field, mode="personal"))
    await late.on_events(await news(field))
    field.clock.advance(timedelta(seconds=1))
    paid_after: list[int] = []

    async def sender(first):
        for n in range(10):
            was_withdrawn = withdrawn.is_set()
            if await claim(field, late, UUID(int=first + n), told.id) == "ok" and was_withdrawn:
                paid_after.append(first + n)

    async def withdraw():
        while await paid(field) == 0:
            pass
        await server.placing.withdraw(told.id, by=STAFF, staff=staff(STAFF))
        withdrawn.set()

    withdrawn = asyncio.Event()
    await asyncio.gather(withdraw(), *(sender(1000 * first) for first in range(1, 20)))
    assert paid_after == [] and withdrawn.is_set()
    assert await claim(field, late, ANN, told.id) == "expired"


async def paid(field):
    return (await field.counts())["ledger.transfer"]


async def test_two_of_a_cell_never_share_a_number(field, server):
    """Drawn twice by chance, it is drawn again; within one request too."""
    drawn = iter([7, 7, 8, 9, 9, 10, 11, 11, 12])
    server.placing._ids = lambda: UUID(int=next(drawn))
    first = await place(server, item(field), key="1")
    second = await place(server, item(field), item(field), key="2")
    third = await place(server, item(field), key="3")
    assert len({told.id for told in (*first, *second, *third)}) == 4 and next(drawn, None) is None


async def test_news_is_not_given_up_while_the_database_is_away(field, server, monkeypatch):
    late = await field.parts(WITH_TOKENS)
    [told] = await place(server, item(field))
    follow, tries = late.placing.follow, 0

    async def away(ids):
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Fault
        await follow(ids)

    monkeypatch.setattr("overworld.domains.gameplay.consumers._AGAIN_S", 0)
    monkeypatch.setattr(late.placing, "follow", away)
    await late.on_events(await news(field))
    assert tries == 3 and told.id in await around(field, late)


async def test_news_in_any_order_ends_the_same(field, server):
    """The news of a placing that comes after that of its withdrawal brings nothing back."""
    late = await field.parts(WITH_TOKENS)
    [told] = await place(server, item(field))
    field.clock.advance(timedelta(seconds=1))
    await server.placing.withdraw(told.id, by=STAFF, staff=staff(STAFF))
    for one in reversed(await news(field)):
        await late.on_events([one])
        assert told.id not in await around(field, late)
    started = await field.parts(WITH_TOKENS)
    await started.placing.load()
    assert told.id not in await around(field, started)


async def test_withdrawing_is_told_once_and_needs_something_that_was_placed(field, server):
    [told] = await place(server, item(field))
    for _ in range(2):
        await server.placing.withdraw(told.id, by=STAFF, staff=staff(STAFF))
    placed, withdrawn = [envelope.decode() for envelope in await news(field)]
    assert placed == CollectiblePlaced(
        collectible_id=told.id,
        type="token",
        currency="coin",
        value_minor=7,
        experience=70,
        mode="shared",
        cell=cells.token(HOME),
        lat_deg=LAT,
        lng_deg=LNG,
        opens_at=field.clock.now(),
        closes_at=field.clock.now() + HOUR,
        payer_id=None,
        placed_by=STAFF,
    )
    assert withdrawn == CollectibleWithdrawn(collectible_id=told.id, cell=cells.token(HOME), withdrawn_by=STAFF)
    forged = told.id[:-1] + ("A" if told.id[-1] != "A" else "B")
    for wrong in (field.shared()[0].id, forged, "x", ""):
        with pytest.raises(NotFound):
            await server.placing.withdraw(wrong, by=STAFF, staff=staff(STAFF))


async def test_a_request_sent_twice_places_once(field, server):
    """Also on another server, and from both at once."""
    other = await field.parts(WITH_TOKENS)
    wanted = (item(field), item(field))
    first, again = await asyncio.gather(place(server, *wanted), place(other, *wanted))
    assert first == again == await place(server, *wanted) and len({told.id for told in first}) == 2
    assert len(await news(field)) == 2
    with pytest.raises(KeyReused):
        await place(server, item(field))


BAD: dict[str, dict[str, Any]] = {
    "type": {"type": "gold"},
    "currency": {"currency": "euro"},
    "value": {"value": "0"},
    "no amount": {"value": "-1"},
    "too precise": {"value": "1.5"},
    "too much": {"value": "9" * 19},
    "closed": {"closes_at": timedelta()},
    "for ever": {"closes_at": timedelta(days=1_828)},
    "closes before it opens": {"opens_at": HOUR, "closes_at": HOUR},
    "long ago": {"opens_at": -timedelta(days=367)},
}


@pytest.mark.parametrize("wrong", list(BAD))
async def test_one_that_makes_no_sense_keeps_the_whole_request_out(field, server, wrong):
    """The refusal says which one, and its key keeps it."""
    changes = {
        name: field.clock.now() + value if isinstance(value, timedelta) else value for name, value in BAD[wrong].items()
    }
    for replayed in (False, True):
        with pytest.raises(BadPlacement) as refused:
            await place(server, item(field), item(field, **changes))
        assert refused.value.public_fields()["item"] == 1
        assert refused.value.public_fields()["field"] in {*changes, "opens_at"}
        assert refused.value.replayed is replayed
    assert await news(field) == []


async def test_there_are_no_more_than_may_be_here_or_all_together(field):
    few = await field.parts(WITH_TOKENS, settings=GameplaySettings(spawn_key=SECRET.decode(), placed_max=2))
    await place(few, item(field), item(field), key="1")
    with pytest.raises(TooManyPlaced) as refused:
        await place(few, item(field), key="2")
    assert refused.value.public_fields() == {"placed_max": 2}
    field.clock.advance(3 * HOUR)
    await place(few, item(field), key="3")
    many = await field.parts(WITH_TOKENS)
    await place(many, *[item(field)] * IN_CELL_MAX, key="4")
    with pytest.raises(TooManyPlaced) as refused:
        await place(many, item(field), key="5")
    assert refused.value.public_fields() == {"placed_max": IN_CELL_MAX, "cell": cells.token(HOME)}
    await place(many, item(field, lat=LAT + 1), key="6")


async def test_a_game_that_changed_its_cells_and_currencies_still_knows_what_was_placed(field, server):
    """Cells of another size lead to it; what is worth something in a currency that is gone is left out."""
    coin, gem = await place(server, item(field), item(field, currency="gem"))
    changed = replace(WITH_TOKENS, cell_level=14, types={"copper": RULES.types["copper"]})
    other = await field.parts(changed, currencies=[one for one in CURRENCIES if one.code == "coin"])
    await other.placing.load()
    assert {coin.id, gem.id} & await around(field, other) == {coin.id}
    assert await claim(field, other, ANN, coin.id) == "ok"


async def test_what_closed_long_ago_is_kept_in_the_database_alone_and_still_over(field, server):
    [told] = await place(server, item(field), key="1")
    field.clock.advance(HOUR + timedelta(minutes=61))
    await place(server, item(field), key="2")
    assert await claim(field, server, BEN, told.id) == "expired"
    assert await claim(field, await field.parts(WITH_TOKENS), BEN, told.id) == "expired"


@pytest.mark.parametrize("is_withdrawn", [False, True])
async def test_a_claim_for_what_closed_long_ago_is_answered_again_as_it_was(field, server, is_withdrawn):
    """Whoever hears nothing for hours asks again under the same key, and was paid then."""
    [told] = await place(server, item(field))
    assert await claim(field, server, ANN, told.id, key="k") == "ok"
    assert await claim(field, server, BEN, told.id, key="k") == "already_collected"
    if is_withdrawn:
        await server.placing.withdraw(told.id, by=STAFF, staff=staff(STAFF))
    field.clock.advance(3 * HOUR)
    await place(server, item(field), key="2")
    started = await field.parts(WITH_TOKENS)
    await started.placing.load()
    for one in (server, started):
        assert await claim(field, one, ANN, told.id, key="k") == "ok*"
        assert await claim(field, one, BEN, told.id, key="k") == "already_collected*"
    assert await field.balance(ANN) == 7


async def test_what_was_taken_without_a_network_may_have_closed_hours_before_it_is_told_of(field, server):
    [told] = await place(server, item(field))
    then = AsOf(lat_deg=LAT, lng_deg=LNG, at_us=field.clock.now_us())
    field.clock.advance(3 * HOUR)
    await place(server, item(field), key="2")
    claimed = ClaimCollectible(player_id=ANN, collectible_id=told.id, key="k", as_of=then)
    assert code_of(await server.service.collect(claimed)) == "ok"
    assert await field.balance(ANN) == 7


async def test_many_are_read_at_the_start(field, server, monkeypatch):
    """Page by page, each once."""
    monkeypatch.setattr("overworld.domains.gameplay.placing._PAGE_ROWS", 3)
    told = await place(server, *[item(field, mode="personal") for _ in range(8)])
    started = await field.parts(WITH_TOKENS)
    await started.placing.load()
    assert {one.id for one in told} <= await around(field, started)


async def test_placing_asks_the_database_five_times_however_many_there_are(field):
    counting = CountingDatabase(field.database)
    server = await field.parts(WITH_TOKENS, database=counting)
    for key, count in (("1", 1), ("2", 100)):
        counting.statements = 0
        await place(server, *[item(field)] * count, key=key)
        assert counting.statements == 5
