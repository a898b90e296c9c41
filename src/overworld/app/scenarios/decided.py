"""Scenarios decided by the rules that a server decides by: nothing here judges anything itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from overworld.app.game import Game
from overworld.app.hooks.work import Counted, rule_of
from overworld.app.scenarios.written import Collect, Collectible, Collector, LevelUp, Move, Scenario
from overworld.domains.gameplay.hooked import claims_seen, ruled
from overworld.domains.gameplay.rules import (
    Attempt,
    Claimants,
    Wait,
    attempted,
    credited,
    days_of,
    decide,
    level_of,
    spawn_table,
    terms_of,
)
from overworld.domains.gameplay.types import BARE, GameplaySettings, Player, Spawn
from overworld.domains.world.engine.engine import Engine, flags_of, pass_of
from overworld.domains.world.rules import FIX
from overworld.domains.world.types import Reason, WorldSettings
from overworld.geo import cells
from overworld.geo.sphere import destination_deg
from overworld.kernel.clock import to_us
from overworld.kernel.ports import FixColumns
from overworld.kernel.refusals import Refusal
from overworld.kernel.standing import Gate, Standing

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
_NOON_US = to_us(NOON)
_PLAYER, _ANOTHER = UUID(int=1), UUID(int=2)
_SECOND_US = 1_000_000
_EAST_DEG = 90.0


def differences(scenario: Scenario, *, game: Game) -> list[str]:
    """Where the outcome is not what the scenario's `then` says, a line each; empty when it holds."""
    match scenario:
        case Collect():
            got = _collected(scenario, game)
        case Move():
            got = _moved(scenario, game)
        case LevelUp():
            got = _levelled(scenario, game)
    wanted = {name: getattr(scenario.then, name) for name in scenario.then.__struct_fields__}
    different = {name: value for name, value in wanted.items() if value is not None and value != got.get(name)}
    if different and ("refused" in different or "refused" in got):
        return [f"expected {_told(different)}, got {_told(got)}"]
    return [f"expected {name} {value}, got {got[name]}" for name, value in different.items()]


def _told(outcome: dict[str, Any]) -> str:
    """An outcome in a few words: `refused gameplay.too_far`, `amount 20, currency coin`, `accepted`."""
    return ", ".join(name if value is True else f"{name} {value}" for name, value in outcome.items())


def _collected(scenario: Collect, game: Game) -> dict[str, Any]:
    given, rules, levels = scenario.given, game.collectibles, game.progression.levels
    at = NOON + timedelta(seconds=scenario.when.after_s)
    spawn = _spawn(given.collectible, game)
    takers = {"nobody": [], "player": [_PLAYER], "another": [_ANOTHER]}[given.collectible.taken_by]
    terms = terms_of(rules, age_max_s=GameplaySettings().fix_age_max_s)
    claimant = _claimant(given.player, spawn)
    (today,) = days_of(replace(claimant.fixes, known=[True]), now_us=_NOON_US, terms=terms)
    attempts = attempted([spawn], claimant, now_us=to_us(at), terms=terms)
    rule = rule_of(game.hooks, counted=Counted())
    if rule is not None and isinstance(attempts[0], Attempt):
        attempts = ruled(attempts, rule(claims_seen(attempts, claimant, now_us=to_us(at))))
    outcome = decide(
        attempts,
        players={_PLAYER: _player(given.player, levels, today=today)},
        taken={spawn.reference_for(taker) for taker in takers},
        waits=_waits(given.player, spawn),
        now_us=to_us(at),
        daily_cap=rules.daily_cap,
        levels=levels,
    ).outcomes[0]
    if isinstance(outcome, Refusal):
        return {"refused": outcome.code}
    kind = outcome.spawn.kind
    won = {"amount": kind.currency.format(outcome.amount_minor), "currency": kind.currency.code}
    return won | {"experience": outcome.experience, "level": outcome.level}


def _claimant(given: Collector, spawn: Spawn) -> Claimants:
    lat_deg, lng_deg = destination_deg(spawn.lat_deg, spawn.lng_deg, _EAST_DEG, given.away_m)
    fix_us = _NOON_US - round(given.fix_age_s * _SECOND_US)
    return Claimants(
        player_ids=[_PLAYER],
        memberships=[given.memberships],
        fixes=FixColumns([given.has_fix], [lat_deg], [lng_deg], [fix_us]),
        standings=[Standing(given.trust, Gate.NORMAL)],
        worn=[BARE],
    )


def _waits(given: Collector, spawn: Spawn) -> dict[Wait, int]:
    """Until when the player has to wait who took another of the type so long ago."""
    if given.took_one_s is None:
        return {}
    taken_us = _NOON_US - round(given.took_one_s * _SECOND_US)
    return {(_PLAYER, spawn.kind.type): taken_us + spawn.kind.cooldown_s * _SECOND_US}


def _player(given: Collector, levels: Sequence[int], *, today: date) -> Player:
    return Player(
        id=_PLAYER,
        experience=given.experience,
        level=given.level or level_of(given.experience, levels),
        day=date.fromordinal(today.toordinal() - bool(given.collected_yesterday)),
        collected_on_day=given.collected_yesterday or given.collected_today,
    )


def _spawn(given: Collectible, game: Game) -> Spawn:
    table = spawn_table(game.collectibles, game.progression, {currency.code: currency for currency in game.currencies})
    opens_us = _NOON_US - round(given.open_for_s * _SECOND_US)
    return Spawn(
        id="given",
        key=b"given",
        reference=UUID(int=0),
        kind=next(kind for kind in table.kinds if kind.type == given.type),
        cell=cells.cell_of(given.lat_deg, given.lng_deg, table.cell_level),
        lat_deg=given.lat_deg,
        lng_deg=given.lng_deg,
        opens_us=opens_us,
        closes_us=opens_us + table.window_s * _SECOND_US,
    )


def _moved(scenario: Move, game: Game) -> dict[str, Any]:
    """Sends the fixes through an engine of their own, one pass each."""
    engine = Engine(settings=WorldSettings(), movement=game.movement)
    slot = engine.players.admit(_PLAYER, now_us=_NOON_US)
    given, when = scenario.given, scenario.when
    here = (given.fix.lat_deg, given.fix.lng_deg)
    if given.has_fix:
        _judged(engine, _record(slot, here, accuracy_m=given.fix.accuracy_m), now_us=_NOON_US)
    there = here if when.away_m is None else destination_deg(*here, _EAST_DEG, when.away_m)
    if when.lat_deg is not None and when.lng_deg is not None:
        there = (when.lat_deg, when.lng_deg)
    record = _record(slot, there, accuracy_m=when.accuracy_m, altitude_m=when.altitude_m, mock=when.mock)
    reason = Reason.NONE
    for count in range(1, when.times + 1):
        at_us = _NOON_US + round(count * when.after_s * _SECOND_US)
        record["time_us"] = at_us + round(when.clock_ahead_s * _SECOND_US)
        reason = _judged(engine, record, now_us=at_us)
    return {"accepted": True} if reason is Reason.NONE else {"refused": reason.wire}


def _record(
    slot: int,
    place: tuple[float, float],
    *,
    accuracy_m: float | None,
    altitude_m: float | None = None,
    mock: bool = False,
) -> NDArray[Any]:
    record = np.zeros(1, FIX)
    record["slot"], record["time_us"] = slot, _NOON_US
    record["lat_deg"], record["lng_deg"] = place
    record["accuracy_m"] = math.nan if accuracy_m is None else accuracy_m
    record["altitude_m"] = math.nan if altitude_m is None else altitude_m
    record["flags"] = flags_of(own_timeline=False, mock=mock)
    return record


def _judged(engine: Engine, record: NDArray[Any], *, now_us: int) -> Reason:
    batch = engine.validate(pass_of(record, now_us=now_us))
    return Reason(int(batch.judged["reason"][0]))


def _levelled(scenario: LevelUp, game: Game) -> dict[str, Any]:
    given, levels = scenario.given, game.progression.levels
    before = Player(id=_PLAYER, experience=given.experience, level=given.level or level_of(given.experience, levels))
    after = credited(before, scenario.when.experience, levels)
    return {"level": after.level, "experience": after.experience}
