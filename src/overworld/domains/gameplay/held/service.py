"""What becomes of held rewards: given, or let go, once, whoever asks, however often and wherever.

Locks, in this order: the player, the accounts and transfers of the ledger, the outbox. What is held of a player changes
under the lock of the player alone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay import store as players
from overworld.domains.gameplay.held import store
from overworld.domains.gameplay.held.messages import HeldReward, RewardDenied, RewardReleased
from overworld.domains.gameplay.held.types import Hold, HoldState, Order
from overworld.domains.gameplay.messages import LevelReached
from overworld.domains.gameplay.ports import Trust
from overworld.domains.gameplay.rules import experienced
from overworld.domains.gameplay.types import Player
from overworld.kernel.audit import Staff
from overworld.kernel.clock import Clock
from overworld.kernel.events import Event
from overworld.kernel.ids import derived_id
from overworld.kernel.money import Currency, Transfer, TransferCode, TransferKind, TransferResult, TransferStatus
from overworld.kernel.ports import AuditTrail, Ledger, Outbox, Tx
from overworld.kernel.standing import WITHHELD
from overworld.platform.postgres import Database, run_again

AT_ONCE_MAX = 256
TRY_AGAIN = timedelta(hours=1)
SURE_AFTER = timedelta(minutes=1)
"""How long ago something must have been held for what is known here of its player to be newer than that."""

_NEWEST = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))
_FOREVER = _NEWEST[0]
_FIRST = UUID(int=0)
_UNPAID = frozenset({TransferStatus.ACCOUNT_FROZEN, TransferStatus.EXCEEDS_MAXIMUM})
# The last one: its player was erased, so that the wallet it was promised to is a stranger's.
_LAPSED = frozenset(
    {
        TransferStatus.PENDING_EXPIRED,
        TransferStatus.PENDING_ALREADY_VOIDED,
        TransferStatus.PENDING_HAS_DIFFERENT_FIELDS,
    }
)
_DONE = frozenset({TransferStatus.CREATED, *_UNPAID, *_LAPSED})

_log = logging.getLogger(__name__)


class _Part(Struct, frozen=True):
    """How far one transaction came: how many were settled, and the id to go on after, None when nothing is left."""

    settled: int
    after: UUID | None


class HeldRewards:
    """Gives what is held, or lets it go. Several may run at once, here and on other servers."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        outbox: Outbox,
        audit: AuditTrail,
        ledger: Ledger,
        trust: Trust,
        currencies: Mapping[str, Currency],
        levels: Sequence[int],
    ) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._audit = audit
        self._ledger = ledger
        self._trust = trust
        self._currencies = currencies
        self._levels = levels
        self.released = 0
        self.denied = 0

    def put_in_force(self, currencies: Mapping[str, Currency], *, levels: Sequence[int]) -> None:
        """Gives experience, and shows amounts, by these from now on; currencies of before are still known."""
        self._currencies = {**self._currencies, **currencies}
        self._levels = levels

    async def carry_out(self, orders: Sequence[Order]) -> None:
        """Does what was ordered, in this order. Again, it does nothing. One round trip where nothing is held."""
        if not orders:
            return
        async with self._database.read() as tx:
            concerned = await store.with_held(tx, {order.player_id for order in orders})
        for order in orders:
            if order.player_id in concerned:
                await self._settle(order, due_by=_FOREVER)

    async def release_due(self) -> None:
        """Gives players what nobody has decided in its time."""
        while True:
            now = self._clock.now()
            async with self._database.read() as tx:
                due = await store.due(tx, now, limit=AT_ONCE_MAX)
            for player_id in due:
                await self._settle(Order(player_id=player_id, release=True, held_by=now), due_by=now)
            if not due:
                return

    async def release_trusted(self) -> None:
        """Gives players what is held though they are trusted again: what was claimed while that was decided."""
        after = _FIRST
        while True:
            async with self._database.read() as tx:
                waiting = await store.waiting(tx, after=after, limit=AT_ONCE_MAX)
            if not waiting:
                return
            held_by = self._clock.now() - SURE_AFTER
            standings = await self._trust.standings(waiting)
            for player_id, standing in zip(waiting, standings, strict=True):
                if standing.gate not in WITHHELD:
                    order = Order(player_id=player_id, release=True, held_by=held_by)
                    await self._settle(order, due_by=_FOREVER)
            after = waiting[-1]

    async def shown(
        self, player_id: UUID, *, before: tuple[datetime, UUID] | None = None, limit: int, staff: Staff | None = None
    ) -> list[HeldReward]:
        """What is or was held of a player, newest first. One round trip; two for staff, who leave a trace."""
        async with self._database.transaction() if staff else self._database.read() as tx:
            holds = await store.shown(tx, player_id, before=before or _NEWEST, limit=limit)
            if staff:
                await self._audit.record(tx, [staff.did("reward.read", player_id)])
        return [self._seen(hold) for hold in holds]

    async def _settle(self, order: Order, *, due_by: datetime) -> None:
        after: UUID | None = _FIRST
        while after is not None:
            part = await run_again(partial(self._settle_once, order, due_by, after))
            after = part.after
            if order.release:
                self.released += part.settled
            else:
                self.denied += part.settled

    async def _settle_once(self, order: Order, due_by: datetime, after: UUID) -> _Part:
        async with self._database.transaction() as tx:
            [player] = (await players.lock_players(tx, [order.player_id])).values()
            holds = await store.held(
                tx, player.id, held_by=order.held_by, due_by=due_by, after=after, limit=AT_ONCE_MAX
            )
            if not holds:
                return _Part(0, None)
            at = self._clock.now()
            results = await self._ledger.post(tx, [_settling(hold, release=order.release) for hold in holds], at=at)
            by_id = {hold.transfer_id: result for hold, result in zip(holds, results, strict=True)}
            events = await self._written(tx, player, holds, by_id, release=order.release, at=at)
            await self._outbox.append(tx, events, at=at)
        settled = sum(result.status is TransferStatus.CREATED for result in results)
        return _Part(settled, holds[-1].transfer_id if len(holds) == AT_ONCE_MAX else None)

    async def _written(
        self,
        tx: Tx,
        player: Player,
        holds: Sequence[Hold],
        results: Mapping[UUID, TransferResult],
        *,
        release: bool,
        at: datetime,
    ) -> list[Event]:
        """Writes what the books have made of holds; gives what is to be told."""
        if strange := {result.status.name for result in results.values() if result.status not in _DONE}:
            raise RuntimeError(f"the ledger answered {sorted(strange)} to what was held")
        done = [hold for hold in holds if results[hold.transfer_id].status is TransferStatus.CREATED]
        lapsed = [hold for hold in holds if results[hold.transfer_id].status in _LAPSED]
        unpaid = [hold.transfer_id for hold in holds if results[hold.transfer_id].status in _UNPAID]
        given, denied = (done, lapsed) if release else ([], done + lapsed)
        if lapsed:
            _log.error("%d promises of held rewards were over before they were given", len(lapsed))
        await store.settle(tx, [hold.transfer_id for hold in given], HoldState.RELEASED, at=at)
        await store.settle(tx, [hold.transfer_id for hold in denied], HoldState.DENIED, at=at)
        await store.put_off(tx, unpaid, until=at + TRY_AGAIN)
        events: list[Event] = [self._denied(hold) for hold in denied]
        for hold in given:
            events.append(self._released(hold, results[hold.transfer_id].credit_balance_minor))
            wiser = experienced(player, hold.experience, self._levels)
            events += _levels(player, wiser)
            player = wiser
        if given:
            await players.update_players(tx, [player])
        return events

    def _seen(self, hold: Hold) -> HeldReward:
        return HeldReward(
            id=hold.transfer_id,
            collectible_id=hold.collectible_id,
            type=hold.type,
            amount=self._told(hold, hold.amount_minor),
            currency=hold.currency,
            experience=hold.experience,
            held_at=hold.held_at,
            expires_at=hold.expires_at,
            state=hold.state.wire,
            settled_at=hold.settled_at,
        )

    def _released(self, hold: Hold, balance_minor: int) -> RewardReleased:
        return RewardReleased(
            player_id=hold.player_id,
            transfer_id=hold.transfer_id,
            collectible_id=hold.collectible_id,
            type=hold.type,
            currency=hold.currency,
            amount_minor=hold.amount_minor,
            amount=self._told(hold, hold.amount_minor),
            balance=self._told(hold, balance_minor),
            experience=hold.experience,
            lat_deg=hold.lat_deg,
            lng_deg=hold.lng_deg,
            held_at=hold.held_at,
        )

    def _denied(self, hold: Hold) -> RewardDenied:
        return RewardDenied(
            player_id=hold.player_id,
            transfer_id=hold.transfer_id,
            collectible_id=hold.collectible_id,
            type=hold.type,
            currency=hold.currency,
            amount_minor=hold.amount_minor,
            amount=self._told(hold, hold.amount_minor),
            held_at=hold.held_at,
        )

    def _told(self, hold: Hold, amount_minor: int) -> str:
        return self._currencies[hold.currency].format(amount_minor)


def _settling(hold: Hold, *, release: bool) -> Transfer:
    """What gives a hold or lets it go; its id follows from the promise's, so that it can be made once."""
    return Transfer(
        id=derived_id(hold.transfer_id, "released" if release else "denied"),
        debit=hold.payer,
        credit=hold.wallet,
        amount_minor=hold.amount_minor,
        code=TransferCode.RELEASE,
        reference=hold.reference,
        kind=TransferKind.POST_PENDING if release else TransferKind.VOID_PENDING,
        pending_id=hold.transfer_id,
    )


def _levels(before: Player, after: Player) -> list[LevelReached]:
    if after.level <= before.level:
        return []
    return [LevelReached(player_id=after.id, level=after.level, level_before=before.level, experience=after.experience)]
