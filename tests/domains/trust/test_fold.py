"""The fold of facts into standings: exactly once, the same in whatever portions, on whichever server."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from overworld.domains.trust.core import Core
from overworld.domains.trust.types import Claimed, Fact, Kind, PlayerState, SignedIn
from overworld.kernel.clock import from_us, to_us
from overworld.kernel.standing import Gate
from tests.domains.trust.court import ANN, BEN, CAT, MINUTE_US, NOON_US, SCHEMAS, Court, mocked, smooth, window

SHARED = (11, 22, 33, 44, 55)


def a_day() -> list[Fact]:
    """Facts of several players: one honest, one with a stick, one who walks another's track."""
    facts: list[Fact] = []
    for minute in range(12):
        own = tuple(range(1_000 * minute, 1_000 * minute + 5))
        facts += [
            window(ANN, minute, shingles=own),
            smooth(BEN, minute + 0.1),
            window(CAT, minute + 30, shingles=own),
            Claimed(player_id=BEN, at_us=NOON_US + minute * MINUTE_US),
        ]
    return sorted(facts, key=lambda fact: fact.at_us)


async def judged(court: Court) -> tuple[list[Any], list[Any]]:
    """What is kept of players and of evidence, but for ids and what was told of them."""
    async with court.database.read() as tx:
        players = await tx.fetch("SELECT id, score, gate, state FROM trust.player ORDER BY id")
    return [tuple(row) for row in players], sorted((row[1:] for row in await court.table("evidence")), key=repr)


async def test_a_cheat_is_found_and_the_others_are_not(court):
    await court.fold(a_day())
    assert [await court.gate(one) for one in (ANN, BEN, CAT)] == [Gate.NORMAL, Gate.REFUSED, Gate.REFUSED]
    async with court.database.read() as tx:
        found = await tx.fetch("SELECT DISTINCT player_id, kind FROM trust.evidence ORDER BY player_id, kind")
    assert [tuple(row) for row in found] == [
        (BEN, Kind.CLAIM_RHYTHM),
        (BEN, Kind.TOO_SMOOTH),
        (CAT, Kind.SHARED_TRACK),
    ]


async def test_portions_make_no_difference_and_the_core_alone_says_the_same(open_database, clock, ids):
    kept = []
    for portion in (1, 7, 100):
        async with open_database(*SCHEMAS) as database:
            court, facts = Court(database, clock, ids), a_day()
            for start in range(0, len(facts), portion):
                await court.fold(facts[start : start + portion])
            kept.append(await judged(court))
            standings = {one: await court.standing(one) for one in (ANN, BEN, CAT)}
    assert kept[0] == kept[1] == kept[2]
    core = Core()
    for fact in a_day():
        core.take(fact)
    last_us = {one: max(fact.at_us for fact in a_day() if fact.player_id == one) for one in standings}
    assert {one: core.standing(one, at_us=last_us[one]) for one in standings} == standings


def a_farm() -> list[Fact]:
    """Three accounts on one track for so long that their marks are full, and go on to be refreshed."""
    facts: list[Fact] = []
    for minute in range(12):
        ages_s = tuple(5.0 * k for k in range(5))
        own = tuple(range(1_000 * minute, 1_000 * minute + 5))
        facts += [
            window(one, minute + 0.02 * k, shingles=own, shingle_ages_s=ages_s) for k, one in enumerate((ANN, BEN, CAT))
        ]
    return facts


@pytest.mark.parametrize("portion", [1, 2, 5, 100])
async def test_the_leader_of_a_farm_is_judged_alike_wherever_a_portion_ends(court, portion):
    facts, core = a_farm(), Core()
    found = sorted((one.player_id, one.at_us, one.kind, one.weight) for fact in facts for one in core.take(fact))
    for start in range(0, len(facts), portion):
        await court.fold(facts[start : start + portion])
    async with court.database.read() as tx:
        rows = await tx.fetch("SELECT player_id, at, kind, weight FROM trust.evidence")
        states = {row["id"]: row["state"] for row in await tx.fetch("SELECT id, state FROM trust.player")}
    assert sorted((row["player_id"], to_us(row["at"]), row["kind"], row["weight"]) for row in rows) == found
    assert {one: msgspec.msgpack.decode(state, type=PlayerState) for one, state in states.items()} == core.states


async def test_what_is_undone_is_taken_once_when_it_comes_again(court):
    facts = a_day()
    await court.fold(facts[:10])
    with pytest.raises(ZeroDivisionError):
        async with court.database.transaction() as tx:
            await court.parts.folding.apply(tx, [fact for fact in facts[10:] if not isinstance(fact, Claimed)])
            raise ZeroDivisionError
    await court.fold(facts[10:])
    core = Core()
    for fact in facts:
        core.take(fact)
    async with court.database.read() as tx:
        assert await tx.fetchval("SELECT seen FROM trust.model") == core.model.seen
    assert (await court.standing(CAT)).gate is Gate.REFUSED
    assert len(await court.table("shingle")) == 60


async def test_another_server_goes_on_where_the_first_one_stopped(court):
    facts = a_day()
    await court.fold(facts[:20])
    await court.fold(facts[20:], parts=court.server())
    core = Core()
    for fact in facts:
        core.take(fact)
    async with court.database.read() as tx:
        [(seen, state)] = await tx.fetch("SELECT seen, state FROM trust.model")
    assert (seen, state) == (core.model.seen, core.model.saved())


async def test_claims_alone_write_nothing(court):
    await court.fold([Claimed(player_id=ANN, at_us=NOON_US + second * second) for second in range(50)])
    assert await court.table("player") == []
    assert await court.table("model") == []


async def test_many_accounts_in_one_place_speak_but_never_lower_a_gate(court):
    place = b"p" * 16
    players = [UUID(int=100 + number) for number in range(60)]
    await court.fold([SignedIn(player_id=one, at_us=NOON_US, place=place) for one in players])
    await court.fold([SignedIn(player_id=one, at_us=NOON_US + n, place=place) for n in range(9) for one in players])
    standing = await court.standing(players[-1])
    assert standing.gate is Gate.NORMAL
    assert 0.8 < standing.score < 1
    assert len(await court.table("device")) == 60


async def test_a_family_on_one_device_is_nothing(court):
    players = [UUID(int=100 + number) for number in range(7)]
    await court.fold([SignedIn(player_id=one, at_us=NOON_US, place=b"home") for one in players])
    assert await court.table("player") == []


async def test_a_change_of_gate_is_told_once_with_both_gates(court):
    for minute in range(8):
        await court.fold([mocked(ANN, minute)])
    told = await court.told()
    gates = [(one.gate_before, one.gate) for one in told if one.gate is not one.gate_before]
    assert gates == [
        (Gate.NORMAL, Gate.REDUCED),
        (Gate.REDUCED, Gate.REVIEW),
        (Gate.REVIEW, Gate.REFUSED),
    ]


async def test_evidence_is_kept_with_its_figures_and_its_window(court):
    await court.fold([mocked(ANN, 5)])
    async with court.database.read() as tx:
        [row] = await tx.fetch("SELECT kind, at, began_at, weight, reason, figures::text AS f FROM trust.evidence")
    assert (row["kind"], row["weight"]) == ("mock_positions", 0.15)
    assert row["at"] - row["began_at"] == from_us(MINUTE_US) - from_us(0)
    assert "60" in row["reason"]
    assert row["f"] == '{"mock": 60, "fixes": 60}'
