"""Sharing: granted, listed, looked at and ended; and the homes around which less is shown."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from overworld.domains.world.shares import store
from overworld.domains.world.shares.errors import NoHome, NoSuchPlayer, NoSuchShare, ShareWithOneself, TooManyShares
from overworld.domains.world.shares.messages import (
    GrantShare,
    HomeBody,
    HomeChanged,
    ShareChanged,
    SharedWithYou,
    ShareGiven,
)
from overworld.domains.world.shares.ports import Directory, Places
from overworld.domains.world.shares.stream import ShareStream, seen_by_viewer
from overworld.domains.world.shares.types import Home, Share, SharingSettings
from overworld.kernel.audit import Staff
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Answer
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox, Tx
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres import Database, run_again
from overworld.platform.postgres.idempotency import KeyTaken, keyed, recall, remember

READ_BY_STAFF = "location.read_shares"
_RUNS_MAX = 8


class Sharing:
    """Who shows whom where they are. Where a player is comes from `places` at the moment it is shown."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        outbox: Outbox,
        audit: AuditTrail,
        directory: Directory,
        places: Places,
        stream: ShareStream,
        settings: SharingSettings,
        coarse_level: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._audit = audit
        self._directory = directory
        self._places = places
        self._stream = stream
        self._settings = settings
        self._coarse_level = coarse_level

    async def grant(self, command: GrantShare) -> Answer[ShareGiven]:
        """The new share, in the place of one to the same player; or the answer of an earlier try under the key.

        Raises: KeyReused; NoSuchPlayer, ShareWithOneself, TooManyShares; Fault.
        """
        [viewer_id] = await self._directory.found([command.body.to])
        once = partial(self._grant_once, command, viewer_id)
        for _ in range(_RUNS_MAX - 1):
            try:
                return await run_again(once)
            except KeyTaken:  # by another command under this key: now its answer can be recalled
                continue
        return await run_again(once)

    async def end(self, player_id: UUID, share_id: UUID) -> None:
        """Ends a share that the player gave or got, here at once, and on the other servers when they hear of it.

        Raises: NoSuchShare; Fault.
        """
        at = self._clock.now()
        async with self._database.transaction() as tx:
            share = await store.end(tx, share_id, player_id=player_id, at=at)
            if share is None:
                raise NoSuchShare
            await self._outbox.append(tx, [_changed(share, granted=False)], at=at)
        await self._stream.follow(viewer_ids=[share.viewer_id])

    async def given(self, owner_id: UUID) -> list[ShareGiven]:
        """The shares that a player gives now. One round trip. Raises: Fault."""
        async with self._database.read() as tx:
            return [_given(share) for share in await store.given(tx, owner_id, at=self._clock.now())]

    async def given_by(self, owner_id: UUID, *, staff: Staff) -> list[ShareGiven]:
        """The same for staff; that they looked is kept in the transaction that reads. Raises: Fault."""
        async with self._database.transaction() as tx:
            await self._audit.record(tx, [staff.did(READ_BY_STAFF, owner_id)])
            return [_given(share) for share in await store.given(tx, owner_id, at=self._clock.now())]

    async def received(self, viewer_id: UUID, *, after: UUID | None, limit: int) -> list[SharedWithYou]:
        """What others show a player now, after a share. Two round trips at most. Raises: Fault."""
        async with self._database.read() as tx:
            shares = await store.received(
                tx, [viewer_id], at=self._clock.now(), after=after or store.FIRST_ID, limit=limit
            )
        fixes = await self._places.places([share.owner_id for share in shares])
        now_us = self._clock.now_us()
        return [
            seen_by_viewer(share, fix, now_us=now_us, coarse_level=self._coarse_level)
            for share, fix in zip(shares, fixes, strict=True)
        ]

    async def home(self, player_id: UUID) -> HomeBody:
        """The home that a player told. One round trip. Raises: NoHome; Fault."""
        async with self._database.read() as tx:
            home = await store.read_home(tx, player_id)
        if home is None:
            raise NoHome
        return HomeBody(lat=home.lat_deg, lng=home.lng_deg, radius_m=home.radius_m)

    async def set_home(self, player_id: UUID, body: HomeBody) -> None:
        """Keeps a home in the place of another; shares follow it here before this returns. Raises: Fault."""
        at = self._clock.now()
        home = Home(lat_deg=body.lat, lng_deg=body.lng, radius_m=body.radius_m)
        async with self._database.transaction() as tx:
            await store.write_home(tx, player_id, home, at=at)
            await self._outbox.append(tx, [HomeChanged(player_id=player_id)], at=at)
        await self._stream.follow(owner_ids=[player_id])

    async def forget_home(self, player_id: UUID) -> None:
        """Forgets a home; shares follow here before this returns. Raises: NoHome; Fault."""
        at = self._clock.now()
        async with self._database.transaction() as tx:
            if not await store.delete_home(tx, player_id):
                raise NoHome
            await self._outbox.append(tx, [HomeChanged(player_id=player_id)], at=at)
        await self._stream.follow(owner_ids=[player_id])

    async def delete_ended(self) -> None:
        """Deletes shares that are over. Raises: Fault."""
        async with self._database.transaction() as tx:
            await store.delete_ended(tx, at=self._clock.now())

    async def _grant_once(self, command: GrantShare, viewer_id: UUID | None) -> Answer[ShareGiven]:
        at, body = self._clock.now(), command.body
        use = keyed(
            command.owner_id,
            command.key,
            operation="world.share",
            body=(body.to, body.sight, body.expires_in_s),
        )
        share: Share | Refusal | None = None
        async with self._database.transaction() as tx:
            await store.lock_owner(tx, command.owner_id)
            [outcome] = await recall(tx, [use], answer=ShareGiven)
            replayed = outcome is not None
            if outcome is None:
                share = await self._decide(tx, command, viewer_id, at=at)
                outcome = _given(share) if isinstance(share, Share) else share
                if isinstance(share, Share):
                    await store.grant(tx, share)
                await remember(tx, [(use, outcome)], at=at)
                if isinstance(share, Share):
                    await self._outbox.append(tx, [_changed(share, granted=True)], at=at)
        if isinstance(share, Share):
            await self._stream.follow(viewer_ids=[share.viewer_id])
        if isinstance(outcome, Refusal):
            raise outcome
        return Answer(outcome, replayed=replayed)

    async def _decide(self, tx: Tx, command: GrantShare, viewer_id: UUID | None, *, at: datetime) -> Share | Refusal:
        """The share to keep, or why there is none. In this order: NoSuchPlayer, ShareWithOneself, TooManyShares."""
        if viewer_id is None:
            return NoSuchPlayer()
        if viewer_id == command.owner_id:
            return ShareWithOneself()
        others = await store.count_others(tx, command.owner_id, viewer_id=viewer_id, at=at)
        if others >= self._settings.shares_max:
            return TooManyShares(shares_max=self._settings.shares_max)
        return Share(
            id=self._ids(),
            owner_id=command.owner_id,
            viewer_id=viewer_id,
            sight=command.body.sight,
            granted_at=at,
            expires_at=at + timedelta(seconds=command.body.expires_in_s),
        )


def _changed(share: Share, *, granted: bool) -> ShareChanged:
    return ShareChanged(share_id=share.id, owner_id=share.owner_id, viewer_id=share.viewer_id, granted=granted)


def _given(share: Share) -> ShareGiven:
    return ShareGiven(
        id=share.id,
        to=share.viewer_id,
        sight=share.sight,
        granted_at=share.granted_at,
        expires_at=share.expires_at,
    )
