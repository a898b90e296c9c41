"""gameplay: what can be collected, who collected it, and how far players have come.

Owns the spawned collectibles (computed, never stored), the placed ones, their collections, the daily cap, experience
and levels; what players carry has a room of its own, `carry/`, and so have rewards that wait for a review, `held/`.
Never holds a balance (the ledger does), never judges a position (the world does; gameplay asks for the last accepted
one), and knows no game: what exists comes from the game definition.

Invariants: a shared collectible has at most one collection, a personal one at most one per player, over all servers
on one database; every collection has exactly one transfer and one event, in the same transaction; a player's
experience is the sum of what their collections and rewards gave (2**53 - 1 at most; what is held gives it with its
release), and their level follows from it and never falls; nobody collects what was withdrawn, from the withdrawal's
commit on.

Tables: `gameplay.player`, `gameplay.secret`, `gameplay.placed`, `gameplay.wait`, `gameplay.reduced`. Events out:
`events.collectible.collected`, `.placed`, `.withdrawn`, `events.level.reached`. Events in: what other servers placed
and withdrew.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.domains.gameplay.messages import (
        ClaimCollectible,
        Collected,
        CollectibleCollected,
        CollectibleNearby,
        CollectiblePlaced,
        CollectibleSeen,
        CollectibleToPlace,
        CollectibleWithdrawn,
        LevelReached,
        PlaceCollectibles,
        PlacedCollectibles,
    )
    from overworld.domains.gameplay.placing import Placing
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
            "CollectiblePlaced",
            "CollectibleSeen",
            "CollectibleToPlace",
            "CollectibleWithdrawn",
            "LevelReached",
            "PlaceCollectibles",
            "PlacedCollectibles",
        ],
        placing=["Placing"],
        service=["Gameplay"],
        types=["CollectibleRules", "GameplaySettings", "Progress", "ProgressionRules"],
    )

__all__ = [
    "ClaimCollectible",
    "Collected",
    "CollectibleCollected",
    "CollectibleNearby",
    "CollectiblePlaced",
    "CollectibleRules",
    "CollectibleSeen",
    "CollectibleToPlace",
    "CollectibleWithdrawn",
    "Gameplay",
    "GameplaySettings",
    "LevelReached",
    "PlaceCollectibles",
    "PlacedCollectibles",
    "Placing",
    "Progress",
    "ProgressionRules",
]
