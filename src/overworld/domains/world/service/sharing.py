"""Last fixes that several servers share through the database: written a moment behind, read where ours are old."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np

from overworld.domains.world import store
from overworld.domains.world.engine.engine import Engine
from overworld.domains.world.engine.players import NO_SLOT
from overworld.domains.world.messages import Fix
from overworld.domains.world.rules import SECOND_US
from overworld.geo.columns import I64
from overworld.kernel.clock import Clock
from overworld.platform.postgres import Database

_FRESH_US = 2 * SECOND_US


class FixSharing:
    """Tells other servers where our players are, and asks where theirs are."""

    def __init__(self, *, engine: Engine, database: Database, clock: Clock, kept_s: int) -> None:
        self._engine = engine
        self._database = database
        self._clock = clock
        self._kept_us = kept_s * SECOND_US
        self._next = 0

    async def write(self) -> None:
        """Writes the fixes that others have not been told of, in one statement. Raises: Fault, and tells them later."""
        players = self._engine.players
        slots = self._turn(players.unshared.nonzero()[0])
        if not slots:
            return
        fixes = store.SharedFixes(
            player_id=[players.id(slot) for slot in slots],
            lat_deg=players.lat_deg[slots].tolist(),
            lng_deg=players.lng_deg[slots].tolist(),
            at_us=players.at_us[slots].tolist(),
            anchored=self._engine.earning(slots).tolist(),
        )
        players.unshared[slots] = 0
        try:
            async with self._database.transaction() as tx:
                await store.write_fixes(tx, fixes)
        except Exception:
            self._mark(fixes.player_id)
            raise

    def _turn(self, waiting: I64) -> list[int]:
        """The first that wait after those of the last turn, so that nobody waits for ever when there are too many."""
        first = int(np.searchsorted(waiting, self._next))
        slots: list[int] = np.concatenate([waiting[first:], waiting[:first]])[: store.FIXES_MAX].tolist()
        self._next = slots[-1] + 1 if slots else 0
        return slots

    async def delete_old(self) -> None:
        """Deletes fixes that nobody reads any more. Raises: Fault."""
        async with self._database.transaction() as tx:
            await store.delete_fixes(tx, before_us=self._clock.now_us() - self._kept_us)

    async def take_newer(
        self, player_ids: Sequence[UUID], fixes: list[Fix | None], *, now_us: int, anchored: bool
    ) -> None:
        """Puts what others know in the place of fixes that are absent or older than 2 s, where it is newer.

        With `anchored` only what may be earned by. `fixes` is aligned with `player_ids`, (n,), and changed. One round
        trip, or none when all are fresh. Raises: Fault.
        """
        old = [i for i, fix in enumerate(fixes) if fix is None or fix.at_us < now_us - _FRESH_US]
        if not old:
            return
        async with self._database.read() as tx:
            shared = await store.read_fixes(
                tx, [player_ids[i] for i in old], since_us=now_us - self._kept_us, anchored=anchored
            )
        for i in old:
            ours, theirs = fixes[i], shared.get(player_ids[i])
            if theirs is not None and (ours is None or theirs.at_us > ours.at_us):
                fixes[i] = theirs

    def _mark(self, player_ids: Sequence[UUID]) -> None:
        for player_id in player_ids:
            slot = self._engine.players.slot(player_id)
            if slot != NO_SLOT:
                self._engine.players.unshared[slot] = 1
