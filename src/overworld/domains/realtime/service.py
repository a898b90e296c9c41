"""What each message of a client does. One method per message; the answers go out on the same connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from overworld.domains.realtime.connection import Connection
from overworld.domains.realtime.errors import (
    ChannelRefused,
    Draining,
    Failed,
    OtherAccount,
    ScopeMissing,
    TooManyChannels,
    TooManyInFlight,
    Unauthenticated,
    UnknownAction,
)
from overworld.domains.realtime.messages import (
    Action,
    AnyClientMessage,
    Auth,
    AuthResult,
    Event,
    GameAction,
    GameResult,
    LocationUpdate,
    LocationVerdict,
    Nearby,
    Ping,
    Pong,
    RefusedChannel,
    Subscribe,
    Subscribed,
    Unsubscribe,
)
from overworld.domains.realtime.ports import ActionHandler, Actions, CellViews, KeyScopes, Locations, Sight
from overworld.domains.realtime.publishing import Publisher
from overworld.domains.realtime.roster import Roster
from overworld.domains.realtime.subscriptions import CELL_PREFIX, SYSTEM, USER_PREFIX, Subscriptions, cell_of_channel
from overworld.domains.realtime.types import CloseCode, Counters, RealtimeSettings
from overworld.geo import cells as geo_cells
from overworld.kernel.clock import from_us
from overworld.kernel.identity import Principal, Scope
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import TokenVerifier
from overworld.kernel.refusals import Refusal, problem

_log = logging.getLogger(__name__)

_Cid = str | UnsetType
_EXPIRES_US_SHOWN_MAX = 2**57  # the year 6537: beyond it a token has no end worth telling


class RealtimeService:
    """Carries out the messages of clients."""

    def __init__(
        self,
        *,
        settings: RealtimeSettings,
        verifier: TokenVerifier,
        keys: KeyScopes,
        locations: Locations,
        views: CellViews,
        actions: Actions,
        sight: Sight,
        ids: IdSource,
        roster: Roster,
        subscriptions: Subscriptions,
        publisher: Publisher,
        counters: Counters,
        collectible_noun: str,
        room_level: int,
    ) -> None:
        self._settings = settings
        self._verifier = verifier
        self._keys = keys
        self._locations = locations
        self._views = views
        self._actions = actions
        self._sight = sight
        self._ids = ids
        self._roster = roster
        self._subscriptions = subscriptions
        self._publisher = publisher
        self._counters = counters
        self._collectibles_type = f"{collectible_noun}.nearby"
        self._room_level = room_level
        self.draining = False
        self.in_flight: set[asyncio.Task[None]] = set()

    def handle(self, connection: Connection, message: AnyClientMessage) -> None:
        """Carries out one message. Refusals and bugs both become an `error`; nothing is raised.

        What depends on where the player stands waits for the verdicts on the fixes that came before it.
        """
        report = connection.last_report
        if report is not None and not report.done() and isinstance(message, Subscribe | Unsubscribe):
            report.add_done_callback(lambda _: self._carry_out(connection, message))
        else:
            self._carry_out(connection, message)

    def principal_of(self, token: str, key: str | None) -> Principal:
        """Who may connect with a token, with the scopes its key adds.

        Raises: the verifier's refusals; ScopeMissing for `realtime.connect`.
        """
        principal = self._verifier.verify(token)
        if not principal.may(Scope.REALTIME_CONNECT):
            raise ScopeMissing(scope=Scope.REALTIME_CONNECT)
        added = self._keys.scopes(key) if key else frozenset()
        return msgspec.structs.replace(principal, scopes=principal.scopes | added)

    def admit(self, connection: Connection, principal: Principal, cid: _Cid = UNSET) -> None:
        """Makes the connection the principal's and says so."""
        self._roster.admit(connection, principal)
        known_end = principal.expires_us <= _EXPIRES_US_SHOWN_MAX
        connection.reply(
            AuthResult(
                success=True,
                epoch=connection.epoch,
                user_id=principal.account_id,
                scopes=sorted(principal.scopes),
                expires_at=from_us(principal.expires_us) if known_end else UNSET,
                cid=cid,
            )
        )

    def _carry_out(self, connection: Connection, message: AnyClientMessage) -> None:
        if not connection.is_open:
            return
        try:
            self._dispatch(connection, message)
        except Refusal as refusal:
            connection.refuse(refusal, _known(message.cid))
        except Exception:
            self._failed(connection, message.cid, self._ids().hex)

    def _dispatch(self, connection: Connection, message: AnyClientMessage) -> None:
        match message:
            case Ping():
                connection.reply(Pong(cid=message.cid))
            case Auth():
                self._auth(connection, message)
            case LocationUpdate():
                self._location(connection, message)
            case GameAction():
                self._action(connection, message)
            case Subscribe():
                self._subscribe(connection, message)
            case Unsubscribe():
                self._unsubscribe(connection, message)

    def _auth(self, connection: Connection, message: Auth) -> None:
        before = connection.principal
        try:
            principal = self.principal_of(message.token, message.key)
            if before is not None and before.account_id != principal.account_id:
                raise OtherAccount
        except Refusal as refusal:
            self._counters.refusals[refusal.code] += 1
            trouble = problem(refusal, trace_id=self._ids().hex).as_dict()
            connection.reply(AuthResult(success=False, error=trouble, cid=message.cid))
            if before is None:
                forbidden = isinstance(refusal, ScopeMissing)
                connection.close(CloseCode.FORBIDDEN if forbidden else CloseCode.UNAUTHENTICATED, "token refused")
            return
        self.admit(connection, principal, message.cid)
        connection.check_times()

    def _location(self, connection: Connection, message: LocationUpdate) -> None:
        principal = _required(connection, Scope.LOCATION_WRITE)
        own_timeline = principal.may(Scope.WORLD_REPLAY)
        report = self._locations.report(principal.account_id, message.data, own_timeline=own_timeline)
        connection.last_report = report
        report.add_done_callback(partial(self._judged, connection, message.cid, message.ack))

    def _judged(self, connection: Connection, cid: _Cid, ack: bool, report: asyncio.Future[Any]) -> None:
        try:
            verdict = report.result()
            if ack or not verdict.accepted:
                connection.reply(LocationVerdict(data=verdict, cid=cid))
        except Refusal as refusal:
            connection.refuse(refusal, _known(cid))
        except (Exception, asyncio.CancelledError):
            self._failed(connection, cid, self._ids().hex)

    def _action(self, connection: Connection, message: GameAction) -> None:
        principal = _required(connection, Scope.GAME_PLAY)
        head = connection.subprotocol.decode_action(message.data)
        handler = self._actions.get(head.action)
        if handler is None:
            raise UnknownAction
        self._start(connection, message.cid, self._act(connection, principal, handler, head, message))

    async def _act(
        self, connection: Connection, principal: Principal, handler: ActionHandler, head: Action, message: GameAction
    ) -> None:
        answer = await handler(principal, head.target, head.request_id, message.data)
        connection.reply(GameResult(data=answer.value, replayed=answer.replayed or UNSET, cid=message.cid))

    def _subscribe(self, connection: Connection, message: Subscribe) -> None:
        principal = _authenticated(connection)
        granted: list[str] = []
        refused: list[RefusedChannel] = []
        cells: list[int] = []
        for channel in dict.fromkeys(message.channels):
            try:
                cell = self._grant(connection, principal, channel)
            except Refusal as refusal:
                refused.append(RefusedChannel(channel, refusal.code))
                continue
            granted.append(channel)
            if cell is not None:
                cells.append(cell)
        connection.reply(Subscribed(channels=granted, refused=refused, cid=message.cid))
        if cells:
            self._publisher.players_snapshot(connection, cells)
            self._start(connection, UNSET, self._collectibles(connection, principal, cells))

    def _grant(self, connection: Connection, principal: Principal, channel: str) -> int | None:
        if channel not in connection.channels and len(connection.channels) >= self._settings.channels_max:
            raise TooManyChannels(channels_max=self._settings.channels_max)
        cell = None
        if channel.startswith(CELL_PREFIX):
            cell = cell_of_channel(channel, room_level=self._room_level)
            _required(connection, Scope.LOCATION_READ)
            lat_deg, lng_deg = geo_cells.centre_deg(cell)
            self._sight.require_in_sight(principal.account_id, lat_deg, lng_deg, principal.scopes)
        elif channel not in {SYSTEM, f"{USER_PREFIX}{principal.account_id}"}:
            raise ChannelRefused
        self._subscriptions.add(connection, channel)
        return cell

    async def _collectibles(self, connection: Connection, principal: Principal, cells: list[int]) -> None:
        items = await self._views.collectibles(cells, player_id=principal.account_id)
        nearby = Nearby(cells=[geo_cells.token(cell) for cell in cells], items=list(items))
        connection.event(connection.subprotocol.tail(Event(type=self._collectibles_type, data=nearby)))

    def _unsubscribe(self, connection: Connection, message: Unsubscribe) -> None:
        _authenticated(connection)
        for channel in message.channels:
            self._subscriptions.remove(connection, channel)
        connection.reply(Subscribed(channels=sorted(connection.channels), cid=message.cid))

    def _start(self, connection: Connection, cid: _Cid, work: Coroutine[Any, Any, None]) -> None:
        """Runs work beside the connection, after the fixes it sent before; it ends even when the client has gone."""
        refusal = self._no_start(connection)
        if refusal is not None:
            work.close()
            raise refusal
        connection.in_flight += 1
        self._counters.started += 1
        task = asyncio.get_running_loop().create_task(self._run(connection, cid, work, connection.last_report))
        self.in_flight.add(task)
        task.add_done_callback(self.in_flight.discard)

    def _no_start(self, connection: Connection) -> Refusal | None:
        if self.draining:
            return Draining()
        if connection.in_flight >= self._settings.in_flight_max:
            return TooManyInFlight(in_flight_max=self._settings.in_flight_max)
        return None

    async def _run(
        self,
        connection: Connection,
        cid: _Cid,
        work: Coroutine[Any, Any, None],
        report: asyncio.Future[Any] | None,
    ) -> None:
        trace_id = self._ids().hex
        try:
            if report is not None and not report.done():
                await asyncio.wait((report,))
            await work
        except Refusal as refusal:
            connection.refuse(refusal, _known(cid), trace_id=trace_id)
        except Exception:
            self._failed(connection, cid, trace_id)
        finally:
            work.close()
            connection.in_flight -= 1

    def _failed(self, connection: Connection, cid: _Cid, trace_id: str) -> None:
        _log.exception("a frame failed", extra={"trace_id": trace_id})
        connection.refuse(Failed(), _known(cid), trace_id=trace_id)


def _authenticated(connection: Connection) -> Principal:
    if connection.principal is None:
        raise Unauthenticated
    return connection.principal


def _required(connection: Connection, scope: str) -> Principal:
    principal = _authenticated(connection)
    if not principal.may(scope):
        raise ScopeMissing(scope=scope)
    return principal


def _known(cid: _Cid) -> str | None:
    return None if isinstance(cid, UnsetType) else cid
