"""The world's doors: verdicts, who is seen, who may look, and what happens at the bounds."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta, timezone
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.world.engine.engine import KERNELS
from overworld.domains.world.errors import BadPosition, OutOfSight, RadiusTooWide, UnknownEntityType
from overworld.domains.world.messages import EntityNearby
from overworld.domains.world.types import InterestRules, WorldSettings
from overworld.geo import cells as geo_cells
from overworld.geo.compiled import compiled_count
from overworld.geo.kernels import degrees_of, unit_xyz
from overworld.geo.sphere import destination_deg, distance_between_m
from overworld.kernel.clock import FIRST_US, LAST_US, from_us
from overworld.kernel.identity import Scope
from overworld.kernel.refusals import Busy
from tests.domains.world.journeys import HOME, Journey

Place = tuple[float, float]
ANN, BOB, EVE = UUID(int=1), UUID(int=2), UUID(int=3)


async def nearby(field, *, viewer=ANN, place: Place = HOME, radius_m=1_000.0, limit=50, **more):
    return await field.world.nearby(
        viewer_id=viewer, scopes=frozenset(), lat_deg=place[0], lng_deg=place[1], radius_m=radius_m, limit=limit, **more
    )


async def test_an_accepted_fix_has_exactly_the_shape_of_the_wire(field):
    verdict = await field.stand(1)
    cell = geo_cells.token(geo_cells.cell_of(*HOME, 15))
    assert msgspec.json.decode(msgspec.json.encode(verdict)) == {"accepted": True, "cell": cell, "triggers": []}


async def test_a_refused_fix_has_exactly_the_shape_of_the_wire(field):
    await field.stand(1)
    field.wait(10)
    verdict = await field.stand(1, mock=True)
    assert msgspec.json.decode(msgspec.json.encode(verdict)) == {
        "accepted": False,
        "reason": "mock",
        "cell": None,
        "triggers": [],
    }


async def test_fixes_of_one_player_in_one_batch_are_judged_in_order(field):
    """The second is a glitch, the third goes on from the first, the fourth repeats its time."""
    at = field.clock.now()
    reports = [
        field.report(0, at=at - timedelta(seconds=60)),
        field.report(5_000, at=at - timedelta(seconds=50)),
        field.report(50, at=at - timedelta(seconds=40)),
        field.report(51, at=at - timedelta(seconds=40)),
    ]
    verdicts = await asyncio.gather(*[field.world.submit(ANN, report) for report in reports])
    assert field.world.tick.passes == 1
    assert [verdict.accepted for verdict in verdicts] == [True, False, True, False]
    assert [verdict.reason for verdict in verdicts[1::2]] == ["teleport", "time_order"]
    fix = field.world.last_fix(ANN)
    assert distance_between_m(fix.lat_deg, fix.lng_deg, *HOME) == pytest.approx(50, abs=0.01)


@pytest.mark.parametrize("place", [(91.0, 0.0), (0.0, 180.5), (math.nan, 0.0), (0.0, -math.inf)])
async def test_what_is_no_place_is_refused_before_it_is_judged(field, place):
    with pytest.raises(BadPosition) as refused:
        field.world.submit(ANN, field.report(place=place))
    assert [error["path"] for error in refused.value.fields["errors"]] == [
        "lat" if not abs(place[0]) <= 90 else "lng",
    ]
    assert field.world.tick.waiting == 0


@pytest.mark.parametrize("own_timeline", [False, True])
@pytest.mark.parametrize(("edge_us", "offset_h"), [(FIRST_US, 14), (LAST_US, -12)])
async def test_a_time_that_its_offset_moves_out_of_all_years_is_refused_and_spoils_no_pass(
    field, edge_us, offset_h, own_timeline
):
    """Events tell the time of a fix; one that no datetime can name would fail everybody's fixes of its pass."""
    at = from_us(edge_us)
    beyond = at.replace(tzinfo=timezone(timedelta(hours=offset_h)))
    with pytest.raises(BadPosition) as refused:
        field.world.submit(ANN, field.report(at=beyond), own_timeline=own_timeline)
    assert [error["path"] for error in refused.value.fields["errors"]] == ["timestamp"]
    edge = await field.world.submit(EVE, field.report(at=at), own_timeline=own_timeline)
    assert edge.accepted == own_timeline
    assert (await field.stand(2)).accepted


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"lat":1}',
        b'{"lat":1,"lng":"2","accuracy_m":null,"timestamp":"2026-11-21T09:00:00Z"}',
        b'{"lat":1,"lng":2,"accuracy_m":null,"timestamp":"2026-11-21T09:00:00"}',
        b'{"lat":1,"lng":2,"accuracy_m":-1,"timestamp":"2026-11-21T09:00:00Z"}',
        b'{"lat":1,"lng":2,"timestamp":"2026-11-21T09:00:00Z"}',
        b'{"lat":1,"lng":2,"accuracy_m":1,"timestamp":"2026-11-21T09:00:00Z","extra":1}',
        b'{"lat":1e999,"lng":2,"accuracy_m":1,"timestamp":"2026-11-21T09:00:00Z"}',
    ],
)
async def test_a_malformed_report_is_a_bad_position_whatever_its_bytes(field, data):
    with pytest.raises(BadPosition):
        field.world.report(ANN, data)


async def test_a_report_that_is_still_json_is_judged(field):
    data = msgspec.json.encode(field.report(accuracy_m=5))
    assert (await field.world.report(ANN, data)).accepted
    assert (await field.world.report(BOB, msgspec.Raw(data))).accepted


async def test_the_last_fix_tells_the_place_and_when_the_server_accepted_it(field):
    assert field.world.last_fix(ANN) is None
    await field.stand(1, at=field.clock.now() - timedelta(seconds=30))
    fix = field.world.last_fix(ANN)
    assert (fix.lat_deg, fix.lng_deg) == pytest.approx(HOME)
    assert fix.at_us == field.clock.now_us()
    columns = await field.world.get([BOB, ANN])
    assert columns.known == [False, True]
    assert columns.at_us[1] == fix.at_us


async def test_the_last_fix_is_kept_five_minutes(field):
    await field.stand(1)
    field.wait(300)
    assert field.world.last_fix(ANN) is not None
    field.wait(1)
    assert field.world.last_fix(ANN) is None


async def test_a_replayed_track_is_accepted_at_the_servers_time(field):
    """Claims compare with the server's clock, so a track of 2010 must not look sixteen years old."""
    at = field.clock.now() - timedelta(days=5_000)
    assert (await field.stand(1, at=at)).reason == "time_stale"
    assert (await field.world.submit(BOB, field.report(at=at), own_timeline=True)).accepted
    assert field.world.last_fix(BOB).at_us == field.clock.now_us()


async def test_a_player_whose_refused_fixes_agree_has_no_fix_to_be_rewarded_for(field):
    await field.stand(1)
    field.wait(5)
    await field.stand(1, 100_000)
    assert field.world.last_fix(ANN) is not None
    field.wait(5)
    await field.stand(1, 100_000)
    assert field.world.last_fix(ANN) is None
    assert (await field.world.get([ANN])).known == [False]
    field.wait(5)
    await field.stand(1, 5)
    assert field.world.last_fix(ANN) is not None


async def test_strangers_are_seen_at_the_centre_of_their_coarse_cell(field):
    await field.stand(1)
    await field.stand(2, 30)
    cell = geo_cells.cell_of(*destination_deg(*HOME, 90.0, 30), 16)
    (seen,) = [who for who in field.world.players_in([geo_cells.parent(cell, 15)]) if who.id == BOB]
    assert (seen.lat, seen.lng) == pytest.approx(geo_cells.centre_deg(cell))
    (entity,) = await nearby(field)
    assert (entity.id, entity.type) == (str(BOB), "player")
    assert (entity.lat, entity.lng) == pytest.approx(geo_cells.centre_deg(cell))
    assert entity.distance_m % 100 == 0


async def test_nothing_that_nearby_answers_depends_on_the_exact_place(field):
    """Moving about inside one coarse cell changes no answer to any question, whatever its place and radius."""
    cell = geo_cells.cell_of(*HOME, 16)
    await field.stand(1)
    answers = []
    for u, v in ((0.01, 0.01), (0.5, 0.5), (0.99, 0.2)):
        field.wait(30)
        assert (await field.stand(2, place=geo_cells.uniform_point_in(cell, u, v))).accepted
        questions = [(destination_deg(*HOME, 40 * k, 60 * k), 140.0 + 70 * k) for k in range(9)]
        answers.append([await nearby(field, place=place, radius_m=radius_m) for place, radius_m in questions])
    assert answers[0] == answers[1] == answers[2]
    assert any(answers[0])


async def test_nobody_sees_himself(field):
    await field.stand(1)
    assert await nearby(field) == []
    assert field.world.players_in([geo_cells.cell_of(*HOME, 15)], viewer_id=ANN) == []
    assert len(field.world.players_in([geo_cells.cell_of(*HOME, 15)])) == 1


async def test_nearby_gives_every_player_once_over_all_pages_nearest_first(field):
    for player in range(1, 60):
        await field.stand(player, 25 * player)
    whole = await nearby(field, radius_m=1_000.0, limit=200)
    assert 30 < len(whole) < 59
    assert [(one.distance_m, one.id) for one in whole] == sorted((one.distance_m, one.id) for one in whole)
    paged: list[EntityNearby] = []
    while page := await nearby(field, limit=3, after=(paged[-1].distance_m, paged[-1].id) if paged else (-1.0, "")):
        assert len(page) == min(3, len(whole) - len(paged))
        paged += page
    assert paged == whole


@pytest.mark.parametrize("home", [(90.0, 0.0), (-89.9999, 10.0), (0.0, 180.0), (-17.0, -180.0), (35.2643896828, 45.0)])
async def test_players_see_each_other_across_poles_date_line_and_cube_corners(field, home: Place):
    around = [destination_deg(*home, bearing, 300.0) for bearing in range(0, 360, 30)]
    for player, place in enumerate(around, start=1):
        await field.stand(player, place=place)
    found = await nearby(field, place=home, radius_m=600.0)
    assert {one.id for one in found} == {str(UUID(int=player)) for player in range(2, 13)}


async def test_a_crowded_cell_shows_no_more_than_its_share(open_field):
    field = open_field(seen_per_cell_max=5)
    await asyncio.gather(*[field.stand(player) for player in range(1, 101)])
    assert len(field.world.players_in([geo_cells.cell_of(*HOME, 15)])) == 5
    assert len(await nearby(field)) <= 5


async def test_players_are_listed_in_a_stable_order(field):
    for player in range(1, 20):
        await field.stand(player)
    before = [seen.id for seen in field.world.players_in([geo_cells.cell_of(*HOME, 15)])]
    field.world.leave(UUID(int=4))
    after = [seen.id for seen in field.world.players_in([geo_cells.cell_of(*HOME, 15)])]
    assert after == [player for player in before if player != UUID(int=4)]


async def test_a_place_beyond_three_kilometres_of_the_last_fix_is_out_of_sight(field):
    await field.stand(1)
    near, far = destination_deg(*HOME, 45, 2_990), destination_deg(*HOME, 45, 3_010)
    await field.world.require_in_sight(ANN, *near, frozenset())
    with pytest.raises(OutOfSight):
        await field.world.require_in_sight(ANN, *far, frozenset())
    await field.world.require_in_sight(ANN, *far, frozenset({Scope.WORLD_READ}))
    with pytest.raises(OutOfSight):
        await nearby(field, place=far)


async def test_who_was_never_seen_sees_nothing(field):
    with pytest.raises(OutOfSight):
        await field.world.require_in_sight(EVE, *HOME, frozenset())
    with pytest.raises(OutOfSight):
        await nearby(field, viewer=EVE)


async def test_questions_out_of_bounds_are_refused_before_sight_is_looked_at(field):
    with pytest.raises(RadiusTooWide):
        await nearby(field, radius_m=5_001.0)
    with pytest.raises(UnknownEntityType):
        await nearby(field, types=frozenset({"dragon"}))


class Places:
    """Another domain's entities: one every hundred metres."""

    type = "place"

    async def nearby(self, *, viewer_id, lat_deg, lng_deg, radius_m, after, limit):
        found = [EntityNearby(id=f"p{k}", type="place", lat=0, lng=0, distance_m=100.0 * k) for k in range(8)]
        return [one for one in found if (one.distance_m, one.id) > after][:limit]


async def test_entities_of_other_domains_stand_among_the_players(open_field):
    field = open_field(sources=[Places()])
    await field.stand(1)
    await field.stand(2, 250)
    assert {one.type for one in await nearby(field)} == {"player", "place"}
    assert {one.type for one in await nearby(field, types=frozenset({"place"}))} == {"place"}
    assert {one.type for one in await nearby(field, types=frozenset({"player"}))} == {"player"}
    first = await nearby(field, limit=3)
    rest = await nearby(field, limit=50, after=(first[-1].distance_m, first[-1].id))
    assert first + rest == await nearby(field)


async def test_a_player_without_a_fix_for_five_minutes_is_seen_no_more(field):
    await field.stand(1)
    field.wait(299)
    await field.stand(2)
    field.wait(2)
    field.world.expire()
    assert field.world.expired == 1
    assert [seen.id for seen in field.world.players_in([geo_cells.cell_of(*HOME, 15)])] == [BOB]


async def test_leaving_hides_a_player_but_does_not_free_it_to_teleport(field):
    await field.stand(1)
    field.world.leave(ANN)
    assert field.world.players_in([geo_cells.cell_of(*HOME, 15)]) == []
    assert field.world.last_fix(ANN) is not None
    field.wait(60)
    assert (await field.stand(1, 500_000)).reason == "teleport"
    assert (await field.stand(1, 10)).accepted
    assert len(field.world.players_in([geo_cells.cell_of(*HOME, 15)])) == 1


async def test_expiry_does_not_free_a_player_to_teleport_and_a_day_does(field):
    await field.stand(1)
    field.wait(600)
    field.world.expire()
    assert (await field.stand(1, 500_000)).reason == "teleport"
    field.wait(86_401)
    field.world.forget()
    assert len(field.world.engine.players) == 0
    assert (await field.stand(1, 9_000_000)).accepted


async def test_a_fix_queued_for_a_forgotten_player_never_moves_the_next_owner_of_its_slot(field):
    await field.stand(1)
    field.wait(600)
    field.world.expire()
    queued = field.world.submit(ANN, field.report(1_000))
    field.world.engine.players.forget(field.world.engine.players.slot(ANN))
    assert field.world.engine.players.admit(BOB, now_us=field.clock.now_us()) == 0
    with pytest.raises(Busy):
        await queued
    assert field.world.last_fix(BOB) is None


async def test_a_full_inbox_is_a_typed_refusal_and_what_was_taken_is_judged(open_field):
    field = open_field(inbox_max=3)
    verdicts = [field.world.submit(UUID(int=k), field.report()) for k in range(1, 4)]
    with pytest.raises(Busy):
        field.world.submit(UUID(int=9), field.report())
    assert all(verdict.accepted for verdict in await asyncio.gather(*verdicts))
    assert field.world.tick.refused_full == 1
    assert (await field.stand(9)).accepted


@pytest.mark.parametrize("most", [1, 100, 1_024, 1_100])
async def test_more_players_than_the_world_takes_are_refused(open_field, most):
    field = open_field(players_max=most)
    await asyncio.gather(*[field.stand(player) for player in range(1, most + 1)])
    with pytest.raises(Busy):
        field.world.submit(UUID(int=2_000), field.report())
    assert (await field.stand(1, 1, at=field.clock.now() + timedelta(seconds=1))).accepted


async def test_players_beyond_the_first_columns_are_found(field):
    await asyncio.gather(*[field.stand(player, player) for player in range(1, 3_001)])
    found = field.world.engine.near(*HOME, 5_000.0, limit=4_000)
    assert len(set(found.id)) > 1_024
    assert field.world.last_fix(UUID(int=3_000)) is not None


async def test_a_caller_that_went_away_changes_nothing_for_the_others(field):
    gone = field.world.submit(ANN, field.report())
    other = field.world.submit(BOB, field.report())
    gone.cancel()
    assert (await other).accepted
    assert field.world.last_fix(ANN) is not None


async def test_a_bug_in_a_pass_reaches_those_who_wait_for_it(field, monkeypatch):
    caught = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: caught.append(context["exception"]))
    bug = ZeroDivisionError("bug")

    def broken(batch):
        raise bug

    monkeypatch.setattr(field.parts.events, "tell", broken)
    with pytest.raises(ZeroDivisionError):
        await field.stand(1)
    assert caught == [bug]
    monkeypatch.undo()
    assert (await field.stand(2)).accepted


@pytest.mark.parametrize(("interest_hz", "parts"), [(1, 400), (10, 40), (20, 20), (60, 7)])
def test_a_part_of_a_publication_has_its_turn_every_two_and_a_half_milliseconds(interest_hz, parts):
    assert WorldSettings(interest_hz=interest_hz).slices == parts
    assert WorldSettings(interest_hz=interest_hz, interest_slices=3).slices == 3


async def test_changed_cells_are_told_when_players_come_move_and_leave(open_field):
    field = open_field(interest_hz=60, interest_slices=1)
    told: asyncio.Queue[list[int]] = asyncio.Queue()
    field.world.on_cells_changed = told.put_nowait
    here, there = (geo_cells.cell_of(*destination_deg(*HOME, 90.0, east_m), 15) for east_m in (0, 2_000))
    await field.stand(1)
    assert await asyncio.wait_for(told.get(), 5) == [here]
    field.wait(120)
    await field.stand(1, 2_000)
    assert sorted(await asyncio.wait_for(told.get(), 5)) == sorted([here, there])
    field.world.leave(ANN)
    assert await asyncio.wait_for(told.get(), 5) == [there]


async def test_a_closed_world_has_judged_what_waited(field):
    verdict = field.world.submit(ANN, field.report())
    field.world.close()
    assert verdict.result().accepted


async def test_no_kernel_compiles_after_the_start(field):
    """A kernel that met a new type would stop everybody for a second."""
    before = compiled_count(KERNELS)
    interest, told = field.world.interest, asyncio.Event()
    interest.on_frames = lambda *frames: told.set()
    watchers = [interest.open() for _ in range(200)]
    for watcher in watchers:
        interest.watch(watcher, field.world.around_cells(*HOME, 300.0, 64))
    field.world.listen(geo_cells.cell_of(*HOME, 15))
    await asyncio.gather(*[field.stand(player, 40 * player) for player in range(1, 2_000)])
    field.wait(10)
    await field.stand(1, 4_000_000, accuracy_m=20, altitude_m=10, speed_m_s=1, heading_deg=3, mock=True)
    await nearby(field, place=(HOME[0], HOME[1]), radius_m=3_000, limit=1)
    field.world.players_in(())
    field.world.players_in([geo_cells.cell_of(-80, -179, 15), 5])
    field.world.leave(ANN)
    field.wait(400)
    await asyncio.wait_for(told.wait(), 5)
    interest.resend(watchers[0])
    interest.close(watchers[1])
    field.world.expire()
    field.world.close()
    assert interest.frames > 0
    assert compiled_count(KERNELS) == before


IDS = [UUID(int=((0x9E37 * k % 65_521) << 112) | k) for k in range(1, 13)]
AFTERS = [(-1.0, ""), (100.0, ""), (200.0, str(IDS[4])), (300.0, "p3"), (400.0, "zz"), (500.0, "8"), (600.0, "-")]
# Never halfway between two tenths of a metre, where the last bit of a distance decides how it is rounded.
AWAY_M = st.integers(-30_000, 30_000).map(lambda tenths: tenths / 10 + 0.02)
MOVES = st.lists(st.tuples(st.integers(0, 11), AWAY_M, st.floats(0, 360)), max_size=60)


@pytest.mark.parametrize("strangers", ["coarse", "exact"])
@given(moves=MOVES, limit=st.integers(1, 7))
def test_after_any_moves_all_pages_of_a_search_are_what_a_look_at_everybody_finds(strangers, moves, limit):
    """Brute force over the places that others may see; at coarse ones many distances are equal where a page ends."""
    interest = InterestRules(strangers=strangers)
    journey = Journey(settings=WorldSettings(fix_kept_s=3_600), interest=interest)
    players = journey.engine.players
    slots = [players.admit(player_id, now_us=1) for player_id in IDS]
    for k, (player, away_m, bearing) in enumerate(moves):
        journey.slot = slots[player]
        journey.fix(100 * k, place=destination_deg(*HOME, bearing, away_m))
    for radius_m in (150.0, 900.0, 4_000.0):
        expected = []
        for slot, player_id in zip(slots, IDS, strict=True):
            if players.at_us[slot]:
                place = float(players.lat_deg[slot]), float(players.lng_deg[slot])
                if strangers == "exact":
                    x, y, z = (np.array(unit_xyz(*place)) * 2**26).round().tolist()
                    place = degrees_of(x, y, z)
                if strangers == "coarse":
                    place = geo_cells.centre_deg(geo_cells.cell_of(*place, 16))
                distance_m = distance_between_m(*place, *HOME)
                if distance_m <= radius_m:
                    rounded_m = round(distance_m, 1) if strangers == "exact" else round(distance_m / 100) * 100.0
                    expected.append((rounded_m, str(player_id)))
        expected.sort()
        for after in AFTERS:
            paged: list[tuple[float, str]] = []
            while page := _page(journey, radius_m, limit=limit, after=paged[-1] if paged else after):
                paged += page
            assert paged == [one for one in expected if one > after]


def _page(journey: Journey, radius_m: float, *, limit: int, after: tuple[float, str]) -> list[tuple[float, str]]:
    near = journey.engine.near(*HOME, radius_m, limit=limit, after=after)
    assert len(near.id) <= limit
    return list(zip(near.distance_m, near.id, strict=True))


def test_a_crowd_at_one_distance_is_paged_by_id_and_leaves_the_viewer_out():
    """Six hundred players stand in one coarse cell, so that every page ends among equals."""
    journey = Journey(settings=WorldSettings(seen_per_cell_max=1_000))
    players, ids = (
        journey.engine.players,
        [UUID(int=0x9E3779B97F4A7C15F39CC0605CEDC834 * k % 2**128) for k in range(600)],
    )
    for player_id in ids:
        journey.slot = players.admit(player_id, now_us=1)
        journey.fix(0)
    viewer, after, paged = players.slot(ids[77]), (-1.0, ""), []
    while (near := journey.engine.near(*HOME, 500.0, limit=50, viewer=viewer, after=after)).id:
        after = near.distance_m[-1], near.id[-1]
        paged += near.id
    assert paged == sorted(str(player_id) for player_id in ids if player_id != ids[77])
