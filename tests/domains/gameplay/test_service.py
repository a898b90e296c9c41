"""What players see around them, and how far they have come."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import numpy as np
import pytest

from overworld.domains.gameplay.errors import RadiusTooWide, WalletFull
from overworld.domains.gameplay.types import GameplaySettings, Progress
from overworld.geo import cells, sphere
from overworld.kernel.money import AMOUNT_MINOR_MAX, HOUSE, AccountCode, AccountRef, Transfer, TransferCode
from overworld.kernel.refusals import Busy
from tests.domains.gameplay.field import HOME, SECRET

ANN, BEN = UUID(int=1), UUID(int=2)
HERE = cells.centre_deg(HOME)


async def nearby(server, *, radius_m=300.0, player_id=ANN, here=HERE, limit=10_000):
    return await server.nearby(
        player_id=player_id, scopes=frozenset(), lat_deg=here[0], lng_deg=here[1], radius_m=radius_m, limit=limit
    )


async def test_nearby_is_exactly_what_lies_within_the_radius_nearest_first(field):
    found = await nearby(await field.server())
    spawns = field.all_at()
    columns = (np.array([getattr(spawn, name) for spawn in spawns]) for name in ("lat_deg", "lng_deg"))
    distance_m = dict(zip((spawn.id for spawn in spawns), sphere.distance_m(*HERE, *columns), strict=True))
    assert [item.id for item in found] == sorted(
        (i for i, d in distance_m.items() if d <= 300), key=lambda i: distance_m[i]
    )
    assert all(abs(item.distance_m - distance_m[item.id]) < 0.01 for item in found)


async def test_an_item_says_what_it_is_worth_and_until_when(field):
    """The clock stands at noon, where a half-hour window begins."""
    found = {item.id: item for item in await nearby(await field.server())}
    spawn = next(spawn for spawn in field.shared("gem") if spawn.id in found)
    item = found[spawn.id]
    assert (item.type, item.value, item.currency, item.expires_at) == ("opal", "1.50", "gem", "2026-06-01T12:30:00Z")
    assert sphere.distance_between_m(item.lat, item.lng, spawn.lat_deg, spawn.lng_deg) < 0.02


async def test_a_wide_look_leaves_turns_to_others(field):
    """Some 400 cells that nobody has asked for yet are 20 ms of computing; nobody else may wait that long."""
    server, turns = await field.server(), 0

    async def others():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beside = asyncio.create_task(others())
    try:
        spawned = await server._spawned(cells.cover_cap(*HERE, 3_000, 15, 2_048), at_us=3 * 1_800_000_000)
    finally:
        beside.cancel()
    assert len(spawned) > 1_000
    assert turns >= len(spawned) // 300


async def test_what_is_taken_is_left_out(field):
    """A shared one for everybody, a personal one for its taker only."""
    server = await field.server()
    ids = {item.id for item in await nearby(server)}
    shared = next(spawn for spawn in field.shared() if spawn.id in ids)
    personal = next(spawn for spawn in field.personal() if spawn.id in ids)
    for spawn in (shared, personal):
        await server.collect(field.claim(BEN, spawn))
    assert {item.id for item in await nearby(server, player_id=ANN)} == ids - {shared.id}
    assert {item.id for item in await nearby(server, player_id=BEN)} == ids - {shared.id, personal.id}


async def test_a_short_list_goes_on_past_those_that_are_taken(field):
    """Six of the nearest are gone: more than are asked for at once for a list of three."""
    server = await field.server()
    whole = await nearby(server)
    spawns = {spawn.id: spawn for spawn in field.all_at()}
    for item in whole[:6]:
        await server.collect(field.claim(ANN, spawns[item.id]))
    assert len(whole) > 9
    assert await nearby(server, limit=3) == whole[6:9]


async def test_only_places_within_sight_are_shown(field):
    """The place asked about is what is checked, before anything is computed."""
    server = await field.server()

    class Blind(Exception):
        pass

    async def refuse(player_id, lat_deg, lng_deg, scopes):
        assert (player_id, lat_deg, lng_deg) == (ANN, *HERE)
        raise Blind

    field.sight.require_in_sight = refuse
    with pytest.raises(Blind):
        await nearby(server)


@pytest.mark.parametrize("radius_m", [1000.1, float("inf")])
async def test_a_radius_beyond_the_setting_is_refused(field, radius_m):
    server = await field.server(settings=GameplaySettings(nearby_radius_max_m=1000, spawn_key=SECRET.decode()))
    with pytest.raises(RadiusTooWide) as refused:
        await nearby(server, radius_m=radius_m)
    assert refused.value.public_fields() == {"radius_max_m": 1000}


@pytest.mark.parametrize("here", [(90.0, 0.0), (-90.0, 12.0), (0.0, 180.0), (0.0, -180.0), (35.264389, 45.0)])
async def test_no_place_is_special(field, here):
    """Poles, the date line, a corner of the cube: 3 km around hold about 2,800 collectibles at 8 a cell."""
    found = await nearby(await field.server(), radius_m=3000, here=here)
    assert 1000 < len(found) < 8000
    assert all(0 <= item.distance_m <= 3000 for item in found)


async def test_a_room_of_any_level_shows_what_lies_in_it(field):
    """Rooms of other levels than the spawn cells hold the same collectibles, cut differently."""
    server = await field.server()
    at = field.clock.now()
    whole = await server.collectibles_in([cells.parent(HOME, 13)], player_id=ANN, at=at)
    assert {
        spawn.id for spawn in field.spawns.in_cells([HOME], window=field.spawns.window_at(field.clock.now_us()))
    } < {item.id for item in whole}
    for level in (14, 15, 17):
        rooms = {cells.cell_of(item.lat, item.lng, level) for item in whole}
        parts = await server.collectibles_in(sorted(rooms), player_id=ANN, at=at)
        assert {item.id for item in whole} <= {item.id for item in parts}
        assert len({item.id for item in parts}) == len(parts)


async def test_rooms_leave_out_what_is_taken_and_what_is_over(field):
    server = await field.server()
    spawn = field.shared()[0]
    await server.collect(field.claim(BEN, spawn))
    now = await server.collectibles_in([spawn.cell], player_id=ANN, at=field.clock.now())
    later = await server.collectibles_in([spawn.cell], player_id=ANN, at=field.clock.now() + timedelta(minutes=30))
    assert spawn.id not in {item.id for item in now}
    assert not {item.id for item in now} & {item.id for item in later}


async def test_progress_is_aligned_and_begins_at_level_one(field):
    """One coin of 3 is 30 experience; level 2 begins at 50."""
    server = await field.server()
    for spawn in field.shared()[:2]:
        await server.collect(field.claim(BEN, spawn))
    assert await server.progress([ANN, BEN, ANN]) == [Progress(0, 1), Progress(60, 2), Progress(0, 1)]


async def test_servers_on_one_database_share_the_secret_they_made(field):
    """Without a secret in the settings the first server makes one, and the others find it."""
    one, two = [await field.server(settings=GameplaySettings()) for _ in range(2)]
    mine, theirs = await nearby(one), await nearby(two)
    assert mine == theirs and {item.id for item in mine}.isdisjoint(spawn.id for spawn in field.all_at())


async def test_a_closed_service_takes_no_claims(field):
    server = await field.server()
    await server.close()
    with pytest.raises(Busy):
        await server.collect(field.claim(ANN, field.shared()[0]))


async def test_a_full_wallet_refuses_its_own_claim_only_and_keeps_the_coin_for_others(field):
    """Also when both come in one batch, and again under the same key: nothing was written, so nothing is replayed."""
    server = await field.server()
    coin, other = field.shared()[:2]
    async with field.database.transaction() as tx:
        await field.ledger.post(tx, [_all_there_can_be(ANN, id=field.ids())], at=field.clock.now())
    claims = [field.claim(ANN, coin, "full"), field.claim(BEN, other)]
    for _ in range(2):
        outcomes = await asyncio.gather(*map(server.collect, claims), return_exceptions=True)
        assert isinstance(outcomes[0], WalletFull)
        assert not isinstance(outcomes[1], BaseException)
    assert (await server.collect(field.claim(BEN, coin))).value.balance == "6"


def _all_there_can_be(player_id, *, id):
    return Transfer(
        id=id,
        debit=AccountRef(HOUSE, "coin", AccountCode.ISSUANCE),
        credit=AccountRef(player_id, "coin"),
        amount_minor=AMOUNT_MINOR_MAX,
        code=TransferCode.FUND,
        reference=UUID(int=0),
    )
