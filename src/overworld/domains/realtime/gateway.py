"""The gateway: a listening socket, the connections behind it, and the doors the rest of the house uses."""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from picows import WSUpgradeRequest, WSUpgradeResponseWithListener, ws_create_server

from overworld.domains.realtime import handshake
from overworld.domains.realtime.connection import Connection, Surroundings
from overworld.domains.realtime.errors import Draining, Failed, Full, PortTaken, SessionRevoked, Unauthenticated
from overworld.domains.realtime.ingest import Ingest
from overworld.domains.realtime.messages import AnyClientMessage, Event, Reconnect
from overworld.domains.realtime.protocol import Subprotocol
from overworld.domains.realtime.publishing import Publisher
from overworld.domains.realtime.roster import Roster
from overworld.domains.realtime.service import RealtimeService
from overworld.domains.realtime.sight import SightKeeper
from overworld.domains.realtime.stream import Stream
from overworld.domains.realtime.streams import Streams
from overworld.domains.realtime.subscriptions import Subscriptions
from overworld.domains.realtime.types import CloseCode, Counters, RealtimeSettings
from overworld.domains.realtime.watching import Watching
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Principal
from overworld.kernel.ids import IdSource
from overworld.kernel.refusals import Refusal
from overworld.kernel.waiting import Queue

_log = logging.getLogger(__name__)

_READ_BUFFER_BYTES = 2_048
_BACKLOG = 1_024
# picows answers a frame above its own limit by itself with 1009; below this multiple our own code goes out instead.
_FRAME_BYTES_SLACK = 4


class Gateway:
    """One process's sockets. Started once, drained once; every door runs in the event loop's thread."""

    def __init__(
        self,
        *,
        settings: RealtimeSettings,
        limits_enabled: bool,
        clock: Clock,
        ids: IdSource,
        subprotocols: Sequence[Subprotocol],
        service: RealtimeService,
        ingest: Ingest,
        publisher: Publisher,
        keeper: SightKeeper,
        roster: Roster,
        streams: Streams,
        subscriptions: Subscriptions,
        watching: Watching,
        counters: Counters,
    ) -> None:
        self.counters = counters
        self._settings = settings
        self._ids = ids
        self._subprotocols = {one.name: one for one in subprotocols}
        self._spoken_unasked = subprotocols[0]
        self._service = service
        self._publisher = publisher
        self._keeper = keeper
        self._keeping: asyncio.Task[None] | None = None
        self._roster = roster
        self._streams = streams
        self.packed = ingest.packed  # the very method: a call less for every packed frame
        self._subscriptions = subscriptions
        self._watching = watching
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self._around = Surroundings(
            owner=self, settings=settings, limits_enabled=limits_enabled, clock=clock, ids=ids, counters=counters
        )

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        """Listens, with `tls` to `wss` alone. Port 0 takes a free one; `port` then tells which.

        Raises: PortTaken when another program has the port; OSError when the address cannot be used.
        """
        try:
            self._server = await ws_create_server(
                self._upgrade,
                host,
                port,
                websocket_handshake_timeout=self._settings.handshake_s,
                logger_name=_PeerLog(logging.getLogger("overworld.realtime.wire"), {}),
                enable_auto_pong=False,
                max_frame_size=self._settings.frame_bytes_max * _FRAME_BYTES_SLACK,
                read_buffer_init_size=_READ_BUFFER_BYTES,
                backlog=_BACKLOG,
                ssl=tls,
                ssl_handshake_timeout=self._settings.handshake_s if tls else None,
                # picows' own transports report a failed TLS handshake with a class in the place of an exception,
                # on which logging breaks; the loop's do not.
                use_aiofastnet=False if tls else None,
            )
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortTaken(
                f"Port {port} for realtime on {host} is taken by another program. Stop that one, or choose another "
                "port with --realtime-port or OVERWORLD_REALTIME__PORT."
            ) from None
        self._keeping = asyncio.create_task(self._keeper.run(self._service.follow), name="realtime.sight")

    @property
    def port(self) -> int:
        """The port that is listened on. Raises: RuntimeError before `start` and after `drain`."""
        if self._server is None or not self._server.sockets:
            raise RuntimeError("the gateway is not listening")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def connections(self) -> int:
        """Open connections, also those not yet authenticated."""
        return len(self._roster.connections)

    @property
    def accounts(self) -> Collection[UUID]:
        """Who is connected and authenticated."""
        return self._roster.accounts

    @property
    def channels(self) -> int:
        """Channels that somebody listens to."""
        return len(self._subscriptions)

    @property
    def detached(self) -> int:
        """Streams without a connection that may be resumed."""
        return self._streams.waiting

    @property
    def publications(self) -> Queue:
        """The publications that wait to be written."""
        return self._publisher

    @property
    def connections_max(self) -> int:
        """How many connections may be open."""
        return self._settings.connections_max

    @property
    def slow_readers(self) -> Queue:
        """The connections whose readers are behind; `refused` were closed for it."""
        return self.counters.slow

    @property
    def in_flight(self) -> int:
        """Actions and snapshots that have started and not ended."""
        return len(self._service.in_flight)

    @property
    def publications_waiting(self) -> int:
        """Publications in the queue."""
        return self._publisher.waiting

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        """Sends an event to all who listen to the channel now, in the order of the calls.

        `message` is a Struct with a `type` (an `Event`), or a complete JSON object as bytes; it is encoded once.
        """
        self._publisher.publish(channel, message, except_account=except_account)

    def listens(self, channel: str) -> bool:
        """Whether anybody listens to the channel in this process."""
        return bool(self._subscriptions.listeners(channel))

    def publish_players(self, cells: Sequence[int]) -> None:
        """Says that the players of these cells have changed; listeners get who is there, at the players' cadence."""
        self._publisher.players_changed(cells)

    def crossed(self, player_ids: Sequence[UUID]) -> None:
        """Says that these players have come into other room cells; what they watch and may see is looked at."""
        self._service.crossed(player_ids)

    def revoked(self, account_id: UUID, sid: UUID) -> None:
        """Ends the connections and streams of a session of an account."""
        mine, waiting = self._roster.of_account(account_id), self._streams.waiting_of(account_id)
        self._end(
            [one for one in mine if one.principal is not None and one.principal.sid == sid],
            [one for one in waiting if one.principal is not None and one.principal.sid == sid],
        )

    def account_revoked(self, account_id: UUID) -> None:
        """Ends all connections and streams of an account."""
        self._end(self._roster.of_account(account_id), self._streams.waiting_of(account_id))

    async def drain(self, seconds: float) -> None:
        """Stops: no new connections or actions; clients are told to reconnect, each after its own delay; actions in
        flight get up to `seconds` to end; then every connection is closed with 4503.

        Returns when the last connection is gone.
        """
        self._service.draining = True
        self._streams.close()
        if self._server is not None:
            self._server.close()
        told = list(dict.fromkeys(one.stream for one in self._roster.connections))
        self._publisher.broadcast(told, [self._reconnect(i, len(told)) for i in range(len(told))])
        await self._publisher.written()
        if self._service.in_flight:
            await asyncio.wait(tuple(self._service.in_flight), timeout=seconds)
        await self._publisher.written()
        for i, connection in enumerate(tuple(self._roster.connections), start=1):
            connection.close(CloseCode.DRAINING, "draining")
            if i % self._settings.slice_sends == 0:
                await asyncio.sleep(0)
        await self._empty.wait()
        self._publisher.stop()
        if self._keeping is not None:
            self._keeping.cancel()

    def opened(self, connection: Connection) -> None:
        """A connection has finished its upgrade."""
        self._roster.add(connection)
        self._streams.begin(connection.stream, connection)
        self._empty.clear()
        if connection.principal is not None:
            self._service.admit(connection, connection.principal)

    def handle(self, connection: Connection, message: AnyClientMessage) -> None:
        """A connection has sent a message."""
        self._service.handle(connection, message)

    def drained(self, connection: Connection) -> None:
        """A slow reader has caught up."""
        self._publisher.catch_up(connection.stream)
        if connection.stream.is_behind:
            self._watching.caught_up(connection.stream)

    def gone(self, connection: Connection) -> None:
        """A connection is cut."""
        connection.close_reporter()
        self._streams.line_gone(connection, connection.stream)
        self._roster.remove(connection)
        if not self._roster.connections:
            self._empty.set()

    def _upgrade(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        try:
            name, principal = self._admission(request)
        except Refusal as refusal:
            self.counters.handshakes_refused[refusal.code] += 1
            return handshake.refused(refusal, trace_id=self._ids().hex)
        except Exception:
            trace_id = self._ids().hex
            _log.exception("an upgrade failed", extra={"trace_id": trace_id})
            return handshake.refused(Failed(), trace_id=trace_id)
        subprotocol = self._spoken_unasked if name is None else self._subprotocols[name]
        connection = Connection(self._around, subprotocol, principal)
        return WSUpgradeResponseWithListener(handshake.accepted(name), connection)

    def _admission(self, request: WSUpgradeRequest) -> tuple[str | None, Principal | None]:
        handshake.read_connection_options(request)
        handshake.require_path(request)
        handshake.require_origin(request, self._settings.origins)
        name = handshake.chosen_subprotocol(request, tuple(self._subprotocols))
        if self._service.draining:
            raise Draining
        if len(self._roster.connections) >= self._settings.connections_max:
            raise Full
        token = handshake.bearer_token(request)
        if token is None:
            return name, None
        if not token:
            raise Unauthenticated
        return name, self._service.principal_of(token, handshake.developer_key(request))

    def _reconnect(self, i: int, n: int) -> Event:
        return Event(type="reconnect", data=Reconnect(after_ms=int(self._settings.reconnect_spread_s * 1_000 * i / n)))

    def _end(self, connections: Sequence[Connection], waiting: Sequence[Stream]) -> None:
        for stream in waiting:
            self._streams.end(stream)
        for connection in connections:
            connection.refuse(SessionRevoked())
            connection.close(CloseCode.UNAUTHENTICATED, "session revoked")


class _PeerLog(logging.LoggerAdapter[logging.Logger]):
    """What picows says about peers: their coming, going and broken frames are no news and no errors of ours."""

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.debug(msg, *args, **kwargs)

    def error(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.debug(msg, *args, **kwargs)
