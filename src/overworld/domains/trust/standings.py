"""Where players stand, held in memory: the hot path of whoever gives something away asks nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from overworld.domains.trust import store
from overworld.domains.trust.messages import TrustChanged
from overworld.kernel.events import Envelope
from overworld.kernel.standing import UNSUSPECTED, Standing
from overworld.platform.postgres import Database

TOPICS = (TrustChanged.topic,)


class Standings:
    """A bounded cache of the table, fed by the tail of the log. Feed `on_events` before the ports open."""

    def __init__(self, *, database: Database, cached_max: int) -> None:
        self._database = database
        self._cached_max = cached_max
        self._known: dict[UUID, Standing] = {}

    def __len__(self) -> int:
        """How many players are held."""
        return len(self._known)

    async def standings(self, player_ids: Sequence[UUID]) -> Sequence[Standing]:
        """The standings, aligned. One round trip when somebody was not asked about before, else none."""
        known = self._known
        found = [known.get(player_id) for player_id in player_ids]
        missing = {player_id for player_id, one in zip(player_ids, found, strict=True) if one is None}
        if not missing:
            return [one for one in found if one is not None]
        async with self._database.read() as tx:
            read = await store.standings(tx, missing)
        # What the log told meanwhile is newer than what was read.
        fresh = {player_id: known.get(player_id) or read.get(player_id, UNSUSPECTED) for player_id in missing}
        for player_id in sorted(missing):
            self._keep(player_id, fresh[player_id])
        return [one or fresh[player_id] for player_id, one in zip(player_ids, found, strict=True)]

    async def on_events(self, envelopes: Sequence[Envelope]) -> None:
        """Takes what changed, wherever it was decided."""
        for envelope in envelopes:
            event = envelope.decode()
            if isinstance(event, TrustChanged):
                self._keep(event.player_id, Standing(event.score, event.gate))

    def _keep(self, player_id: UUID, standing: Standing) -> None:
        if player_id not in self._known and len(self._known) >= self._cached_max:
            del self._known[next(iter(self._known))]
        self._known[player_id] = standing
