"""The named cases once more, from the fix on: through the world's engine, into a score."""

from __future__ import annotations

from uuid import UUID

import pytest

from overworld.domains.trust.core import Core
from overworld.flows.facts_to_trust import window
from overworld.kernel.clock import to_us
from overworld.kernel.standing import Gate
from tests.domains.world.movement_cases import CASES, NORMAL, play

pytestmark = pytest.mark.slow  # the first case compiles the engine


@pytest.mark.parametrize("name", CASES)
def test_who_is_marked_leaves_the_normal_gate_and_who_is_not_never_does(name):
    case, core = CASES[name], Core()
    told = [event for account in play(case) for event in account.observed]
    gates: dict[UUID, list[Gate]] = {}
    for event in sorted(told, key=lambda one: one.ended_at):
        one = window(event, to_us(event.ended_at))
        core.take(one)
        gates.setdefault(one.player_id, []).append(core.standing(one.player_id, at_us=one.at_us).gate)
    marks = {player_id: state.marks for player_id, state in core.states.items()}
    for player_id, seen in gates.items():
        if case.standing == NORMAL:
            assert set(seen) == {Gate.NORMAL}, (marks, player_id)
        else:
            assert seen[-1] is not Gate.NORMAL, (marks, told[-3:])
