"""The log becomes standings: a slice of facts, one transaction, sets in and sets out, each fact exactly once.

Locks, in this order: the model, the players by id, stretches of tracks by hash, the outbox, devices by place and
player. Whoever decides about a player, or lets gates open, locks players and the outbox alone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

from overworld.domains.trust import rules as rule
from overworld.domains.trust import store
from overworld.domains.trust.core import Heard, Places, Recent, assess, heard
from overworld.domains.trust.model import VERSION, Model
from overworld.domains.trust.standing import settle
from overworld.domains.trust.tracks import Tracks
from overworld.domains.trust.types import Evidence, Fact, Kind, PlayerState, SignedIn, TrustRules, Window
from overworld.kernel.clock import Clock, from_us
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Outbox, Tx

NAME = "trust"
_AT_ONCE = 64
"""So many facts are assessed before others get their turn."""


class Folding:
    """Takes facts in the transaction that moves the cursor of the log; one runs at a time, on one server.

    `windows` counts those assessed and `found` the evidence by kind, in this process.
    """

    def __init__(self, *, clock: Clock, ids: IdSource, outbox: Outbox, rules: TrustRules) -> None:
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._rules = rules
        self._recent = Recent()
        self._model: Model | None = None
        self.windows = 0
        self.found: Counter[Kind] = Counter()

    async def warm(self) -> None:
        """Imports the model and grows its trees, in a thread, so that the first windows do not stop the loop for it.

        Call it before the server is ready.
        """
        await asyncio.to_thread(Model.warm)

    async def apply(self, tx: Tx, facts: Sequence[Fact]) -> None:
        """Takes facts in their order. A dozen round trips at most, however many; claims alone mostly ask for none."""
        signed_in = [fact for fact in facts if isinstance(fact, SignedIn) and fact.place is not None]
        places = await self._places(tx, signed_in)
        said = self._heard(facts, places)
        windows = [one for one in said if isinstance(one, Window)]
        model = await self._model_in_step(tx) if windows else None
        if said:
            await self._take(tx, said, await self._tracks(tx, windows), model)
        await store.add_devices(tx, {(fact.place or b"", fact.player_id): fact.at_us for fact in signed_in})
        if model is not None:
            await store.save_model(tx, VERSION, seen=model.seen, state=model.saved(), at=self._clock.now())
        self.windows += len(windows)

    async def _take(self, tx: Tx, said: Sequence[Window | Heard], tracks: Tracks, model: Model | None) -> None:
        rows = await store.lock(tx, _concerned(said, tracks))
        states = {player_id: row.state for player_id, row in rows.items()}
        found, last_us = await self._assessed(said, states, tracks=tracks, model=model)
        changed = [rows[player_id] for player_id in sorted(last_us)]
        told = [settle(row, from_us(last_us[row.id]), self._rules) for row in changed]
        await store.write(tx, changed)
        await store.add_evidence(tx, self._ids.many(len(found)), found, model=VERSION)
        await store.add_shingles(tx, tracks.taken())
        await self._outbox.append(tx, [event for event in told if event is not None], at=self._clock.now())
        self.found.update(one.kind for one in found)

    def _heard(self, facts: Iterable[Fact], places: Places) -> list[Window | Heard]:
        said = (heard(fact, recent=self._recent, places=places, rules=self._rules) for fact in facts)
        return [one for ones in said for one in ones]

    async def _model_in_step(self, tx: Tx) -> Model:
        """The model as the last committed fold left it, locked.

        The one in memory, unless a transaction was lost or another server folded meanwhile.
        """
        seen = await store.model_seen(tx, VERSION)
        if self._model is None or self._model.seen != seen:
            self._model = Model.restored(await store.model_state(tx, VERSION)) if seen else Model()
        return self._model

    async def _tracks(self, tx: Tx, windows: Sequence[Window]) -> Tracks:
        tracks = Tracks()
        shingles = tracks.missing(shingle for window in windows for shingle in window.shingles)
        tracks.load(await store.shingles(tx, shingles))
        return tracks

    async def _places(self, tx: Tx, signed_in: Iterable[SignedIn]) -> Places:
        places = Places()
        known = await store.devices(tx, {fact.place for fact in signed_in if fact.place is not None})
        for place, player_ids in known.items():
            places.load(place, player_ids)
        return places

    async def _assessed(
        self,
        said: Sequence[Window | Heard],
        states: dict[UUID, PlayerState],
        *,
        tracks: Tracks,
        model: Model | None,
    ) -> tuple[list[Evidence], dict[UUID, int]]:
        """The evidence, and for each player whose state changed the time of the last fact that changed it."""
        found: list[Evidence] = []
        last_us: dict[UUID, int] = {}
        for i, one in enumerate(said):
            assessed = assess(one, states, tracks=tracks, model=model, rules=self._rules)
            for player_id in assessed.player_ids:
                last_us[player_id] = max(one.at_us, last_us.get(player_id, 0))
            found += assessed.evidence
            if i % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
        return found, last_us


def _concerned(said: Iterable[Window | Heard], tracks: Tracks) -> set[UUID]:
    """Everybody whose state may change: those of the facts, and who led one of the windows' tracks just before."""
    concerned = {one.player_id for one in said}
    for one in said:
        if isinstance(one, Window):
            concerned |= rule.leaders(one, tracks).keys()
    return concerned
