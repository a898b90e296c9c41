"""A server on its own terms: a certificate of its own, renewed while it serves, and a game that shows exact places."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from msgspec import Struct

from bench.servers import ServerProcess
from overworld.app.game import SHIPPED
from overworld.client import Api, Fix, Page, Socket, Unreachable
from overworld.kernel.clock import SystemClock
from tests.certificates import Pair, make_pair
from tests.system.commands import ANY_PORTS, REFUSED, WRONG
from tests.system.player import LJUBLJANA

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]

WAIT_S = 10


class Terms(Struct, frozen=True):
    """A running server and its certificate."""

    server: ServerProcess
    pair: Pair


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def terms(empty_database, tmp_path_factory) -> AsyncIterator[Terms]:
    folder = tmp_path_factory.mktemp("own-terms")
    pair = make_pair(folder)
    (folder / "game").mkdir()
    text = (SHIPPED / "ore" / "game.toml").read_text()
    (folder / "game" / "game.toml").write_text(text + '\n[interest]\nstrangers = "exact"\n')
    tls = {
        "OVERWORLD_REALTIME__TLS_CERTIFICATE": str(pair.certificate),
        "OVERWORLD_REALTIME__TLS_KEY": str(pair.key),
    }
    async with empty_database() as dsn:
        game = str(folder / "game")
        async with ServerProcess(folder / "data", dsn=dsn, game=game, environment=tls) as server:
            yield Terms(server, pair)


async def signed_in(server: ServerProcess, name: str) -> Api:
    api = Api(server.http)
    await api.device(f"own-terms-{name}-of-the-tests")
    return api


async def stand(api: Api, lat: float, lng: float) -> None:
    verdict = await api.update_location(Fix(lat=lat, lng=lng, accuracy_m=5.0, timestamp=SystemClock().now()))
    assert verdict.accepted


async def test_clients_are_told_wss_and_are_served_by_it(terms):
    async with await signed_in(terms.server, "walker") as api:
        start = await api.call("GET", "/v1/start", reply=dict[str, Any])
        address = start["addresses"]["realtime"]
        assert address.startswith("wss://")
        assert address == terms.server.realtime
        assert address in terms.server.log.read_text(), "it is printed at start too"
        async with await Socket.connect(address, token=api.access_token, tls=terms.pair.trusting()) as socket:
            assert (await socket.subscribe(["system"])).channels == ["system"]
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await Socket.connect(address, token=api.access_token)


async def test_strangers_are_seen_exactly_where_the_game_says_so(terms):
    lat, lng = LJUBLJANA
    async with await signed_in(terms.server, "watcher") as watcher, await signed_in(terms.server, "stranger") as other:
        await stand(watcher, lat, lng)
        await stand(other, lat + 0.00012, lng)
        page = await watcher.call(
            "GET", "/v1/location/nearby", reply=Page[dict[str, Any]],
            params={"lat": lat, "lng": lng, "radius_m": 100, "types": "player"},
        )  # fmt: skip
        [seen] = [item for item in page.items if item["id"] == other.session.user.id]
        assert (seen["lat"], seen["lng"]) == pytest.approx((lat + 0.00012, lng), abs=5e-6)  # 0.3 m


async def test_a_renewed_certificate_is_taken_up_by_a_signal(terms):
    """The last test of the module: the first certificate is gone after it."""
    async with await signed_in(terms.server, "renewer") as api:
        kept = await Socket.connect(terms.server.realtime, token=api.access_token, tls=terms.pair.trusting())
        renewed = make_pair(terms.pair.certificate.parent)
        terms.server.family[0].send_signal(signal.SIGHUP)
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    new = await Socket.connect(terms.server.realtime, token=api.access_token, tls=renewed.trusting())
                    break
                except Unreachable:
                    continue
        async with new, kept:
            assert (await kept.subscribe(["system"])).channels == ["system"]
            assert (await new.subscribe(["system"])).channels == ["system"]


async def test_a_certificate_that_cannot_be_used_is_told_before_anything_starts(run, tmp_path):
    pair, other = make_pair(tmp_path), make_pair(tmp_path, "other")
    given = {
        "OVERWORLD_REALTIME__TLS_CERTIFICATE": str(pair.certificate),
        "OVERWORLD_REALTIME__TLS_KEY": str(other.key),
    }
    ran = await run("serve", "--data", "data", *ANY_PORTS, **given)
    assert ran.code == REFUSED
    assert "the key does not belong to the certificate" in ran.err
    assert not (tmp_path / "data").exists()
    alone = await run("serve", "--data", "data", *ANY_PORTS, OVERWORLD_REALTIME__TLS_KEY=str(pair.key))
    assert alone.code == WRONG
    assert "set both, or neither" in alone.err
