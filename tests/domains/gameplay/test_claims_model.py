"""Whatever comes in whatever batches, claims are answered as a simple program would that takes them one by one."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from overworld.domains.gameplay.messages import ClaimCollectible
from overworld.domains.gameplay.types import Mode
from tests.domains.gameplay.field import LEVELS, RULES, code_of

CAP = 2
PLAYERS = 3
SPAWNS = 6
STRANGER = 2  # stands a hundred kilometres away

a_claim = st.tuples(st.integers(0, PLAYERS - 1), st.integers(-1, SPAWNS - 1), st.integers(0, 7))
some_batches = st.lists(st.lists(a_claim, min_size=1, max_size=12), min_size=1, max_size=3)


class Model:
    """One claim at a time: a dict of keys, a set of what is taken, a count and a sum for each player."""

    def __init__(self, spawns) -> None:
        self.spawns = spawns
        self.keys: dict[tuple[int, int], tuple[int, str, tuple[int, int, int]]] = {}
        self.taken: set[tuple[int, int]] = set()
        self.wins: dict[int, list[int]] = {player: [] for player in range(PLAYERS)}

    def claim(self, player: int, spawn: int, key: int) -> tuple[str, tuple[int, int, int]]:
        """The code, and for a win the balance, the experience and the level after it."""
        if spawn < 0:
            return "not_found", (0, 0, 0)
        if (player, key) in self.keys:
            asked, code, shown = self.keys[player, key]
            return (f"{code}*", shown) if asked == spawn else ("key_reused", (0, 0, 0))
        code = self._fresh(player, spawn)
        shown = self._shown(player) if code == "ok" else (0, 0, 0)
        self.keys[player, key] = (spawn, code, shown)
        return code, shown

    def _fresh(self, player: int, spawn: int) -> str:
        if player == STRANGER:
            return "too_far"
        if len(self.wins[player]) >= CAP:
            return "cap_reached"
        taking = (spawn, player if self.spawns[spawn].kind.mode is Mode.PERSONAL else -1)
        if taking in self.taken:
            return "already_collected"
        self.taken.add(taking)
        self.wins[player].append(spawn)
        return "ok"

    def _shown(self, player: int) -> tuple[int, int, int]:
        balance = sum(self.spawns[spawn].kind.value_minor for spawn in self.wins[player])
        experience = 10 * balance
        return balance, experience, 1 + sum(experience >= begins for begins in LEVELS.levels)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=some_batches)
async def test_claims_are_answered_as_if_they_came_one_by_one(field, batches):
    """Each example has players of its own and, by moving to the next window, collectibles of its own."""
    field.clock.advance(timedelta(minutes=30))
    field.fixes.at.clear()
    spawns = [*field.shared()[:4], *field.personal()[:2]]
    players = [uuid4() for _ in range(PLAYERS)]
    for player in players:
        field.stand(player, spawns[0], north_deg=1.0 * (player == players[STRANGER]))
    model, executor = Model(spawns), field.claims(replace(RULES, reach_m=5000, daily_cap=CAP))
    for batch in batches:
        outcomes = await executor.run([command(players, spawns, claim) for claim in batch])
        assert [shown(outcome) for outcome in outcomes] == [model.claim(*claim) for claim in batch]


def command(players, spawns, claim):
    player, spawn, key = claim
    wanted = "no such id" if spawn < 0 else spawns[spawn].id
    return ClaimCollectible(player_id=players[player], collectible_id=wanted, key=f"key {key}")


def shown(outcome):
    code = code_of(outcome)
    if not code.startswith("ok"):
        return code, (0, 0, 0)
    return code, (int(outcome.value.balance), outcome.value.experience, outcome.value.level)
