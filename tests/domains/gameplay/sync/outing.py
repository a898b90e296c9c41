"""What the tests of sync share: a player who walks about without a network, and a device that remembers it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from overworld.app.offline import CollectOffline
from overworld.domains.gameplay.service import Gameplay
from overworld.domains.gameplay.sync.messages import OfflineAction, SyncActions, SyncBody, Synced
from overworld.domains.gameplay.sync.types import SyncRules
from overworld.domains.gameplay.sync.wiring import SyncParts, build
from overworld.domains.gameplay.types import Spawn
from overworld.kernel.identity import Principal

ANN = UUID(int=1)
RULES = SyncRules()
SPEED_KM_H = 150.0
ACCURACY_M = 10.0


def principal_of(player_id: UUID = ANN, memberships: tuple[str, ...] = ()) -> Principal:
    return Principal(account_id=player_id, role="player", scopes=frozenset(), memberships=memberships)


def sync_of(field: Any, gameplay: Gameplay, *, rules: SyncRules = RULES, database: Any = None) -> SyncParts:
    """Another server's sync."""
    return build(
        database=database or field.database,
        clock=field.clock,
        last_fix=field.fixes,
        acts={"collect": CollectOffline(gameplay)},
        rules=rules,
        speed_max_km_h=SPEED_KM_H,
        accuracy_m=ACCURACY_M,
    )


def ms_of(at: datetime) -> int:
    """What the counter of a device shows that is as old as the year."""
    return round((at - datetime(2026, 1, 1, tzinfo=at.tzinfo)).total_seconds() * 1_000)


def action(done_at: datetime, spawn: Spawn | None = None, /, **changes: Any) -> OfflineAction:
    """A collection where the thing lies, by a clock and a counter that are right."""
    fields: dict[str, Any] = {
        "request_id": f"{done_at.isoformat()} {'' if spawn is None else spawn.id}",
        "action": "collect",
        "target": "nothing" if spawn is None else spawn.id,
        "at": done_at,
        "monotonic_ms": ms_of(done_at),
        "lat": 45.8 if spawn is None else spawn.lat_deg,
        "lng": 14.36 if spawn is None else spawn.lng_deg,
    }
    return OfflineAction(**fields | changes)


def body(actions: Sequence[OfflineAction], *, sent_at: datetime, **changes: Any) -> SyncBody:
    """A call of a device whose clock and counter are right."""
    fields: dict[str, Any] = {
        "device": "phone",
        "boot": "1",
        "sent_at": sent_at,
        "sent_monotonic_ms": ms_of(sent_at),
        "actions": tuple(actions),
    }
    return SyncBody(**fields | changes)


def walk(field: Any, spawns: Sequence[Spawn], *, every: timedelta = timedelta(seconds=30)) -> list[OfflineAction]:
    """Collecting one after another, the first now; the clock is then where the walk ends."""
    actions = []
    for spawn in spawns:
        actions.append(action(field.clock.now(), spawn))
        field.clock.advance(every)
    return actions


def call(sent: SyncBody, player_id: UUID = ANN) -> SyncActions:
    return SyncActions(principal=principal_of(player_id), body=sent)


def told(synced: Synced) -> list[str]:
    """`applied`, `replayed`, or the situation of the refusal."""
    return [item.status if item.reason is None else item.reason.rpartition(".")[2] for item in synced.items]
