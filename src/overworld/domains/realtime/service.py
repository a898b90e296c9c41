"""What each message of a client does. One method per message; the answers go out on the same connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from overworld.domains.realtime import channels
from overworld.domains.realtime.around import Around
from overworld.domains.realtime.connection import Connection
from overworld.domains.realtime.errors import (
    ChannelRefused,
    Draining,
    Failed,
    OtherAccount,
    ScopeMissing,
    TooManyChannels,
    TooManyInFlight,
    UnknownAction,
)
from overworld.domains.realtime.following import Following
from overworld.domains.realtime.messages import (
    Action,
    AnyClientMessage,
    Auth,
    AuthResult,
    ChatMessage,
    GameAction,
    GameResult,
    LocationUpdate,
    LocationVerdict,
    PeerMessage,
    Ping,
    Pong,
    Positions,
    RefusedChannel,
    Resume,
    Subscribe,
    Subscribed,
    Unsubscribe,
)
from overworld.domains.realtime.permission import authenticated, required
from overworld.domains.realtime.ports import ActionHandler, Actions, KeyScopes, Locations, Place, Sight
from overworld.domains.realtime.protocol import decode_action
from overworld.domains.realtime.resuming import Resumption
from overworld.domains.realtime.roster import Roster
from overworld.domains.realtime.sight import SightKeeper
from overworld.domains.realtime.snapshots import Snapshots
from overworld.domains.realtime.stream import Stream
from overworld.domains.realtime.streams import Streams
from overworld.domains.realtime.subscriptions import (
    AROUND,
    CELL_PREFIX,
    Subscriptions,
    cell_channel,
    cell_of_channel,
    watched_cells,
)
from overworld.domains.realtime.talk import Talk
from overworld.domains.realtime.types import CloseCode, Counters, RealtimeSettings
from overworld.geo import cells as geo_cells
from overworld.kernel import tracing
from overworld.kernel.clock import from_us
from overworld.kernel.identity import Principal, Scope
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import TokenVerifier
from overworld.kernel.refusals import Refusal, problem
from overworld.kernel.tracing import Kind, Span, Trace

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
        actions: Actions,
        sight: Sight[Any],
        keeper: SightKeeper,
        around: Around,
        ids: IdSource,
        roster: Roster,
        streams: Streams,
        subscriptions: Subscriptions,
        snapshots: Snapshots,
        resumption: Resumption,
        talk: Talk,
        counters: Counters,
        room_level: int,
        around_m: float,
    ) -> None:
        self._settings = settings
        self._verifier = verifier
        self._keys = keys
        self._locations = locations
        self._actions = actions
        self._sight = sight
        self._keeper = keeper
        self._around = around
        self._ids = ids
        self._roster = roster
        self._streams = streams
        self._subscriptions = subscriptions
        self._snapshots = snapshots
        self._resumption = resumption
        self._talk = talk
        self._counters = counters
        self._room_level = room_level
        self._around_m = around_m
        self.draining = False
        self.in_flight: set[asyncio.Task[None]] = set()
        self._following = Following(
            around=around, keeper=keeper, snapshots=snapshots, start=self._follow, at_once=settings.slice_streams
        )

    def handle(self, connection: Connection, message: AnyClientMessage) -> None:
        """Carries out one message. Refusals and bugs both become an `error`; nothing is raised.

        What depends on where the player stands waits for the verdicts on the fixes that came before it.
        """
        if not connection.is_open:
            return
        try:
            self._dispatch(connection, message)
        except Refusal as refusal:
            connection.refuse(refusal, _known(message.cid))
        except Exception:
            self._failed(connection, message.cid, self._ids().hex)

    def principal_of(self, token: str, key: str | None) -> Principal:
        """Who may connect with a token, with the scopes its key adds.

        Raises: the verifier's refusals; ScopeMissing for `realtime.connect`.
        """
        principal = self._verifier.verify(token)
        if not principal.may(Scope.REALTIME_CONNECT):
            raise ScopeMissing(scope=Scope.REALTIME_CONNECT)
        added = self._keys.scopes(key) if key else frozenset()
        if added <= principal.scopes:
            return principal
        return msgspec.structs.replace(principal, scopes=principal.scopes | added)

    def admit(self, connection: Connection, principal: Principal, cid: _Cid = UNSET) -> None:
        """Makes the connection the principal's and says so."""
        before = principal if connection.principal is None else connection.principal
        if before.scopes != principal.scopes:
            connection.close_reporter()
        self._roster.admit(connection, principal)
        known_end = principal.expires_us <= _EXPIRES_US_SHOWN_MAX
        connection.reply(
            AuthResult(
                success=True,
                epoch=connection.stream.epoch,
                user_id=principal.account_id,
                scopes=sorted(principal.scopes),
                expires_at=from_us(principal.expires_us) if known_end else UNSET,
                cid=cid,
            )
        )
        if not before.scopes <= principal.scopes:
            self._keeper.narrow(connection.stream)
            self._following.follow([connection.stream])

    def crossed(self, player_ids: Sequence[UUID]) -> None:
        """Players have come into other room cells: all streams of theirs are looked at, whichever way the fix came."""
        streams: list[Stream] = []
        for player_id in player_ids:
            streams += (one.stream for one in self._roster.of_account(player_id))
            streams += self._streams.waiting_of(player_id)
        self.follow([one for one in streams if one.around_m is not None or any(watched_cells(one))])

    def follow(self, streams: Sequence[Stream]) -> None:
        """The players of these streams are in other room cells: what they hold moves along. Cheap."""
        self._following.follow(streams)

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
                principal = authenticated(connection)
                self._in_turn(connection, message.cid, self._subscribe(connection, principal, message))
            case Unsubscribe():
                authenticated(connection)
                self._in_turn(connection, message.cid, self._unsubscribe(connection, message))
            case Resume():
                authenticated(connection)
                self._in_turn(connection, message.cid, self._resumption.resume(connection, message))
            case ChatMessage():
                principal = required(connection, Scope.CHAT_WRITE)
                self._in_turn(connection, message.cid, self._talk.chat(connection, principal, message))
            case PeerMessage():
                principal = required(connection, Scope.CHAT_WRITE)
                self._in_turn(connection, message.cid, self._talk.peer(connection, principal, message))

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
        principal = required(connection, Scope.LOCATION_WRITE)
        own_timeline = principal.may(Scope.WORLD_REPLAY)
        report = self._locations.report(principal.account_id, message.data, own_timeline=own_timeline)
        connection.last_report = report
        report.add_done_callback(partial(self._judged, connection, message.cid, message.ack))

    def _judged(self, connection: Connection, cid: _Cid, ack: bool, report: asyncio.Future[Any]) -> None:
        if connection.last_report is report:
            connection.last_report = None
        try:
            verdict = report.result()
            if ack or not verdict.accepted:
                connection.reply(LocationVerdict(data=verdict, cid=cid))
        except Refusal as refusal:
            connection.refuse(refusal, _known(cid))
        except (Exception, asyncio.CancelledError):
            self._failed(connection, cid, self._ids().hex)

    def _action(self, connection: Connection, message: GameAction) -> None:
        principal = required(connection, Scope.GAME_PLAY)
        head = decode_action(message.data)
        handler = self._actions.get(head.action)
        if handler is None:
            raise UnknownAction
        trace, parent_id = tracing.entered(None if message.traceparent is UNSET else message.traceparent)
        span = tracing.first_span(f"action {head.action}", trace, parent_id=parent_id, kind=Kind.SERVER)
        work = self._act(connection, principal, handler, head, message)
        self._start(connection, message.cid, work, trace=trace, span=span)

    async def _act(
        self, connection: Connection, principal: Principal, handler: ActionHandler, head: Action, message: GameAction
    ) -> None:
        answer = await handler(principal, head.target, head.request_id, message.data)
        connection.reply(GameResult(data=answer.value, replayed=answer.replayed or UNSET, cid=message.cid))

    async def _subscribe(self, connection: Connection, principal: Principal, message: Subscribe) -> None:
        place = None
        if any(channel.startswith(CELL_PREFIX) or channel == AROUND for channel in message.channels):
            [place] = await self._sight.places([principal.account_id])
        if not connection.is_open:
            return
        principal = authenticated(connection)  # which may have lost scopes meanwhile
        stream = connection.stream
        held = frozenset(stream.channels)
        shown_anew = self._choose_positions(stream, message.positions)
        granted: list[str] = []
        refused: list[RefusedChannel] = []
        cells: list[int] = []
        for channel in dict.fromkeys(message.channels):
            try:
                cells += self._grant(connection, principal, channel, place, message.radius_m)
            except Refusal as refusal:
                refused.append(RefusedChannel(channel, refusal.code))
            else:
                granted.append(channel)
        connection.reply(Subscribed(channels=granted, refused=refused, cid=message.cid))
        if AROUND in granted:
            self._around.tell(stream)
        shown = dict.fromkeys([*shown_anew, *cells])
        self._subscriptions.tell_again(stream, [one for one in map(cell_channel, shown) if one in held])
        self._snapshots.players(stream, list(shown))
        if cells:
            self._begin(connection, UNSET, self._snapshots.collectibles(stream, cells))

    def _choose_positions(self, stream: Stream, positions: Positions | UnsetType) -> list[int]:
        """Sets the way in which positions go from now on; gives the cells that are to be shown anew for it."""
        if positions is UNSET or stream.is_packed is (positions == "packed"):
            return []
        stream.is_packed = positions == "packed"
        return [cell for _, cell in watched_cells(stream)]

    def _grant(
        self,
        connection: Connection,
        principal: Principal,
        channel: str,
        place: Place | None,
        radius_m: float | UnsetType,
    ) -> list[int]:
        """Has the connection listen to a channel; gives the cells whose snapshots are due. Raises: Refusals."""
        stream = connection.stream
        asked_for = stream.channels.keys() - stream.around_channels
        if channel not in asked_for and len(asked_for) >= self._settings.channels_max:
            raise TooManyChannels(channels_max=self._settings.channels_max)
        if channel == AROUND:
            required(connection, Scope.LOCATION_READ)
            if place is None:
                raise self._sight.sight_refusal(None, 0.0, 0.0, frozenset()) or ChannelRefused()
            return self._around.begin(stream, place, self._around_m if radius_m is UNSET else radius_m)
        cells: list[int] = []
        if channel.startswith(CELL_PREFIX):
            cells = [cell_of_channel(channel, room_level=self._room_level)]
            required(connection, Scope.LOCATION_READ)
            if refusal := self._sight.sight_refusal(place, *geo_cells.centre_deg(cells[0]), principal.scopes):
                raise refusal
            stream.seen_from = None
            stream.no_longer_around(channel)
        else:
            channels.require_listener(principal, channel)
        self._subscriptions.add(stream, channel)
        return cells

    async def _unsubscribe(self, connection: Connection, message: Unsubscribe) -> None:
        if not connection.is_open:
            return
        stream = connection.stream
        for channel in message.channels:
            if channel == AROUND:
                self._around.end(stream)
            stream.no_longer_around(channel)
            self._subscriptions.remove(stream, channel)
        connection.reply(Subscribed(channels=sorted(stream.channels), cid=message.cid))

    def _in_turn(self, connection: Connection, cid: _Cid, work: Coroutine[Any, Any, None]) -> None:
        """Runs work as `_start` does, and after the subscriptions that the connection asked for before."""
        task = self._start(connection, cid, work, after=connection.last_subscription)
        connection.last_subscription = task
        task.add_done_callback(connection.forget_subscription)

    def _start(
        self, connection: Connection, cid: _Cid, work: Coroutine[Any, Any, None], *,
        after: asyncio.Future[Any] | None = None, trace: Trace | None = None, span: Span | None = None,
    ) -> asyncio.Task[None]:  # fmt: skip
        """Runs work beside the connection, after the fixes it sent before; it ends even when the client has gone."""
        refusal = self._no_start(connection)
        if refusal is not None:
            work.close()
            raise refusal
        return self._begin(connection, cid, work, after=after, trace=trace, span=span)

    def _begin(
        self, connection: Connection, cid: _Cid, work: Coroutine[Any, Any, None], *,
        after: asyncio.Future[Any] | None = None, trace: Trace | None = None, span: Span | None = None,
    ) -> asyncio.Task[None]:  # fmt: skip
        """The same, however much is under way: for what belongs to work that has been let start."""
        connection.in_flight += 1
        self._counters.started += 1
        packed = None if connection.reporter is None else connection.reporter.settled()
        before = [one for one in (connection.last_report, packed, after) if one is not None and not one.done()]
        return self._follow(self._run(connection, cid, work, before, trace=trace, span=span))

    def _follow(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self.in_flight.add(task)
        task.add_done_callback(self.in_flight.discard)
        return task

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
        before: Sequence[asyncio.Future[Any]],
        *,
        trace: Trace | None,
        span: Span | None,
    ) -> None:
        trace = trace or tracing.entered(None)[0]
        error = ""
        with tracing.at(trace):
            try:
                if before:
                    await asyncio.wait(before)
                await work
            except Refusal as refusal:
                error = refusal.code
                connection.refuse(refusal, _known(cid), trace_id=trace.trace_id)
            except Exception:
                error = Failed.code
                self._failed(connection, cid, trace.trace_id)
            finally:
                work.close()
                connection.in_flight -= 1
                if span is not None:
                    span.end(error=error)

    def _failed(self, connection: Connection, cid: _Cid, trace_id: str) -> None:
        _log.exception("a frame failed", extra={"trace_id": trace_id})
        connection.refuse(Failed(), _known(cid), trace_id=trace_id)


def _known(cid: _Cid) -> str | None:
    return None if isinstance(cid, UnsetType) else cid
