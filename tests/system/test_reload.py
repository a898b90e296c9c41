"""A game changes while players are connected: what lies there is paid as it was seen, and nobody is dropped."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from bench.servers import Ran, ServerProcess, overworld
from overworld.app import addresses
from overworld.app.game import SHIPPED
from tests.system.player import LJUBLJANA, Player

pytestmark = pytest.mark.slow
CLOSED = "def on_claim(claims):\n    return {'refused': ['not_today'] * len(claims)}\n"


class Shop:
    """A game in a folder, with coins that lie all day, and the server that runs it."""

    def __init__(self, folder: Path) -> None:
        self.game, self.data = folder / "mine", folder / "data"
        shutil.copytree(SHIPPED / "ore", self.game)
        self.text = (self.game / "game.toml").read_text().replace("window_s = 1800", "window_s = 86400")
        self.write()

    def write(self, *changes: tuple[str, str]) -> None:
        text = self.text
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (self.game / "game.toml").write_text(text)

    async def reload(self) -> Ran:
        return await overworld("game", "reload", "--data", self.data)

    def hang_up(self) -> None:
        os.kill(addresses.read(self.data).pid, signal.SIGHUP)


async def until_version(player: Player, number: int) -> None:
    async with asyncio.timeout(20):
        while True:
            if (await started(player))["game"]["version_number"] == number:
                return
            await asyncio.sleep(0.05)  # pace: what a signal brings about has no event for us


async def started(player: Player) -> dict[str, Any]:
    return await player.api.call("GET", "/v1/start", reply=dict[str, Any])


async def test_a_reload_drops_no_socket_and_no_claim(tmp_path: Path):
    shop = Shop(tmp_path)
    async with (
        ServerProcess(shop.data, game=str(shop.game)) as server,
        Player(server) as player,
        Player(server) as watcher,
    ):
        lying = await player.around(*LJUBLJANA)
        for one in (player, watcher):
            await one.stand(lying[0]["lat"], lying[0]["lng"])
        await watcher.watch(lying[0]["lat"], lying[0]["lng"])
        version = (await started(player))["game"]["version"]

        shop.write(('value = "', 'value = "7'), ("daily_cap = 500", "daily_cap = 400"))
        told = await shop.reload()
        assert told.code == 0, told.err
        assert "~ collectibles.daily_cap: 500 -> 400 (at once)" in told.out and "is in force; what spawns" in told.out
        game = (await started(player))["game"]
        assert game["version_number"] == 2 and game["version"] != version

        answer = (await player.collect(lying[0]["id"], key="across")).json()
        assert (answer["amount"], answer["type"]) == (lying[0]["value"], lying[0]["type"])
        async with asyncio.timeout(10):
            await watcher.event("coins.collected", lying[0]["id"])  # on the socket that was open before

        (shop.game / "rules.py").write_text(CLOSED)
        shop.hang_up()
        await until_version(player, 3)
        await player.stand(lying[1]["lat"], lying[1]["lng"])
        refused = (await player.collect(lying[1]["id"], key="refused")).json()
        assert (refused["code"], refused["reason"]) == ("gameplay.refused_by_rule", "not_today")

        shop.write(("currencies.coin]", "currencies.gold]"), ('"coin"', '"gold"'))
        held = await shop.reload()
        assert held.code == 1 and "definition.still_held" in held.err and "coin: held by 1" in held.err, held.err
