"""gameplay: what can be collected, who collected it, and how far players have come.

Owns the spawned collectibles (computed, never stored), their collections, the daily cap, experience and levels.
Never holds a balance (the ledger does), never judges a position (the world does; gameplay asks for the last accepted
one), and knows no game: what exists comes from the game definition.

Invariants: a shared collectible has at most one collection, a personal one at most one per player, over all servers
on one database; every collection has exactly one transfer and one event, in the same transaction; a player's
experience is the sum of what their collections gave (2**53 at most), and their level follows from it and never falls.

Tables: `gameplay.player`, `gameplay.collection`, `gameplay.secret`. Events out: `events.collectible.collected`,
`events.level.reached`. Events in: none.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.domains.gameplay.messages import (
        ClaimCollectible,
        Collected,
        CollectibleCollected,
        CollectibleNearby,
        CollectibleSeen,
        LevelReached,
    )
    from overworld.domains.gameplay.service import Gameplay
    from overworld.domains.gameplay.types import (
        CollectibleRules,
        GameplaySettings,
        Progress,
        ProgressionRules,
    )
else:
    __getattr__ = door(
        __name__,
        messages=[
            "ClaimCollectible",
            "Collected",
            "CollectibleCollected",
            "CollectibleNearby",
            "CollectibleSeen",
            "LevelReached",
        ],
        service=["Gameplay"],
        types=["CollectibleRules", "GameplaySettings", "Progress", "ProgressionRules"],
    )

__all__ = [
    "ClaimCollectible",
    "Collected",
    "CollectibleCollected",
    "CollectibleNearby",
    "CollectibleRules",
    "CollectibleSeen",
    "Gameplay",
    "GameplaySettings",
    "LevelReached",
    "Progress",
    "ProgressionRules",
]
