"""The world's doors: where fixes go in, and where others ask who is where."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from uuid import UUID

import numpy as np
from msgspec import Raw

from overworld.domains.world.engine.engine import Engine, Pass
from overworld.domains.world.engine.players import NO_SLOT
from overworld.domains.world.engine.search import FIRST
from overworld.domains.world.errors import OutOfSight, RadiusTooWide, UnknownEntityType
from overworld.domains.world.fences.triggers import Triggers
from overworld.domains.world.messages import PLAYER, EntityNearby, Fix, FixReport, Located, PlayerSeen, Verdict
from overworld.domains.world.ports import NearbySource
from overworld.domains.world.rules import SECOND_US
from overworld.domains.world.service.events import MovementEvents
from overworld.domains.world.service.intake import Intake, Reporter
from overworld.domains.world.service.sharing import FixSharing
from overworld.domains.world.types import WorldSettings
from overworld.geo.box import Box
from overworld.geo.columns import I64
from overworld.geo.sphere import distance_between_m
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Scope
from overworld.kernel.ports import FixColumns
from overworld.kernel.tick import Batch, Cadence, Stage, Tick, Timers

_MS_US = 1_000
# A place in memory is a slot below 2**24 and a generation: together a number that JSON holds exactly, below 2**53.
_SLOT_BITS = 24
_GENERATIONS = 2**29
_PLACE_DIGITS = 7
_PLAYERS_ALONE = frozenset({PLAYER})


class World:
    """Where everybody is. One per process; its state belongs to the event loop's thread.

    `on_cells_changed` is called with the room cells in which players came, moved or left, each at most `interest_hz`
    times a second: those that somebody listens to (`listen`), or all while `tells_every_cell`. Packed frames of what is
    around a player come from `interest`. `on_crossed` after a pass with the players whose last fix lies in another
    room cell than the one before, and `on_told` with the pass, once what is told of it is chosen. `tick`, `cadence` and
    `engine` are public for what is measured of them; `expired` counts players who left for want of a fix.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        events: MovementEvents,
        sharing: FixSharing | None,
        clock: Clock,
        loop: Timers,
        triggers: Triggers,
        settings: WorldSettings,
        sources: Sequence[NearbySource] = (),
    ) -> None:
        self.engine = engine
        self.interest = engine.interest
        self.tells_every_cell = True
        self.expired = 0
        self.on_cells_changed: Callable[[Sequence[int]], None] = _nobody_listens
        self.on_crossed: Callable[[Sequence[UUID]], None] = _nobody_minds
        self.on_told: Callable[[Pass], None] = _nobody_records
        self._events = events
        self._sharing = sharing
        self._clock = clock
        self._settings = settings
        self._sources = {source.type: source for source in sources}
        self._intake = Intake(engine=engine, clock=clock, triggers=triggers)
        self.tick = Tick(
            name="world",
            stages=[
                Stage("ingest", self._ingest),
                Stage("validate", engine.validate),
                Stage("move", engine.move),
                Stage("trigger", triggers.run),
                Stage("interest", self._interest),
                Stage("emit", self._emit),
            ],
            failed=self._intake.fail,
            loop=loop,
            monotonic_s=clock.monotonic_s,
            records_max=settings.inbox_max,
            gap_s=settings.pass_gap_ms / 1_000,
            budget_s=settings.pass_budget_ms / 1_000,
        )
        self._intake.tick = self.tick
        triggers.on_full = self.tick.hold
        self.cadence = Cadence(
            publish=self._publish,
            loop=loop,
            monotonic_s=clock.monotonic_s,
            every_s=1 / settings.interest_hz,
            slices=settings.slices,
        )
        self.interest.on_stir = self.cadence.wake

    @property
    def judged(self) -> I64:
        """How many verdicts there were so far, by the number of their reason, 0 being accepted, (256,)."""
        return self.engine.judged

    def add_source(self, source: NearbySource) -> None:
        """Shows another domain's entities in `nearby` too, under the source's type."""
        self._sources[source.type] = source

    def submit(self, player_id: UUID, report: FixReport, *, own_timeline: bool = False) -> asyncio.Future[Verdict]:
        """The coming verdict on a fix. Fixes of one player are judged in the order of the calls.

        `own_timeline` (for callers with the scope `world.replay`) judges order, speed and acceleration by the fix's
        own time, and leaves the comparison with the server's clock out. To change between the two begins a new track.
        Raises: BadPosition when the place or the time is none; Busy when no more fixes, or players, are taken.
        """
        return self._intake.submit(player_id, report, own_timeline=own_timeline)

    def report(self, player_id: UUID, data: Raw | bytes, *, own_timeline: bool = False) -> asyncio.Future[Verdict]:
        """The same for a fix that is still JSON. Raises: BadPosition when it is malformed; as `submit`."""
        return self._intake.report(player_id, data, own_timeline=own_timeline)

    def open(self, player_id: UUID, *, own_timeline: bool = False, tell: Callable[[bytes], None]) -> Reporter:
        """A way in for packed fixes of a player, judged in order with all others. `tell` gets frames of verdicts.

        Raises: Busy when no more players are taken.
        """
        return self._intake.open(player_id, own_timeline=own_timeline, tell=tell)

    def last_fix(self, player_id: UUID) -> Fix | None:
        """The last fix of a player accepted by this process, if it is younger than 5 minutes.

        None also while the player's refused fixes speak for another place: until it is settled which one is true,
        nothing is earned in either. And none while the player travels in a mode by which nothing is earned.
        """
        slot = self.engine.players.slot(player_id)
        if slot == NO_SLOT or not self.engine.earning([slot])[0]:
            return None
        return self._kept_fix(slot)

    async def get(self, player_ids: Sequence[UUID]) -> FixColumns:
        """The last fixes of players, aligned with `player_ids`, (n,): the newer of ours and what other servers share.

        No round trip in a single process, one at most with several. Raises: Fault when the database is gone.
        """
        if self._sharing is None:
            return self._own_fixes(player_ids)
        fixes = [self.last_fix(player_id) for player_id in player_ids]
        await self._sharing.take_newer(player_ids, fixes, now_us=self._clock.now_us(), anchored=True)
        return FixColumns(
            known=[fix is not None for fix in fixes],
            lat_deg=[fix.lat_deg if fix else 0.0 for fix in fixes],
            lng_deg=[fix.lng_deg if fix else 0.0 for fix in fixes],
            at_us=[fix.at_us if fix else 0 for fix in fixes],
        )

    async def places(self, player_ids: Sequence[UUID]) -> list[Fix | None]:
        """Where players look from, aligned with `player_ids`, (n,): their last accepted fix, here or on another server.

        No round trip in a single process, one at most with several. Raises: Fault when the database is gone.
        """
        fixes = [self._kept_fix(self.engine.players.slot(player_id)) for player_id in player_ids]
        if self._sharing is not None:
            await self._sharing.take_newer(player_ids, fixes, now_us=self._clock.now_us(), anchored=False)
        return fixes

    def sight_refusal(
        self, place: Fix | None, lat_deg: float, lng_deg: float, scopes: AbstractSet[str]
    ) -> OutOfSight | None:
        """None when one may look from a place at another: within 3 km, or with the scope `world.read` from anywhere."""
        sight_m = self._settings.sight_m
        if Scope.WORLD_READ in scopes:
            return None
        if place is None or distance_between_m(place.lat_deg, place.lng_deg, lat_deg, lng_deg) > sight_m:
            return OutOfSight(sight_m=sight_m)
        return None

    async def require_in_sight(self, player_id: UUID, lat_deg: float, lng_deg: float, scopes: AbstractSet[str]) -> None:
        """Passes when a place is within 3 km of the player's last accepted fix, or the scopes hold `world.read`.

        Raises: OutOfSight otherwise, and when there is no such fix; Fault as `places`.
        """
        if Scope.WORLD_READ in scopes:
            return
        [place] = await self.places([player_id])
        if refusal := self.sight_refusal(place, lat_deg, lng_deg, scopes):
            raise refusal

    def players_in(self, cells: Sequence[int], *, viewer_id: UUID | None = None) -> list[PlayerSeen]:
        """The players in some room cells but the viewer, at the centres of their coarse cells, in a stable order.

        Of a crowded cell it gives `seen_per_cell_max`.
        """
        seen = self.engine.present(cells)
        viewer = NO_SLOT if viewer_id is None else self.engine.players.slot(viewer_id)
        rows = zip(seen.slot.tolist(), seen.lat_deg.tolist(), seen.lng_deg.tolist(), strict=True)
        players = self.engine.players
        return [PlayerSeen(id=players.id(slot), lat=lat, lng=lng) for slot, lat, lng in sorted(rows) if slot != viewer]

    async def nearby(
        self,
        *,
        viewer_id: UUID,
        scopes: AbstractSet[str],
        lat_deg: float,
        lng_deg: float,
        radius_m: float,
        types: AbstractSet[str] = frozenset(),
        after: tuple[float, str] = FIRST,
        limit: int,
    ) -> list[EntityNearby]:
        """The first `limit` entities around a place by (distance, id), after the last one of the page before.

        No types means all. Players are shown as strangers are; the viewer is left out.
        Raises: UnknownEntityType; RadiusTooWide; OutOfSight.
        """
        if types != _PLAYERS_ALONE and not types <= (known := {PLAYER, *self._sources}):
            raise UnknownEntityType(known=sorted(known))
        if radius_m > self._settings.nearby_radius_max_m:
            raise RadiusTooWide(radius_max_m=self._settings.nearby_radius_max_m)
        await self.require_in_sight(viewer_id, lat_deg, lng_deg, scopes)
        found: list[EntityNearby] = []
        if not types or PLAYER in types:
            found += self._players_near(lat_deg, lng_deg, radius_m, viewer_id=viewer_id, after=after, limit=limit)
        if types == _PLAYERS_ALONE:
            return found
        for name, source in self._sources.items():
            if not types or name in types:
                found += await source.nearby(
                    viewer_id=viewer_id, lat_deg=lat_deg, lng_deg=lng_deg, radius_m=radius_m, after=after, limit=limit
                )
        return sorted(found, key=lambda entity: (entity.distance_m, entity.id))[:limit]

    def located(self, box: Box, *, limit: int) -> Located:
        """The exact places of the players of this process in a box: for who may see the whole world, `world.read`.

        Of more than `limit` the first are given, the same ones every time. Looks at every player in memory: 5 ms for a
        million.
        """
        slots = self.engine.within(box)
        given, players = slots[:limit], self.engine.players
        return Located(
            count=slots.size,
            id=self._located_ids(given),
            lat=players.lat_deg[given].round(_PLACE_DIGITS).tolist(),
            lng=players.lng_deg[given].round(_PLACE_DIGITS).tolist(),
        )

    def located_id(self, player_id: UUID) -> int | None:
        """What `located` calls a player; None when this process knows nothing of them."""
        slot = self.engine.players.slot(player_id)
        return None if slot == NO_SLOT else self._located_ids(np.array([slot]))[0]

    def located_player(self, located_id: int) -> UUID | None:
        """Whom `located` calls so; None when that was somebody who is here no more."""
        slot, players = located_id & ((1 << _SLOT_BITS) - 1), self.engine.players
        if slot >= players.generation.size or self._located_ids(np.array([slot])) != [located_id]:
            return None
        try:
            return players.id(slot)
        except LookupError:
            return None

    def _located_ids(self, slots: I64) -> list[int]:
        generation = self.engine.players.generation[slots].astype(np.int64) % _GENERATIONS
        ids: list[int] = (generation << _SLOT_BITS | slots).tolist()
        return ids

    def listen(self, cell: int) -> None:
        """Has `on_cells_changed` tell of a room cell; as many times as asked for, `unlisten` must end it."""
        self.engine.index.listen(cell, 1)

    def unlisten(self, cell: int) -> None:
        """Takes one `listen` back."""
        self.engine.index.listen(cell, -1)
        self.cadence.wake()

    def around_cells(self, lat_deg: float, lng_deg: float, radius_m: float, cells_max: int) -> list[int]:
        """The room cells within a radius of anywhere in the room cell of a place, nearest first; at most so many."""
        return self.engine.around_cells(lat_deg, lng_deg, radius_m, cells_max)

    def leave(self, player_id: UUID) -> None:
        """Takes a player out of sight of others. Its track and its last fix are kept."""
        slot = self.engine.players.slot(player_id)
        if slot != NO_SLOT:
            self.engine.leave(slot)
            self.cadence.wake()

    def show(self, player_id: UUID, *, visible: bool) -> None:
        """Lets others see a player from its next fix on, or takes it out of their sight now.

        What is kept for the player itself, its track, its last fix and its place to look from, is the same either way.
        """
        self.engine.hide(player_id, hidden=not visible)
        self.cadence.wake()

    def is_visible(self, player_id: UUID) -> bool:
        """Whether others may see a player, wherever it is."""
        return not self.engine.players.is_hidden(player_id)

    def expire(self) -> None:
        """Takes out of sight who has no accepted fix for 5 minutes."""
        gone = self.engine.expire(now_us=self._clock.now_us())
        if gone:
            self.expired += gone
            self.cadence.wake()

    def forget(self) -> None:
        """Forgets the tracks of those who have been silent for a day: wherever they come up next is believed."""
        self.engine.forget(now_us=self._clock.now_us())

    def close(self) -> None:
        """Judges what waits and publishes no more."""
        self.tick.flush()
        self.cadence.stop()

    def _ingest(self, batch: Batch) -> Pass:
        self._intake.take()
        return self.engine.ingest(batch, now_us=self._clock.now_us())

    def _interest(self, batch: Pass) -> Pass:
        if self.engine.index.changed:
            self.cadence.wake()
        return batch

    def _emit(self, batch: Pass) -> None:
        self._events.tell(self.engine.choose_told(batch))
        self._events.tell_observed()
        self.on_told(batch)
        self._intake.tell(batch)
        crossed = self.engine.crossed(batch)
        if crossed:
            self.on_crossed([self.engine.players.id(slot) for slot in crossed])

    def _publish(self, part: int) -> bool:
        began_s = self._clock.monotonic_s()
        if part == 0:
            began_s = self._begin_period(began_s)
        self.interest.serve(part)
        self.interest.serve_s += self._clock.monotonic_s() - began_s
        return self.interest.busy

    def _begin_period(self, began_s: float) -> float:
        """Encodes what changed and tells listeners of it; gives when that was done."""
        self.interest.encode(now_ms=self._clock.now_us() // _MS_US)
        changed = self.engine.index.take_changed(every=self.tells_every_cell)
        encoded_s = self._clock.monotonic_s()
        self.interest.encode_s += encoded_s - began_s
        if changed:
            self.on_cells_changed(changed)
        return encoded_s

    def _own_fixes(self, player_ids: Sequence[UUID]) -> FixColumns:
        """What `last_fix` gives for each, (n,), as columns; in one go, as nearly all that a claim asks is this."""
        players = self.engine.players
        slots: I64 = np.array([players.slot(player_id) for player_id in player_ids], np.int64)
        at_us = players.at_us[slots]
        since_us = max(1, self._clock.now_us() - self._settings.fix_kept_s * SECOND_US)
        known = (slots != NO_SLOT) & (at_us >= since_us) & self.engine.earning(slots)
        return FixColumns(
            known=known.tolist(),
            lat_deg=players.lat_deg[slots].tolist(),
            lng_deg=players.lng_deg[slots].tolist(),
            at_us=at_us.tolist(),
        )

    def _kept_fix(self, slot: int) -> Fix | None:
        """The last accepted fix in a slot, or in none, if it is young enough."""
        players = self.engine.players
        at_us = 0 if slot == NO_SLOT else int(players.at_us[slot])
        if at_us == 0 or at_us < self._clock.now_us() - self._settings.fix_kept_s * SECOND_US:
            return None
        return Fix(float(players.lat_deg[slot]), float(players.lng_deg[slot]), at_us)

    def _players_near(
        self,
        lat_deg: float,
        lng_deg: float,
        radius_m: float,
        *,
        viewer_id: UUID,
        after: tuple[float, str],
        limit: int,
    ) -> list[EntityNearby]:
        viewer = self.engine.players.slot(viewer_id)
        near = self.engine.near(lat_deg, lng_deg, radius_m, limit=limit, viewer=viewer, after=after)
        return [
            EntityNearby(id=one, type=PLAYER, lat=lat, lng=lng, distance_m=distance_m)
            for one, lat, lng, distance_m in zip(near.id, near.lat_deg, near.lng_deg, near.distance_m, strict=True)
        ]


def _nobody_listens(_cells: Sequence[int]) -> None:
    """What `on_cells_changed` is until the socket asks to be told."""


def _nobody_minds(_player_ids: Sequence[UUID]) -> None:
    """What `on_crossed` is until the socket asks to be told."""


def _nobody_records(_batch: Pass) -> None:
    """What `on_told` is until there is a history."""
