"""What staff decide, what players read and say for themselves, and gates that open by themselves."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from overworld.domains.trust.errors import AlreadyAppealed, BadDecision, NoSuchPlayer, NothingToAppeal
from overworld.domains.trust.messages import TrustAppealed, TrustDecided
from overworld.domains.trust.types import Kind
from overworld.domains.trust.words import MEANINGS, REASONS
from overworld.kernel.standing import Gate
from tests.audited import staff
from tests.domains.trust.court import ANN, BEN, JUDGE, mocked, smooth, window


async def test_who_was_never_suspected_reads_that_all_is_well(court):
    mine = await court.trust.mine(ANN)
    assert (mine.gate, mine.meaning, mine.reasons) == (Gate.NORMAL, MEANINGS[Gate.NORMAL], [])
    assert (mine.until, mine.may_appeal, mine.appeal) == (None, False, None)


async def test_a_suspect_reads_why_and_until_when(court):
    await court.convict(minutes=6)
    mine = await court.trust.mine(ANN)
    assert mine.gate is Gate.REFUSED
    assert [reason.text for reason in mine.reasons] == [REASONS[Kind.MOCK_POSITIONS]]
    assert mine.may_appeal
    assert mine.until is not None
    assert timedelta(hours=12) < mine.until - court.clock.now() < timedelta(days=2)


async def test_a_sanction_ends_by_itself_at_the_time_that_was_told(court):
    await court.convict(minutes=6)
    until = (await court.trust.mine(ANN)).until
    gates = [await court.gate()]
    while (at := court.clock.now()) < until:
        court.clock.advance(min(timedelta(minutes=10), until - at))
        await court.trust.recover(rows_max=10)
        gates.append(await court.gate())
    assert list(dict.fromkeys(gates)) == [Gate.REFUSED, Gate.REVIEW, Gate.REDUCED, Gate.NORMAL]
    assert gates[-2] is not Gate.NORMAL, "not before its time"
    told = [(one.gate_before, one.gate) for one in await court.told() if one.gate is not one.gate_before]
    assert told[-1] == (Gate.REDUCED, Gate.NORMAL)
    assert await court.trust.recover(rows_max=10) == 0


async def test_clean_play_gives_trust_back_sooner(court):
    await court.fold([mocked(one, minute) for one in (ANN, BEN) for minute in range(6)])
    await court.fold([window(BEN, minute) for minute in range(10, 90)])
    await court.fold([window(ANN, 90, moving_s=0.0)])
    ann, ben = await court.standing(ANN), await court.standing(BEN)
    assert ann.gate is Gate.REFUSED
    assert ben.gate is Gate.NORMAL
    assert ben.score > ann.score


async def test_cleared_is_normal_at_once_and_the_same_kind_does_not_count_for_the_days_of_grace(court):
    await court.convict()
    assert (await court.decide("clear")).gate is Gate.NORMAL
    await court.fold([mocked(ANN, minute) for minute in range(20, 40)])
    assert (await court.standing()).score == 1
    await court.fold([smooth(ANN, minute) for minute in range(40, 50)])
    assert await court.gate() is not Gate.NORMAL, "another kind counts"
    await court.fold([mocked(ANN, 8 * 1_440 + minute) for minute in range(6)])
    assert Kind.MOCK_POSITIONS in {reason.kind for reason in (await court.trust.mine(ANN)).reasons}


async def test_dismissed_evidence_stays_to_be_read(court):
    await court.convict()
    await court.decide("clear")
    seen, _ = await court.trust.of_player(ANN, staff=staff(JUDGE), before=None, limit=100)
    assert {one.kind for one in seen.evidence} == {Kind.MOCK_POSITIONS}
    assert seen.marks == []
    assert [one.decision for one in seen.decisions] == ["clear"]


async def test_a_set_gate_holds_until_its_day_whatever_is_found(court):
    until = court.clock.now() + timedelta(days=2)
    mine = await court.decide("set", gate=Gate.REVIEW, until=until, note="We have asked for a photograph.")
    assert (mine.gate, mine.until, mine.decided) == (Gate.REVIEW, until, True)
    assert mine.note == "We have asked for a photograph."
    await court.fold([window(ANN, minute) for minute in range(30)])
    assert await court.gate() is Gate.REVIEW
    court.clock.advance(timedelta(days=2))
    assert await court.trust.recover(rows_max=10) == 1
    assert await court.gate() is Gate.NORMAL


async def test_a_set_gate_may_be_kinder_than_the_evidence(court):
    await court.convict()
    await court.decide("set", gate=Gate.NORMAL, until=court.clock.now() + timedelta(hours=1))
    assert await court.gate() is Gate.NORMAL
    court.clock.advance(timedelta(hours=1))
    await court.trust.recover(rows_max=10)
    assert await court.gate() is Gate.REFUSED


async def test_upheld_leaves_all_as_it_is_and_answers_the_appeal(court):
    await court.convict()
    before = await court.standing()
    await court.appeal()
    mine = await court.decide("uphold", note="The places came from an app.")
    assert (await court.standing()).gate is before.gate
    assert (mine.appeal.answer, mine.appeal.answered_at) == ("The places came from an app.", court.clock.now())
    assert mine.may_appeal
    assert [one.decision for one in await court.told(TrustDecided)] == ["uphold"]


async def test_there_is_one_appeal_at_a_time_also_at_the_same_time(court):
    with pytest.raises(NothingToAppeal):
        await court.appeal()
    await court.convict()
    tried = await asyncio.gather(*(court.appeal() for _ in range(8)), return_exceptions=True)
    assert sum(not isinstance(one, Exception) for one in tried) == 1
    assert sum(isinstance(one, AlreadyAppealed) for one in tried) == 7
    assert len(await court.told(TrustAppealed)) == 1
    await court.decide("uphold")
    assert (await court.appeal(text="again")).text == "again"


@pytest.mark.parametrize(
    "body",
    [
        {"decision": "set"},
        {"decision": "set", "gate": Gate.REVIEW},
        {"decision": "clear", "gate": Gate.REVIEW},
        {"decision": "uphold", "until": "later"},
        {"decision": "set", "gate": Gate.REVIEW, "until": "before"},
    ],
)
async def test_a_decision_has_to_fit_its_parts(court, body):
    times = {"later": timedelta(hours=1), "before": -timedelta(hours=1)}
    if "until" in body:
        body = body | {"until": court.clock.now() + times[body["until"]]}
    with pytest.raises(BadDecision):
        await court.decide(**body)
    assert await court.table("decision") == []


async def test_of_nobody_nothing_is_known_or_decided(court):
    nobody = UUID(int=5_000)
    with pytest.raises(NoSuchPlayer):
        await court.decide("clear", nobody)
    with pytest.raises(NoSuchPlayer):
        await court.trust.of_player(nobody, staff=staff(JUDGE), before=None, limit=1)


async def test_what_staff_read_and_decide_stands_in_the_audit_log(court):
    await court.trust.of_player(ANN, staff=staff(JUDGE), before=None, limit=1)
    await court.trust.queue(staff=staff(JUDGE), gate=Gate.REVIEW, appealed=False, after=None, limit=1)
    await court.decide("clear")
    assert court.audit.did == [("trust.read", str(ANN)), ("trust.list", "review"), ("trust.clear", str(ANN))]


async def test_decisions_and_evidence_at_the_same_time_lose_nothing(court):
    """A race: the row's lock puts one after the other, and whoever comes second works on what the first one left."""
    await court.convict()
    for round_ in range(5):
        until = court.clock.now() + timedelta(days=1)
        await asyncio.gather(
            court.fold([mocked(ANN, 20 + round_), smooth(BEN, 20 + round_)]),
            court.decide("set", gate=Gate.REDUCED, until=until),
            court.trust.recover(rows_max=10),
            court.fold([smooth(BEN, 40 + round_), mocked(ANN, 40 + round_)], parts=court.parts),
        )
        assert await court.gate() is Gate.REDUCED
    seen, _ = await court.trust.of_player(ANN, staff=staff(JUDGE), before=None, limit=100)
    [mark] = seen.marks
    assert mark.sightings == 20
    assert seen.earned_gate is Gate.REFUSED


async def test_the_queue_shows_who_waits_longest_first_in_pages_that_leave_nobody_out(court):
    players = [UUID(int=100 + number) for number in range(7)]
    for number, player_id in enumerate(players):
        await court.fold([mocked(player_id, 10 * number + minute) for minute in range(6)])
    shown: list[UUID] = []
    after = None
    while True:
        page = await court.trust.queue(staff=staff(JUDGE), gate=None, appealed=False, after=after, limit=3)
        shown += [row.player_id for row in page]
        if len(page) < 3:
            break
        after = page[-1].since, page[-1].player_id
    assert shown == players
    await court.appeal(players[4])
    [row] = await court.trust.queue(staff=staff(JUDGE), gate=None, appealed=True, after=None, limit=3)
    assert (row.player_id, row.appealed_at) == (players[4], court.clock.now())
    assert await court.trust.queue(staff=staff(JUDGE), gate=Gate.REVIEW, appealed=False, after=None, limit=3) == []
    assert await court.trust.counts() == {Gate.REFUSED: 7}


async def test_evidence_is_shown_in_pages_newest_first(court):
    await court.convict(minutes=6)
    shown, before = [], None
    while True:
        seen, before = await court.trust.of_player(ANN, staff=staff(JUDGE), before=before, limit=4)
        shown += seen.evidence
        if before is None:
            break
    assert len(shown) == 6
    assert [one.at for one in shown] == sorted((one.at for one in shown), reverse=True)


async def test_what_is_old_is_dropped(court):
    await court.fold([mocked(ANN), window(BEN, shingles=(1, 2))])
    court.clock.advance(timedelta(days=31))
    assert await court.trust.forget(rows_max=1) == 1
    assert await court.trust.forget(rows_max=10) == 1
    assert await court.table("shingle") == []
    assert len(await court.table("evidence")) == 1
    court.clock.advance(timedelta(days=60))
    assert await court.trust.forget(rows_max=10) == 1
    assert await court.table("evidence") == []
