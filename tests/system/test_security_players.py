"""What a player may take, see and touch: their own things, within reach and sight, once."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from overworld.app.game import check, found
from overworld.client import Refused
from overworld.domains.gameplay.land import Land
from overworld.domains.gameplay.rules import spawn_table
from overworld.domains.gameplay.spawns import Spawns
from overworld.geo import cells
from overworld.geo.sphere import destination_deg, distance_between_m
from tests.system.target import Intruder, Target, code_of, under_attack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("security: players"),
]

SPAWN_KEY = secrets.token_urlsafe(24)
FIX_AGE_MAX_S = 2
WAIT_S = 15
PASSWORD = "correct horse battery staple"
LJUBLJANA = (46.0511, 14.5051)
TOKYO = (35.6812, 139.7671)
DAY_S = 86_400
DAY_US = DAY_S * 1_000_000

Coin = dict[str, Any]


@pytest.fixture(scope="module")
def game(tmp_path_factory) -> Path:
    """Ore with windows of a day, so that none closes while a test is at it."""
    folder: Path = tmp_path_factory.mktemp("game")
    text, count = re.subn(r"(?m)^window_s = \d+$", f"window_s = {DAY_S}", (found("ore") / "game.toml").read_text())
    assert count == 1
    (folder / "game.toml").write_text(text)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory, game: Path) -> AsyncIterator[Target]:
    chosen = {
        "OVERWORLD_GAMEPLAY__SPAWN_KEY": SPAWN_KEY,
        "OVERWORLD_GAMEPLAY__FIX_AGE_MAX_S": str(FIX_AGE_MAX_S),
    }
    async with under_attack(tmp_path_factory.mktemp("players"), game=str(game), environment=chosen) as target:
        target.learn(SPAWN_KEY)
        yield target


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def coins(target: Target) -> list[Coin]:
    """The coins around Ljubljana, nearest first; each test takes its own away."""
    scout = await target.player()
    await scout.stand(*LJUBLJANA)
    return await scout.around(*LJUBLJANA)


async def at(target: Target, coin: Coin) -> Intruder:
    """Somebody new, who stands where the coin lies: a first fix is believed."""
    intruder = await target.player()
    assert (await intruder.stand(coin["lat"], coin["lng"]))["accepted"]
    return intruder


def drawn(folder: Path, *, key: str) -> Spawns:
    """The collectibles of a server with another secret, or of this one, also of windows to come."""
    game = check(found(str(folder)))
    table = spawn_table(game.collectibles, game.progression, {each.code: each for each in game.currencies})
    return Spawns(key=key.encode(), table=table, cells_cached_max=64, land=Land.bundled())


def one_of(spawns: Spawns, *, ahead_us: int = 0) -> str:
    """The id of a collectible at Ljubljana, in the window open at an instant from now."""
    window = spawns.window_at(time.time_ns() // 1_000 + ahead_us)
    around = [cells.cell_of(*destination_deg(*LJUBLJANA, bearing, 600), 15) for bearing in range(0, 360, 20)]
    return spawns.in_cells(around, window=window)[0].id


class TestCollectibles:
    async def test_what_lies_out_of_reach_stays_there_and_tells_nothing(self, target, coins):
        """Neither how far it is, nor whether somebody has it already."""
        coin, far = coins.pop(), coins[0]
        taker, intruder = await at(target, coin), await at(target, far)
        before = await intruder.collect(coin["id"])
        assert (await taker.collect(coin["id"])).status_code == 200
        after = await intruder.collect(coin["id"])
        assert code_of(before) == code_of(after) == (409, "gameplay.too_far")
        told = set(before.json()) - {"trace_id"}
        assert told == {"type", "title", "status", "code", "retryable", "collectible_id", "reach_m"}
        assert await intruder.held() == 0

    async def test_nobody_collects_without_a_fix(self, target, coins):
        intruder = await target.player()
        assert code_of(await intruder.collect(coins[0]["id"])) == (409, "gameplay.stale_position")

    async def test_an_old_fix_earns_nothing(self, target, coins):
        """Judged by the server's clock, on a coin out of reach so that none is won before the fix is old."""
        intruder = await at(target, coins[-1])
        async with asyncio.timeout(WAIT_S):
            while (refused := code_of(await intruder.collect(coins[0]["id"]))) == (409, "gameplay.too_far"):
                pass
        assert refused == (409, "gameplay.stale_position")

    async def test_a_teleport_to_a_coin_is_refused_and_earns_nothing(self, target, coins):
        near, far = coins[0], coins[-1]
        intruder = await at(target, near)
        assert distance_between_m(near["lat"], near["lng"], far["lat"], far["lng"]) > 500
        for _ in range(3):
            verdict = await intruder.stand(far["lat"], far["lng"])
            assert (verdict["accepted"], verdict["reason"]) == (False, "teleport")
            assert code_of(await intruder.collect(far["id"]))[1] in {"gameplay.too_far", "gameplay.stale_position"}
        assert await intruder.held() == 0

    async def test_a_fix_said_to_be_mocked_or_vague_earns_nothing(self, target, coins):
        for more, reason in (({"mock": True}, "mock"), ({"accuracy_m": 5_000}, "inaccurate")):
            intruder = await target.player()
            verdict = await intruder.stand(coins[0]["lat"], coins[0]["lng"], **more)
            assert verdict["reason"] == reason
            assert code_of(await intruder.collect(coins[0]["id"])) == (409, "gameplay.stale_position")

    async def test_forged_ids_are_not_found_wherever_the_forger_stands(self, target, coins, game):
        coin = coins[0]
        intruder = await at(target, coin)
        real: str = coin["id"]
        turned = [real[:i] + ("A" if real[i] != "A" else "B") + real[i + 1 :] for i in range(len(real))]
        cut = [real[:-1], real[1:], real[:16], real + "A", real + "=", real * 2, "A" * 64]
        elsewhere = drawn(game, key="another server")
        other = [one_of(elsewhere), one_of(elsewhere, ahead_us=DAY_US)]
        odd = [real.swapcase(), real + "%20", "-" * 32, "_" * 32, "0" * 32, str(uuid4())]
        for forged in turned + cut + other + odd:
            assert code_of(await intruder.collect(forged)) == (404, "gameplay.not_found"), forged
        assert code_of(await intruder.collect("A" * 65)) == (400, "http.bad_request")

    async def test_what_is_yet_to_come_is_not_there_and_what_is_over_is_gone(self, target, coins, game):
        """Ids of other windows, as this very server would make them."""
        intruder = await at(target, coins[0])
        spawns = drawn(game, key=SPAWN_KEY)
        assert code_of(await intruder.collect(one_of(spawns, ahead_us=DAY_US))) == (404, "gameplay.not_found")
        assert code_of(await intruder.collect(one_of(spawns, ahead_us=-DAY_US))) == (410, "gameplay.expired")

    async def test_one_key_sent_twenty_times_at_once_has_one_effect(self, target, coins):
        coin = coins.pop()
        intruder = await at(target, coin)
        replies = await asyncio.gather(*(intruder.collect(coin["id"], key="once") for _ in range(20)))
        assert {reply.status_code for reply in replies} == {200}
        assert len({reply.text for reply in replies}) == 1
        assert sum("Idempotency-Replayed" in reply.headers for reply in replies) == 19
        assert await intruder.held() == int(coin["value"])

    async def test_the_same_key_is_each_players_own(self, target, coins):
        first, second = coins.pop(), coins.pop()
        one, other = await at(target, first), await at(target, second)
        won = [await one.collect(first["id"], key="mine"), await other.collect(second["id"], key="mine")]
        assert [reply.status_code for reply in won] == [200, 200], [reply.text for reply in won]
        assert [reply.json()["collectible_id"] for reply in won] == [first["id"], second["id"]]
        assert all("Idempotency-Replayed" not in reply.headers for reply in won)

    async def test_a_key_is_one_key_over_http_and_the_socket(self, target, coins):
        coin = coins.pop()
        intruder = await at(target, coin)
        first = await intruder.collect(coin["id"], key="both")
        async with await target.socket(intruder.token) as socket:
            again = await socket.collect(coin["id"], request_id="both")
            with pytest.raises(Refused) as refused:
                await socket.collect(coins[0]["id"], request_id="both")
        assert (first.status_code, again.replayed, again.value.collectible_id) == (200, True, coin["id"])
        assert refused.value.code == "http.key_reused"
        assert code_of(await intruder.collect(coins[0]["id"], key="both")) == (422, "http.key_reused")
        assert await intruder.held() == int(coin["value"])


NORTH_POLE, SOUTH_POLE = (89.999, 0.0), (-90.0, 77.0)
DATE_LINE = (0.0, 179.995)
SIGHTS: dict[str, tuple[tuple[float, float], tuple[float, float], bool]] = {
    "near": (LJUBLJANA, destination_deg(*LJUBLJANA, 45, 2_990), True),
    "far": (LJUBLJANA, destination_deg(*LJUBLJANA, 45, 3_010), False),
    "very far": (LJUBLJANA, TOKYO, False),
    "across the pole": (NORTH_POLE, (89.999, 180.0), True),
    "at the pole, whatever its longitude": (NORTH_POLE, (90.0, -123.0), True),
    "beyond the pole": (NORTH_POLE, (89.95, 180.0), False),
    "other side of the south pole": (SOUTH_POLE, (-89.99, -103.0), True),
    "other pole": (NORTH_POLE, SOUTH_POLE, False),
    "across the date line": (DATE_LINE, (0.0, -179.995), True),
    "beyond the date line": (DATE_LINE, (0.0, -179.95), False),
    "same line by its other name": ((0.0, 180.0), (0.0, -180.0), True),
}


class TestSight:
    @pytest.mark.parametrize(("stands", "looks", "sees"), SIGHTS.values(), ids=list(SIGHTS))
    async def test_nobody_looks_beyond_three_kilometres(self, target, stands, looks, sees):
        """By nearby over HTTP and by subscribing; a cell counts by its centre."""
        intruder = await target.player()
        await intruder.stand(*stands)
        for path in ("/v1/game/coins/nearby", "/v1/location/nearby"):
            reply = await intruder.get(path, lat=looks[0], lng=looks[1], radius_m=100)
            if sees:
                assert reply.status_code == 200
            else:
                assert code_of(reply) == (403, "world.out_of_sight")
        (lat, lng), (from_lat, from_lng) = looks, stands
        cell = cells.cell_of(lat, lng, 15)
        async with await target.socket(intruder.token) as socket:
            answer = await socket.subscribe([f"location:cell:{cells.token(cell)}"])
        in_sight = distance_between_m(from_lat, from_lng, *cells.centre_deg(cell)) <= 3_000
        assert [one.code for one in answer.refused] == ([] if in_sight else ["world.out_of_sight"])

    async def test_a_refused_fix_opens_no_sight(self, target):
        intruder = await target.player()
        await intruder.stand(*LJUBLJANA)
        assert not (await intruder.stand(*TOKYO))["accepted"]
        reply = await intruder.get("/v1/game/coins/nearby", lat=TOKYO[0], lng=TOKYO[1])
        assert code_of(reply) == (403, "world.out_of_sight")

    async def test_who_was_never_seen_sees_nothing(self, target):
        reply = await (await target.player()).get("/v1/location/nearby", lat=LJUBLJANA[0], lng=LJUBLJANA[1])
        assert code_of(reply) == (403, "world.out_of_sight")

    async def test_a_cursor_opens_no_other_place(self, target):
        near, far = await target.player(), await target.player()
        await near.stand(*LJUBLJANA)
        await far.stand(*TOKYO)
        where = {"lat": LJUBLJANA[0], "lng": LJUBLJANA[1]}
        page = await near.get("/v1/game/coins/nearby", **where, limit=1)
        reply = await far.get("/v1/game/coins/nearby", **where, cursor=page.json()["cursor"])
        assert code_of(reply) == (403, "world.out_of_sight")


class TestDeveloperKey:
    @pytest.mark.parametrize("key", ["", "owdev_", "owdev_" + "A" * 43, "\xe9"])
    async def test_a_wrong_key_adds_nothing(self, target, key):
        intruder = await target.player()
        intruder.headers["Overworld-Key"] = key.encode("latin-1")
        reply = await intruder.get("/v1/game/coins/nearby", lat=TOKYO[0], lng=TOKYO[1])
        assert code_of(reply) == (403, "world.out_of_sight")
        assert (await intruder.stand(*TOKYO, timestamp="2010-06-01T12:00:00Z"))["reason"] == "time_stale"

    async def test_a_key_needs_a_token_beside_it(self, target):
        reply = await target.http.get(
            "/v1/game/coins/nearby",
            params={"lat": TOKYO[0], "lng": TOKYO[1]},
            headers={"Overworld-Key": target.server.key},
        )
        assert code_of(reply) == (401, "http.unauthenticated")

    async def test_with_the_key_all_of_this_is_open(self, target):
        """So the refusals above are for want of the key."""
        intruder = await target.player()
        intruder.headers["Overworld-Key"] = target.server.key
        assert (await intruder.get("/v1/game/coins/nearby", lat=TOKYO[0], lng=TOKYO[1])).status_code == 200
        assert (await intruder.stand(*TOKYO, timestamp="2010-06-01T12:00:00Z"))["accepted"]

    async def test_a_socket_without_the_key_is_judged_by_the_servers_clock(self, target):
        intruder = await target.player()
        fix = {"lat": TOKYO[0], "lng": TOKYO[1], "accuracy_m": 5, "timestamp": "2010-06-01T12:00:00Z"}
        for key in (None, "owdev_" + "A" * 43):
            async with await target.socket(intruder.token, key=key) as socket:
                verdict = await socket.ask("location.update", data=fix, ack=True)
            assert b'"reason":"time_stale"' in verdict

    @pytest.mark.parametrize(("offset_s", "reason"), [(60, "time_future"), (-300, "time_stale")])
    async def test_nobody_lives_ahead_of_the_server_or_far_behind(self, target, offset_s, reason):
        intruder = await target.player()
        stamp = (datetime.now(UTC) + timedelta(seconds=offset_s)).isoformat()
        assert (await intruder.stand(*LJUBLJANA, timestamp=stamp))["reason"] == reason


class TestPasswords:
    async def test_nothing_tells_an_unknown_address_from_a_wrong_password(self, target):
        """Neither the answer nor its time; the two are asked in turn, so that both meet the same machine."""
        name = uuid4().hex[:16]
        body = {"email": f"{name}@example.org", "username": name, "password": PASSWORD}
        target.learn(PASSWORD)
        assert (await target.http.post("/v1/auth/register", json=body)).status_code == 201
        told: dict[str, set[str]] = {"known": set(), "unknown": set()}
        spent: dict[str, list[float]] = {"known": [], "unknown": []}
        for _ in range(40):
            for who, email in (("known", body["email"]), ("unknown", f"{uuid4().hex[:16]}@example.org")):
                begun = time.perf_counter()
                reply = await target.http.post("/v1/auth/login", json={"email": email, "password": "wrong password"})
                spent[who].append(time.perf_counter() - begun)
                assert code_of(reply) == (401, "accounts.bad_credentials")
                told[who].add(str(sorted((k, v) for k, v in reply.json().items() if k != "trace_id")))
        assert told["known"] == told["unknown"]
        assert len(told["known"]) == 1
        assert 0.75 < median(spent["known"]) / median(spent["unknown"]) < 1.25


class TestOthers:
    async def test_sessions_of_others_cannot_be_seen_or_ended(self, target):
        victim, intruder = await target.player(), await target.player()
        theirs = (await victim.get("/v1/auth/sessions")).json()["items"]
        assert {each["id"] for each in theirs}.isdisjoint(
            each["id"] for each in (await intruder.get("/v1/auth/sessions")).json()["items"]
        )
        for session_id in (theirs[0]["id"], str(uuid4())):
            reply = await target.http.delete(f"/v1/auth/sessions/{session_id}", headers=intruder.headers)
            assert code_of(reply) == (404, "accounts.no_such_session")
        assert (await victim.get("/v1/users/me")).status_code == 200

    async def test_channels_of_others_are_refused_whether_there_is_such_a_player_or_not(self, target):
        victim, intruder = await target.player(), await target.player()
        spelled = (victim.id, victim.id.upper(), f"{{{victim.id}}}", victim.id.replace("-", ""))
        wanted = [f"user:{name}" for name in spelled]
        wanted += [f"user:{uuid4()}", "user:*", "user:", f"user:{intruder.id.upper()}", f"user:{intruder.id} "]
        async with await target.socket(intruder.token) as socket:
            answer = await socket.subscribe([*wanted, f"user:{intruder.id}"])
        assert answer.channels == [f"user:{intruder.id}"]
        assert {one.code for one in answer.refused} == {"realtime.channel_refused"}
        assert [one.channel for one in answer.refused] == wanted

    async def test_a_history_cursor_of_another_player_shows_ones_own_history(self, target, coins):
        rich, poor = await at(target, coins[0]), await target.player()
        first, second = coins.pop(), coins.pop()
        rich.headers["Overworld-Key"] = target.server.key
        for day, coin in enumerate((first, second), start=1):
            await rich.stand(coin["lat"], coin["lng"], timestamp=f"2020-01-0{day}T12:00:00Z")
            assert (await rich.collect(coin["id"])).status_code == 200
        page = (await rich.get("/v1/tokens/history", limit=1)).json()
        assert len(page["items"]) == 1
        assert (await rich.get("/v1/tokens/history", cursor=page["cursor"])).json()["items"]
        assert (await poor.get("/v1/tokens/history", cursor=page["cursor"])).json() == {"items": [], "cursor": None}

    async def test_nobody_sends_what_is_anothers_or_less_than_nothing(self, target, coins):
        """Whose wallet it is stands in the token alone, and no amount moves backwards."""
        rich, thief = await at(target, coins[0]), await target.player()
        assert (await rich.collect(coins.pop(0)["id"])).status_code == 200
        before = await rich.held()
        gift = {"to": thief.id, "currency": "coin", "amount": "1"}
        for wrong in ({"from": rich.id}, {"from_id": rich.id}, {"player_id": rich.id}):
            assert code_of(await thief.send(gift | wrong)) == (400, "http.bad_request")
        assert code_of(await thief.send(gift | {"to": rich.id})) == (409, "ledger.insufficient")
        for amount in (
            "-1",
            "+1",
            "1e3",
            "0x1",
            "1,5",
            " 1",
            "NaN",
            "\N{SUPERSCRIPT TWO}",
            "\N{ARABIC-INDIC DIGIT ONE}",
        ):
            refused = await thief.send(gift | {"to": rich.id, "amount": amount})
            assert code_of(refused) == (400, "http.bad_request"), amount
        assert (await rich.held(), await thief.held()) == (before, 0)

    async def test_a_name_that_looks_like_an_id_gets_nothing_that_was_meant_for_its_owner(self, target, coins):
        rich, friend = await at(target, coins[0]), await target.player()
        assert (await rich.collect(coins.pop(0)["id"])).status_code == 200
        thief = await target.player(username=friend.id)
        sent = await rich.send({"to": friend.id.upper(), "currency": "coin", "amount": "1"})
        assert (sent.status_code, sent.json()["to"]) == (200, friend.id)
        assert (await friend.held(), await thief.held()) == (1, 0)

    async def test_a_socket_serves_one_account_only(self, target):
        victim, intruder = await target.player(), await target.player()
        async with await target.socket(intruder.token) as socket:
            with pytest.raises(Refused, match=r"realtime\.other_account"):
                await socket.ask("auth", token=victim.token)
            assert (await socket.subscribe([f"user:{victim.id}"])).channels == []
