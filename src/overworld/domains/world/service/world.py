"""The world's doors: where fixes go in, and where others ask who is where."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from uuid import UUID

import msgspec
import numpy as np
from msgspec import Raw

from overworld.domains.world.engine.engine import Engine, Pass, flags_of
from overworld.domains.world.engine.players import NO_SLOT
from overworld.domains.world.engine.search import FIRST
from overworld.domains.world.engine.verdicts import GONE
from overworld.domains.world.errors import BadPosition, OutOfSight, RadiusTooWide, UnknownEntityType
from overworld.domains.world.messages import PLAYER, EntityNearby, Fix, FixReport, Located, PlayerSeen, Verdict
from overworld.domains.world.ports import NearbySource
from overworld.domains.world.rules import LAT_MAX_DEG, LNG_MAX_DEG, SECOND_US
from overworld.domains.world.service.events import MovementEvents
from overworld.domains.world.service.sharing import FixSharing
from overworld.domains.world.types import Reason, WorldSettings
from overworld.geo import cells as geo_cells
from overworld.geo.box import Box
from overworld.geo.columns import I64
from overworld.geo.sphere import distance_between_m
from overworld.kernel.clock import FIRST_US, LAST_US, Clock, to_us
from overworld.kernel.identity import Scope
from overworld.kernel.ports import FixColumns
from overworld.kernel.refusals import Busy
from overworld.kernel.tick import Batch, Cadence, Stage, Tick, Timers

_RECORD = struct.Struct("<IIqddffII")
_REFUSED: dict[Reason, Verdict] = {
    reason: Verdict(accepted=False, reason=reason.wire) for reason in Reason if reason is not Reason.NONE
}
_REPORT = msgspec.json.Decoder(FixReport)
_REASONS = 256
# A place in memory is a slot below 2**24 and a generation: together a number that JSON holds exactly, below 2**53.
_SLOT_BITS = 24
_GENERATIONS = 2**29
_PLACE_DIGITS = 7


class World:
    """Where everybody is. One per process; its state belongs to the event loop's thread.

    `on_cells_changed` is called with the room cells in which players came, moved or left, each at most `interest_hz`
    times a second. `tick`, `cadence` and `engine` are public for what is measured of them; `judged` counts verdicts by
    the number of their reason, (256,), 0 being accepted; `expired` players who left for want of a fix.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        events: MovementEvents,
        sharing: FixSharing | None,
        clock: Clock,
        loop: Timers,
        settings: WorldSettings,
        sources: Sequence[NearbySource] = (),
    ) -> None:
        self.engine = engine
        self.expired = 0
        self.judged: I64 = np.zeros(_REASONS, np.int64)
        self.on_cells_changed: Callable[[Sequence[int]], None] = _nobody_listens
        self._events = events
        self._sharing = sharing
        self._clock = clock
        self._settings = settings
        self._sources = {source.type: source for source in sources}
        self._waiting: list[asyncio.Future[Verdict]] = []
        self._taken: list[asyncio.Future[Verdict]] = []
        self.tick = Tick(
            name="world",
            record_bytes=_RECORD.size,
            stages=[
                Stage("ingest", self._ingest),
                Stage("validate", engine.validate),
                Stage("move", engine.move),
                Stage("interest", self._interest),
                Stage("emit", self._emit),
            ],
            failed=self._fail,
            loop=loop,
            monotonic_s=clock.monotonic_s,
            records_max=settings.inbox_max,
            gap_s=settings.pass_gap_ms / 1_000,
            budget_s=settings.pass_budget_ms / 1_000,
        )
        self.cadence = Cadence(
            publish=self._publish,
            loop=loop,
            monotonic_s=clock.monotonic_s,
            every_s=1 / settings.interest_hz,
            slices=settings.interest_slices,
        )

    def add_source(self, source: NearbySource) -> None:
        """Shows another domain's entities in `nearby` too, under the source's type."""
        self._sources[source.type] = source

    def submit(self, player_id: UUID, report: FixReport, *, own_timeline: bool = False) -> asyncio.Future[Verdict]:
        """The coming verdict on a fix. Fixes of one player are judged in the order of the calls.

        `own_timeline` (for callers with the scope `world.replay`) judges order, speed and acceleration by the fix's
        own time, and leaves the comparison with the server's clock out. To change between the two begins a new track.
        Raises: BadPosition when the place or the time is none; Busy when no more fixes, or players, are taken.
        """
        time_us = to_us(report.timestamp)
        if not (abs(report.lat) <= LAT_MAX_DEG and abs(report.lng) <= LNG_MAX_DEG and FIRST_US <= time_us <= LAST_US):
            raise BadPosition(errors=_out_of_bounds(report, time_us))
        players = self.engine.players
        slot = players.admit(player_id, now_us=self._clock.now_us())
        if slot == NO_SLOT:
            raise Busy("world takes no more players for the moment")
        record = _RECORD.pack(
            slot,
            int(players.generation[slot]),
            time_us,
            report.lat,
            report.lng,
            math.nan if report.accuracy_m is None else report.accuracy_m,
            math.nan if report.altitude_m is None else report.altitude_m,
            flags_of(own_timeline=own_timeline, mock=report.mock),
            0,
        )
        self.tick.put(record)
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting.append(verdict)
        return verdict

    def report(self, player_id: UUID, data: Raw | bytes, *, own_timeline: bool = False) -> asyncio.Future[Verdict]:
        """The same for a fix that is still JSON. Raises: BadPosition when it is malformed; as `submit`."""
        try:
            report = _REPORT.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise BadPosition(errors=[{"path": "data", "reason": str(error)[:200]}]) from error
        return self.submit(player_id, report, own_timeline=own_timeline)

    def last_fix(self, player_id: UUID) -> Fix | None:
        """The last fix of a player accepted by this process, if it is younger than 5 minutes.

        None also while the player's refused fixes speak for another place: until it is settled which one is true,
        nothing is earned in either.
        """
        slot = self.engine.players.slot(player_id)
        if slot == NO_SLOT or not self.engine.is_anchored(slot):
            return None
        return self._kept_fix(slot)

    async def get(self, player_ids: Sequence[UUID]) -> FixColumns:
        """The last fixes of players, aligned with `player_ids`, (n,): the newer of ours and what other servers share.

        No round trip in a single process, one at most with several. Raises: Fault when the database is gone.
        """
        fixes = [self.last_fix(player_id) for player_id in player_ids]
        if self._sharing is not None:
            await self._sharing.take_newer(player_ids, fixes, now_us=self._clock.now_us())
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
            await self._sharing.take_newer(player_ids, fixes, now_us=self._clock.now_us())
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
        known = {PLAYER, *self._sources}
        if not types <= known:
            raise UnknownEntityType(known=sorted(known))
        if radius_m > self._settings.nearby_radius_max_m:
            raise RadiusTooWide(radius_max_m=self._settings.nearby_radius_max_m)
        await self.require_in_sight(viewer_id, lat_deg, lng_deg, scopes)
        found: list[EntityNearby] = []
        if not types or PLAYER in types:
            found += self._players_near(lat_deg, lng_deg, radius_m, viewer_id=viewer_id, after=after, limit=limit)
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
        generation = players.generation[given].astype(np.int64) % _GENERATIONS
        return Located(
            count=slots.size,
            id=(generation << _SLOT_BITS | given).tolist(),
            lat=players.lat_deg[given].round(_PLACE_DIGITS).tolist(),
            lng=players.lng_deg[given].round(_PLACE_DIGITS).tolist(),
        )

    def leave(self, player_id: UUID) -> None:
        """Takes a player out of sight of others. Its track and its last fix are kept."""
        slot = self.engine.players.slot(player_id)
        if slot != NO_SLOT:
            self.engine.leave(slot)
            self.cadence.wake()

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
        self._taken, self._waiting = self._waiting, []
        return self.engine.ingest(batch.records, now_us=self._clock.now_us())

    def _interest(self, batch: Pass) -> Pass:
        if self.engine.index.changed:
            self.cadence.wake()
        return batch

    def _emit(self, batch: Pass) -> None:
        self.judged += np.bincount(batch.judged.reason, minlength=_REASONS)
        self._events.tell(self.engine.choose_told(batch))
        for verdict, reason, cell in zip(
            self._taken, batch.judged.reason.tolist(), batch.judged.cell.tolist(), strict=True
        ):
            if verdict.done():
                continue
            if reason == 0:
                verdict.set_result(Verdict(accepted=True, cell=geo_cells.token(cell)))
            elif reason == GONE:
                verdict.set_exception(Busy("the player was forgotten meanwhile; send the fix again"))
            else:
                verdict.set_result(_REFUSED[Reason(reason)])
        self._taken = []

    def _fail(self, error: Exception) -> None:
        for verdict in self._taken:
            if not verdict.done():
                verdict.set_exception(error)
        self._taken = []

    def _publish(self, part: int) -> bool:
        changed = self.engine.take_changed(part)
        if changed:
            self.on_cells_changed(changed)
        return self.engine.index.changed > 0

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
            EntityNearby(id=id, type=PLAYER, lat=lat, lng=lng, distance_m=distance_m)
            for id, lat, lng, distance_m in zip(near.id, near.lat_deg, near.lng_deg, near.distance_m, strict=True)
        ]


def _out_of_bounds(report: FixReport, time_us: int) -> list[dict[str, str]]:
    """What is wrong with the place, and with a time that its offset moves out of the years there are."""
    bounds = (("lat", report.lat, LAT_MAX_DEG), ("lng", report.lng, LNG_MAX_DEG))
    errors = [
        {"path": name, "reason": f"Expected a number of degrees between -{bound:g} and {bound:g}"}
        for name, value, bound in bounds
        if not abs(value) <= bound
    ]
    if not FIRST_US <= time_us <= LAST_US:
        errors.append({"path": "timestamp", "reason": "Expected a time in the years 1 to 9999 UTC"})
    return errors


def _nobody_listens(_cells: Sequence[int]) -> None:
    """What `on_cells_changed` is until the socket asks to be told."""
