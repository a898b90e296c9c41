"""A server that cannot start says why on one line and touches nothing; a production server honours no test door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from overworld.client import Fix, Refused
from tests.system.commands import ANY_PORTS, REFUSED, lines
from tests.system.player import LJUBLJANA
from tests.system.target import Target, code_of, under_attack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("bad input: operator"),
]


async def test_no_server_starts_with_a_bad_game_or_an_unknown_one(run, tmp_path):
    (tmp_path / "game.toml").write_text("[game")
    for game, told in (
        (".", "game.toml: 1 error"),
        ("nope", "known here: ore"),
        ("../../etc/passwd", "known here: ore"),
    ):
        ran = await run("serve", "--game", game, *ANY_PORTS)
        assert ran.code == REFUSED
        assert told in ran.err
    assert [each.name for each in tmp_path.iterdir()] == ["game.toml"]


FOLDERS = {
    "file": "it is no folder; name another with --data",
    "file/inside": "it is no folder; name another with --data",
    "/proc/data": "cannot use",
}


@pytest.mark.parametrize(("data", "told"), [*FOLDERS.items(), ("keyless", "holds no developer key")])
async def test_a_data_folder_that_is_none_is_told(run, tmp_path, data, told):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "keyless").mkdir()
    (tmp_path / "keyless" / "developer.key").write_text("")
    ran = await run("serve", "--data", data, *ANY_PORTS)
    assert ran.code == REFUSED
    assert told in lines(ran)[-1], ran.err


async def test_a_folder_in_the_place_of_the_servers_addresses_is_told(run, tmp_path):
    (tmp_path / "data" / "server.json").mkdir(parents=True)
    ran = await run("serve", *ANY_PORTS, "--data", "data")
    assert ran.code == REFUSED
    assert "server.json: Is a directory" in lines(ran)[-1]
    assert [file.name for file in (tmp_path / "data").glob("server.json*")] == ["server.json"]
    (tmp_path / "walk.gpx").write_text("")
    ran = await run("replay", "walk.gpx", "--data", "data")
    assert ran.code == REFUSED
    assert "server.json cannot be read (Is a directory)" in ran.err


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def production(tmp_path_factory) -> AsyncIterator[Target]:
    """A production server, with a developer key that a development server left in its folder."""
    folder = tmp_path_factory.mktemp("production")
    (folder / "developer.key").write_text("owdev_" + "A" * 43 + "\n")
    async with under_attack(folder, environment={"OVERWORLD_MODE": "production"}) as target:
        yield target


async def test_a_production_server_honours_no_developer_key(production, joins):
    intruder = await production.player()
    intruder.headers["Overworld-Key"] = production.server.key
    reply = await intruder.get("/v1/game/coins/nearby", lat=46.0, lng=14.5)
    assert code_of(reply) == (403, "world.out_of_sight")
    async with await production.socket(intruder.token, key=production.server.key) as socket:
        assert {"world.read", "world.replay"}.isdisjoint(socket.auth.scopes or ())
    player = await joins(production.server)
    old = Fix(lat=46.0, lng=14.5, accuracy_m=5.0, timestamp=datetime(2020, 1, 1, tzinfo=UTC))
    assert (await player.socket.report(old)).reason == "time_stale"
    assert (await player.api.update_location(old)).reason == "time_stale"
    with pytest.raises(Refused, match="out_of_sight"):
        await player.around(*LJUBLJANA)


async def test_a_damaged_data_folder_is_told_and_not_touched(run, tmp_path):
    folder = tmp_path / "data" / "postgres"
    folder.mkdir(parents=True)
    (folder / "PG_VERSION").write_text("9.6\n")
    ran = await run("serve", *ANY_PORTS, "--data", tmp_path / "data")
    assert ran.code == REFUSED
    assert "made by PostgreSQL 9.6" in lines(ran)[-1]
    assert [each.name for each in folder.iterdir()] == ["PG_VERSION"]
