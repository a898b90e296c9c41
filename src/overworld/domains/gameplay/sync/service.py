"""Calls from devices that had no network: first judged, and that kept; then done.

Judging is a batch: the players' rows are locked, what was found before under the same `request_id`s is read, the rest
is judged, and verdicts and devices are written. An action that is believed is then handed to whoever answers its kind
at any time, in its order, under its `request_id`. A call that breaks off in between can be sent again: its
verdicts stand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from itertools import groupby
from uuid import UUID

from overworld.domains.gameplay import store as players
from overworld.domains.gameplay.messages import AsOf
from overworld.domains.gameplay.sync import store
from overworld.domains.gameplay.sync.errors import UnknownAction
from overworld.domains.gameplay.sync.messages import OfflineAction, SyncActions, SyncBody, Synced, SyncItem
from overworld.domains.gameplay.sync.ports import Act
from overworld.domains.gameplay.sync.rules import Hearing, Verdict, name_hash
from overworld.domains.gameplay.sync.types import Device, Place, Terms
from overworld.kernel.batch import GroupCommit, Lanes
from overworld.kernel.clock import Clock, to_us
from overworld.kernel.identity import Principal
from overworld.kernel.ports import FixColumns, LastFix
from overworld.kernel.refusals import Busy, Refusal
from overworld.platform.postgres import Database, run_again
from overworld.platform.postgres.idempotency import RETENTION, Keyed, KeyTaken, keyed, recall, remember, repeated

_RUNS_MAX = 16
_CALLS_MAX = 8
_QUEUE_MAX = 1_024
_AT_ONCE = 128


class Sync:
    """What devices tell of the time without a network. `close` lets the calls that are being judged finish."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        last_fix: LastFix,
        acts: Mapping[str, Act],
        terms: Terms,
        lanes: int = 2,
    ) -> None:
        self._database = database
        self._clock = clock
        self._last_fix = last_fix
        self._acts = acts
        self._terms = terms
        self.lanes = Lanes[SyncActions, Sequence[Verdict]](
            lanes, make=self._lane, key=lambda command: command.principal.account_id
        )

    def _lane(self, i: int) -> GroupCommit[SyncActions, Sequence[Verdict]]:
        return GroupCommit(
            name=f"sync-{i}",
            run=self.judged,
            queue_max=_QUEUE_MAX,
            batch_max=_CALLS_MAX,
            monotonic_s=self._clock.monotonic_s,
        )

    async def sync(self, command: SyncActions) -> Synced:
        """What became of each action; those that were told of before are answered as then. Raises: Busy."""
        received_at = self._clock.now()
        verdicts = await self.lanes.submit(command)
        items: list[SyncItem] = []
        told = list(zip(command.body.actions, verdicts, strict=True))
        for name, together in groupby(told, key=lambda one: one[0].action):
            one_kind = list(together)
            for first in range(0, len(one_kind), _AT_ONCE):
                part = one_kind[first : first + _AT_ONCE]
                items += await asyncio.gather(*(self._done(command.principal, name, *one) for one in part))
        return Synced(received_at, items)

    async def close(self) -> None:
        """Lets the calls that are being judged finish, and refuses new ones."""
        await self.lanes.close()

    async def forget_devices(self, *, rows_max: int) -> int:
        """Drops devices of which nothing can count any more, at most `rows_max`; gives how many. One transaction."""
        async with self._database.transaction() as tx:
            return await store.forget(tx, self._clock.now() - RETENTION, rows_max=rows_max)

    async def _done(self, principal: Principal, name: str, action: OfflineAction, verdict: Verdict) -> SyncItem:
        if isinstance(verdict, Refusal):
            return _rejected(action, verdict)
        try:
            answer = await self._acts[name](principal, action, verdict)
        except Refusal as refusal:
            return _rejected(action, refusal)
        return SyncItem(
            request_id=action.request_id,
            action=name,
            status="replayed" if answer.replayed else "applied",
            result=answer.value,
        )

    async def judged(self, commands: Sequence[SyncActions]) -> list[Sequence[Verdict]]:
        """The verdicts on the actions of each call, (n,), exactly as if the calls had come one after another.

        Raises: Busy when others keep using the same keys.
        """
        player_ids = sorted({command.principal.account_id for command in commands})
        fixes = dict(zip(player_ids, _places(await self._last_fix.get(player_ids)), strict=True))
        for _ in range(_RUNS_MAX):
            try:
                return await run_again(partial(self._judged_once, commands, fixes))
            except KeyTaken:
                continue
        raise Busy("others keep using the same keys")

    async def _judged_once(
        self, commands: Sequence[SyncActions], fixes: Mapping[UUID, Place | None]
    ) -> list[Sequence[Verdict]]:
        uses = [[_use(command.principal.account_id, one) for one in command.body.actions] for command in commands]
        async with self._database.transaction() as tx:
            await players.lock_players(tx, list(fixes))
            now = self._clock.now()
            known = await store.devices(tx, list(fixes), since=now - RETENTION)
            kept = iter(await recall(tx, [use for of_call in uses for use in of_call], answer=AsOf))
            court = _Court(known, fixes, kinds=self._acts, now_us=to_us(now), terms=self._terms)
            verdicts: list[Sequence[Verdict]] = []
            for command, of_call in zip(commands, uses, strict=True):
                verdicts.append(court.hear(command, of_call, [next(kept) for _ in of_call]))
                await asyncio.sleep(0)  # a call of 500 actions takes some milliseconds: others have their turn
            await remember(tx, list(court.found.values()), at=now)
            await store.write(tx, court.changed)
        return verdicts


class _Court:
    """The calls of a batch, heard one after another. `found` has what was found anew, `changed` the devices."""

    def __init__(
        self,
        known: Mapping[UUID, Mapping[bytes, Device]],
        fixes: Mapping[UUID, Place | None],
        *,
        kinds: Collection[str],
        now_us: int,
        terms: Terms,
    ) -> None:
        self.found: dict[tuple[UUID, bytes], tuple[Keyed, Verdict]] = {}
        self.changed: dict[tuple[UUID, bytes], Device] = {}
        self._known = {player_id: dict(known.get(player_id, {})) for player_id in fixes}
        self._fixes = fixes
        self._kinds = kinds
        self._now_us = now_us
        self._terms = terms

    def hear(
        self, command: SyncActions, uses: Sequence[Keyed], kept: Sequence[AsOf | Refusal | None]
    ) -> Sequence[Verdict]:
        """The verdicts on the actions of a call, (n,); `kept` are those of earlier calls."""
        player_id, name = command.principal.account_id, name_hash(command.body.device)
        hearing = self._hearing(command.body, player_id, name)
        verdicts = [
            self._verdict(hearing, action, use) if earlier is None else earlier
            for action, use, earlier in zip(command.body.actions, uses, kept, strict=True)
        ]
        if hearing.heard:
            self._known[player_id][name] = self.changed[player_id, name] = hearing.device
        return verdicts

    def _hearing(self, body: SyncBody, player_id: UUID, name: bytes) -> Hearing:
        known, fix = self._known[player_id], self._fixes[player_id]
        places = [device.place for device in known.values() if device.place is not None]
        return Hearing(
            body,
            device=known.get(name),
            others=len(known),
            places=[*places, fix] if fix is not None else places,
            now_us=self._now_us,
            terms=self._terms,
        )

    def _verdict(self, hearing: Hearing, action: OfflineAction, use: Keyed) -> Verdict:
        if action.action not in self._kinds:
            return UnknownAction(action=action.action)
        first = self.found.get((use.account_id, use.key_hash))
        if first is not None:
            return repeated(use, first=first[0], outcome=first[1])
        if hearing.fault is not None:
            return copy(hearing.fault)
        verdict = hearing.judge(action)
        self.found[use.account_id, use.key_hash] = use, verdict
        return verdict


def _use(player_id: UUID, action: OfflineAction) -> Keyed:
    """The use of a `request_id` in a call; what the action itself answers is kept elsewhere."""
    return keyed(player_id, f"sync\n{action.request_id}", operation="gameplay.sync", body=action)


def _places(fixes: FixColumns) -> Iterator[Place | None]:
    for known, lat_deg, lng_deg, at_us in zip(fixes.known, fixes.lat_deg, fixes.lng_deg, fixes.at_us, strict=True):
        yield Place(lat_deg, lng_deg, at_us) if known else None


def _rejected(action: OfflineAction, refusal: Refusal) -> SyncItem:
    return SyncItem(
        request_id=action.request_id,
        action=action.action,
        status="rejected",
        reason=refusal.code,
        retryable=refusal.retryable,
    )
