"""Whatever comes in whatever batches, to whichever server, things go as a simple program would have them go."""

from __future__ import annotations

import hmac
from collections import Counter
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from overworld.domains.gameplay.carry.rules import starter_id
from overworld.domains.gameplay.rewards import Reward
from overworld.kernel.refusals import Refusal
from tests.domains.gameplay.carry.camp import SECRET, Camp

PLAYERS = 2
COSTS = {2: 20, 3: 50}
EFFICIENCY_BP = {1: 10_000, 2: 12_000, 3: 15_000}
BOX = [6, 3, 1]
PRIZES: dict[str, dict[str, Any]] = {
    "coins": {"tokens": {"coin": "45"}},
    "things": {"items": {"apple": 2, "salve": 1, "potion": 1, "box": 2}},
    "crown": {"items": {"crown": 2}},
    "tool": {"tools": ("golden",), "experience": 40},
}

a_step = st.one_of(
    st.tuples(st.just("use"), st.sampled_from(["apple", "salve", "potion", "box", "stone"])),
    st.tuples(st.sampled_from(["upgrade", "repair", "equip"]), st.sampled_from(["wooden", "golden"])),
    st.tuples(st.just("to level"), st.sampled_from([2, 3])),
)
a_change = st.tuples(st.integers(0, PLAYERS - 1), a_step, st.integers(0, 9))
a_turn = st.one_of(
    st.tuples(st.just("changes"), st.lists(a_change, min_size=1, max_size=10)),
    st.tuples(st.just("give"), st.integers(0, PLAYERS - 1), st.sampled_from(sorted(PRIZES))),
    st.tuples(st.just("claims"), st.integers(0, PLAYERS - 1), st.sampled_from([1, 40, 130])),
    st.tuples(st.just("wait"), st.sampled_from([10, 50, 100])),
)
GOLDEN_UP = (0, ("upgrade", "golden"), 0)


class One:
    """A player in plain numbers. `tools` are [level, wear, attempts] by type; `boosted_s` is when the potion ends."""

    def __init__(self, player_id: UUID) -> None:
        self.id = player_id
        self.coins = self.experience = self.gear = 0
        self.level = 1
        self.items: Counter[str] = Counter()
        self.used: Counter[str] = Counter()
        self.tools = {"wooden": [1, 0, 0]}
        self.in_hand = "wooden"
        self.boosted_s = 0
        self.badges: set[str] = set()

    def learn(self, experience: int) -> None:
        self.experience += experience
        self.level = 1 + sum(self.experience >= begins for begins in (50, 100, 1000))


class Model:
    """One change at a time, in dicts."""

    def __init__(self, players: list[One], *, crowns_left: int) -> None:
        self.players = players
        self.crowns_left = crowns_left
        self.now_s = 0
        self.keys: dict[tuple[int, int], tuple[Any, str]] = {}

    def change(self, number: int, step: Any, key: int) -> str:
        player = self.players[number]
        sent = (step, step[1] == "golden" and "golden" in player.tools)  # who has none names another id
        if (number, key) in self.keys:
            asked, code = self.keys[number, key]
            return f"{code}*" if asked == sent else "key_reused"
        verb, what = step
        code = self.use(player, what) if verb == "use" else self.tool(player, verb, what)
        self.keys[number, key] = (sent, code)
        return code

    def use(self, player: One, item: str) -> str:
        if not player.items[item]:
            return "no_such_item"
        tool = player.tools[player.in_hand]
        if item == "salve":
            if not tool[1] or player.in_hand == "golden":
                return "not_worn"
            tool[1] = max(0, min(tool[1], 100) - 30)
            player.gear += 1
        if item == "potion":
            player.boosted_s = max(player.boosted_s, self.now_s) + 60
            player.gear += 1
        player.items[item] -= 1
        player.used[item] += 1
        if item == "apple":
            player.learn(10)
        if item == "box":
            self.open(player)
        return "ok"

    def open(self, player: One) -> None:
        weights = BOX if self.crowns_left else BOX[:2]
        drawn = below(sum(weights), player.id, "open", "box", player.used["box"])
        if drawn < 6:
            player.coins += 5
        elif drawn < 9:
            player.items["apple"] += 2
            player.learn(5)
        else:
            self.crowns_left -= 1
            player.items["crown"] += 1
            player.badges.add("lucky")

    def tool(self, player: One, verb: str, what: Any) -> str:
        name, wanted = (what, None) if verb != "to level" else ("wooden", what)
        if name not in player.tools:
            return "no_such_tool"
        if name == "golden" and player.level < 2:
            return "level_too_low"
        if verb == "equip":
            player.gear += player.in_hand != name
            player.in_hand = name
            return "ok"
        return self.repair(player, name) if verb == "repair" else self.upgrade(player, name, wanted)

    def upgrade(self, player: One, name: str, wanted: int | None) -> str:
        tool = player.tools[name]
        if wanted not in (None, tool[0] + 1):
            return "tool_changed"
        if name == "golden" or tool[0] == 3:
            return "top_level"
        cost = COSTS[tool[0] + 1]
        if player.coins < cost:
            return "cannot_pay"
        player.coins -= cost
        tool[2] += 1
        tool_id = str(starter_id(player.id, "wooden"))
        if tool[0] == 1 or below(10_000, player.id, "upgrade", tool_id, tool[2]) < 5_000:
            tool[0] += 1
            player.gear += player.in_hand == name
        return "ok"

    def repair(self, player: One, name: str) -> str:
        wear = min(player.tools[name][1], 100)
        if not wear or name == "golden":
            return "not_worn"
        cost = -(-10 * wear // 100)
        if player.coins < cost:
            return "cannot_pay"
        player.coins -= cost
        player.tools[name][1] = 0
        player.gear += player.in_hand == name
        return "ok"

    def give(self, number: int, prize: str) -> str:
        player = self.players[number]
        if prize == "crown":
            if self.crowns_left < 2:
                return "sold_out"
            self.crowns_left -= 2
        player.items.update(PRIZES[prize].get("items", {}))
        player.coins += 45 * (prize == "coins")
        if prize == "tool":
            player.tools.setdefault("golden", [1, 0, 0])
            player.learn(40)
        return "ok"


def below(bound: int, player_id: UUID, what: str, thing: str, nth: int) -> int:
    """The draw, worked out from the key anew: HMAC of length-prefixed parts, then of a counter, 8 bytes of it."""
    parts = (b"carry", player_id.bytes, what.encode(), thing.encode(), nth.to_bytes(8, "big"))
    seed = hmac.digest(SECRET, b"".join(len(part).to_bytes(4, "big") + part for part in parts), sha256)
    return int.from_bytes(hmac.digest(seed, bytes(8), sha256)[:8], "big") % bound


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(turns=[("changes", [GOLDEN_UP]), ("give", 0, "tool"), ("changes", [GOLDEN_UP])])
@given(turns=st.lists(a_turn, min_size=1, max_size=14))
async def test_changes_are_answered_as_if_they_came_one_by_one(camp, turns):
    """Each example has players of its own; crowns are the same three for all. Servers take turns."""
    players = [One(uuid4()) for _ in range(PLAYERS)]
    issued = dict(await camp.rows("SELECT type, issued FROM gameplay.supply")).get("crown", 0)
    model = Model(players, crowns_left=3 - issued)
    golden: dict[UUID, UUID] = {}
    for turn, server in zip(turns, [camp.first, camp.carry()] * len(turns), strict=False):
        if turn[0] == "changes":
            wanted = [command(camp, players, golden, one) for one in turn[1]]
            outcomes = await server.run(wanted)
            assert [code_of(outcome) for outcome in outcomes] == [model.change(*one) for one in turn[1]]
        elif turn[0] == "give":
            await given_to(camp, players[turn[1]], turn[2], golden, model.give(turn[1], turn[2]))
        elif turn[0] == "claims":
            player = players[turn[1]]
            player.tools[player.in_hand][1] += turn[2]
            await camp.wear(player.id, turn[2])
        else:
            camp.clock.advance(timedelta(seconds=turn[1]))
            model.now_s += turn[1]
    for player in players:
        await compared(camp, model, player)


async def given_to(camp: Camp, player: One, prize: str, golden: dict[UUID, UUID], expected: str) -> None:
    reward = dict(PRIZES[prize])
    if player.id in golden:
        reward.pop("tools", None)  # one is enough
    outcome = await camp.give(player.id, Reward(**reward))
    assert ("sold_out" if isinstance(outcome, Refusal) else "ok") == expected
    if not isinstance(outcome, Refusal) and outcome.tools:
        golden[player.id] = outcome.tools[0].id


async def compared(camp: Camp, model: Model, player: One) -> None:
    """Everything the database says of a player is what the model says."""
    assert await camp.held(player.id) == +player.items
    assert await camp.balance(player.id) == player.coins
    rows = await camp.rows("SELECT experience, level, gear FROM gameplay.player WHERE id = $1", player.id)
    assert (rows or [(0, 1, 0)]) == [(player.experience, player.level, player.gear)]
    assert {one.id for one in await camp.reading.badges(player.id) if one.earned_at} == player.badges
    seen = {one.type: (one.level, one.wear, one.equipped) for one in await camp.reading.tools(player.id)}
    wooden = player.tools["wooden"]
    assert seen["wooden"] == (wooden[0], min(wooden[1], 100), player.in_hand == "wooden")
    assert ("golden" in seen) == ("golden" in player.tools)
    worn = await camp.worn(player.id)
    tool_bp = 30_000 if player.in_hand == "golden" else EFFICIENCY_BP[wooden[0]] if wooden[1] < 100 else 10_000
    assert (worn.version, worn.tool_bp) == (player.gear, tool_bp)
    assert worn.boost_bp == (15_000 if player.boosted_s > model.now_s else 10_000)


def command(camp: Camp, players: list[One], golden: dict[UUID, UUID], one: Any) -> Any:
    number, (verb, what), key = one
    player_id, key = players[number].id, f"key {key}"
    if verb == "use":
        return camp.use(player_id, what, key)
    tool_id = golden.get(player_id, UUID(int=5)) if what == "golden" else starter_id(player_id, "wooden")
    if verb == "to level":
        return camp.upgrade(player_id, tool_id, key, level=what)
    return getattr(camp, verb)(player_id, tool_id, key)


def code_of(outcome: Any) -> str:
    """`ok`, or the code of the refusal; a replay is marked with a star."""
    if isinstance(outcome, Refusal):
        name = outcome.code.rpartition(".")[2]
        return name if name == "key_reused" else f"{name}{'*' * outcome.replayed}"
    return f"ok{'*' * outcome.replayed}"
