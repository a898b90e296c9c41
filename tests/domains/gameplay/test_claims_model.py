"""Whatever comes in whatever batches, claims are answered as a simple program would that takes them one by one.

What is held of players is released and denied in between, by orders that come again, on servers that die on the way.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from overworld.domains.gameplay.held.types import Order
from overworld.domains.gameplay.messages import ClaimCollectible
from overworld.domains.gameplay.types import Mode
from overworld.kernel.clock import FixedClock
from overworld.kernel.standing import Gate
from tests.domains.gameplay.field import LEVELS, RULES, Mortal, code_of

CAP = 2
PLAYERS = 3
SPAWNS = 6
STRANGER = 2  # stands a hundred kilometres away
EXPIRES = "expires"
AS_RULED = replace(RULES, reach_m=5000, daily_cap=CAP)

Shown = tuple[Any, ...]

a_player = st.integers(0, PLAYERS - 1)
statements = st.integers(1, 24)
a_claim = st.tuples(a_player, st.integers(-1, SPAWNS - 1), st.integers(0, 7))
a_batch = st.tuples(st.lists(a_claim, min_size=1, max_size=12), statements)
a_turn = st.one_of(
    a_batch,
    st.tuples(a_player, st.sampled_from(Gate)),
    st.tuples(a_player, st.sampled_from([True, False, EXPIRES]), statements),
)


class Model:
    """One claim at a time: a dict of keys, a set of what is taken, and for each player what every win pays."""

    def __init__(self, spawns) -> None:
        self.spawns = spawns
        self.keys: dict[tuple[int, int], tuple[int, str, Shown]] = {}
        self.taken: set[tuple[int, int]] = set()
        self.gates: dict[int, Gate] = dict.fromkeys(range(PLAYERS), Gate.NORMAL)
        self.paid: dict[int, list[tuple[int, int]]] = {player: [] for player in range(PLAYERS)}
        self.held: dict[int, list[tuple[int, int]]] = {player: [] for player in range(PLAYERS)}
        self.denied: dict[int, int] = dict.fromkeys(range(PLAYERS), 0)

    def claim(self, player: int, spawn: int, key: int) -> tuple[str, Shown]:
        """The code, and for a win the amount, what the player has after it, and whether it is reduced or held."""
        if spawn < 0:
            return "not_found", ()
        if (player, key) in self.keys:
            asked, code, shown = self.keys[player, key]
            return (f"{code}*", shown) if asked == spawn else ("key_reused", ())
        code, shown = self._fresh(player, spawn)
        self.keys[player, key] = (spawn, code, shown)
        return code, shown

    def decide(self, player: int, what: bool | str) -> None:
        """All that is held of a player is released, or denied; when it expires, of everybody it is released."""
        for one in range(PLAYERS) if what == EXPIRES else [player]:
            if what:
                self.paid[one] += self.held[one]
            else:
                self.denied[one] += len(self.held[one])
            self.held[one] = []

    def _fresh(self, player: int, spawn: int) -> tuple[str, Shown]:
        gate, value = self.gates[player], self.spawns[spawn].kind.value_minor
        if gate is Gate.REFUSED:
            return "low_trust", ()
        if player == STRANGER:
            return "too_far", ()
        if len(self.paid[player]) + len(self.held[player]) + self.denied[player] >= CAP:
            return "cap_reached", ()
        taking = (spawn, player if self.spawns[spawn].kind.mode is Mode.PERSONAL else -1)
        if taking in self.taken:
            return "already_collected", ()
        self.taken.add(taking)
        amount = value // 2 if gate is Gate.REDUCED else value
        (self.held if gate is Gate.REVIEW else self.paid)[player].append((amount, 10 * value))
        return "ok", (amount, *self.standing(player), gate is Gate.REDUCED, gate is Gate.REVIEW)

    def standing(self, player: int) -> tuple[int, int, int]:
        """The balance, the experience and the level of a player."""
        experience = sum(gained for _, gained in self.paid[player])
        level = 1 + sum(experience >= begins for begins in LEVELS.levels)
        return sum(amount for amount, _ in self.paid[player]), experience, level


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=st.lists(a_turn, min_size=1, max_size=6))
async def test_claims_are_answered_as_if_they_came_one_by_one(field, turns):
    """Each example has players of its own and, by moving to the next window, collectibles of its own."""
    field.clock.advance(timedelta(minutes=30))
    field.fixes.at.clear()
    spawns = [*field.shared()[:4], *field.personal()[:2]]
    players = [uuid4() for _ in range(PLAYERS)]
    for player in players:
        field.stand(player, spawns[0], north_deg=1.0 * (player == players[STRANGER]))
    model, executor = Model(spawns), field.claims(AS_RULED)
    for turn in turns:
        match turn:
            case [list() as batch, dies_after]:
                expected = [model.claim(*claim) for claim in batch]
                commands = [command(players, spawns, claim) for claim in batch]
                told, is_told_again = await answers(field, executor, commands, dies_after)
                assert told == (starred(expected) if is_told_again else expected)
            case [player, Gate() as gate]:
                model.gates[player] = field.trust.gates[players[player]] = gate
            case [player, what, dies_after]:
                model.decide(player, what)
                await decided(field, players[player], what, dies_after)
    for i, player in enumerate(players):
        balance, experience, level = model.standing(i)
        held = {row.currency: (row.posted_minor, row.pending_minor) for row in await field.ledger.balances(player)}
        assert held["coin"] == (balance, sum(amount for amount, _ in model.held[i]))
        async with field.database.read() as tx:
            row = await tx.fetchrow("SELECT experience, level FROM gameplay.player WHERE id = $1", player)
        assert (tuple(row) if row else (0, 1)) == (experience, level)


async def answers(field, executor, commands, dies_after):
    """What claims are answered, and whether a second time, because the first server died: then it may be a replay."""
    try:
        outcomes = await field.claims(AS_RULED, database=Mortal(field.database, dies_after)).run(commands)
    except ConnectionError:
        outcomes = await executor.run(commands)
        return starred([shown(outcome) for outcome in outcomes]), True
    return [shown(outcome) for outcome in outcomes], False


def starred(expected):
    """The same answers when each may be given again."""
    return [(code.rstrip("*") + "*" * code.startswith("ok"), told) for code, told in expected]


async def decided(field, player, what, dies_after):
    """An order, on a server that may die of it, and once more; or the time is over, for every hold there is."""
    later = FixedClock(field.clock.now() + timedelta(days=RULES.hold_days))
    for database in (Mortal(field.database, dies_after), field.database):
        with suppress(ConnectionError):
            if what == EXPIRES:
                await field.held(database=database, clock=later).release_due()
            else:
                order = Order(player_id=player, release=what, held_by=field.clock.now())
                await field.held(database=database).carry_out([order])


def command(players, spawns, claim):
    player, spawn, key = claim
    wanted = "no such id" if spawn < 0 else spawns[spawn].id
    return ClaimCollectible(player_id=players[player], collectible_id=wanted, key=f"key {key}")


def shown(outcome):
    code = code_of(outcome)
    if not code.startswith("ok"):
        return code, ()
    told = outcome.value
    return code, (int(told.amount), int(told.balance), told.experience, told.level, told.reduced, told.held)
