"""Which definition of the game is in force: changed while players play, at once or with the window."""

from __future__ import annotations

from collections.abc import Mapping

from overworld.domains.gameplay.claims import Claims
from overworld.domains.gameplay.held.service import HeldRewards
from overworld.domains.gameplay.placing import Placing
from overworld.domains.gameplay.ports import ClaimRule
from overworld.domains.gameplay.rules import catalogue_of, spawn_table
from overworld.domains.gameplay.spawns import Spawns
from overworld.domains.gameplay.types import CollectibleRules, ProgressionRules
from overworld.kernel.money import Currency


class DefinitionInForce:
    """Everything in gameplay that a definition decides."""

    def __init__(self, *, spawns: Spawns, claims: Claims, placing: Placing, held: HeldRewards) -> None:
        self._spawns = spawns
        self._claims = claims
        self._placing = placing
        self._held = held

    def put(
        self,
        collectibles: CollectibleRules,
        progression: ProgressionRules,
        currencies: Mapping[str, Currency],
        *,
        rule: ClaimRule | None,
        spawns_from_us: int,
    ) -> None:
        """Judges claims by these from now on; what they let spawn does so from a window's begin on.

        Raises: ValueError, with nothing changed, for other spawn cells or windows than those of before.
        """
        table = spawn_table(collectibles, progression, currencies)
        self._spawns.begin(table, window=self._spawns.window_at(spawns_from_us))
        self._claims.put_in_force(collectibles, levels=progression.levels, rule=rule)
        self._placing.put_in_force(catalogue_of(collectibles, progression, currencies))
        self._held.put_in_force(currencies, levels=progression.levels)
