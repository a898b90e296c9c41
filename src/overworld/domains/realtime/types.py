"""Values of the socket: its settings, its close codes, and what it counts."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct

from overworld.kernel.waiting import Line

PATH = "/v1/realtime"


class CloseCode(IntEnum):
    """Why the server ended a connection. Public, in `docs/protocol.md`; never renumbered."""

    BAD_FRAME = 4400
    UNAUTHENTICATED = 4401
    FORBIDDEN = 4403
    IDLE = 4408
    REPLACED = 4409
    TOO_BIG = 4413
    TOO_FAST = 4429
    DRAINING = 4503


_LINES_MAX = 2**31  # connections are bounded elsewhere
_STREAM_SENDS = 16  # a stream that is moved along takes as long as so many sends, some 0.2 ms


class RealtimeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits and times of the socket. All bounds are per gateway process or per connection, as they say."""

    host: Annotated[str, Meta(min_length=1, description="address the socket listens on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="port the socket listens on; 0 takes a free one")] = 7401
    public_url: Annotated[
        str, Meta(max_length=2_048, description="address clients are told, as wss://play.example/v1/realtime")
    ] = ""
    origins: Annotated[
        tuple[str, ...], Meta(description="browser origins that may connect; * is any. No Origin header is allowed")
    ] = ("*",)
    connections_max: Annotated[int, Meta(ge=1, le=1_000_000, description="connections per process")] = 20_000
    sockets_per_account_max: Annotated[
        int, Meta(ge=1, le=1_000, description="connections per account; one more replaces the oldest")
    ] = 5
    handshake_s: Annotated[float, Meta(gt=0, le=60, description="time to finish the HTTP upgrade")] = 5.0
    auth_s: Annotated[float, Meta(gt=0, le=600, description="time to authenticate after the upgrade")] = 10.0
    idle_s: Annotated[float, Meta(gt=0, le=3_600, description="silence, pongs included, that ends a connection")] = 60.0
    ping_s: Annotated[float, Meta(gt=0, le=3_600, description="silence after which the server pings")] = 25.0
    close_s: Annotated[
        float, Meta(gt=0, le=60, description="time for the peer to answer a close frame before the line is cut")
    ] = 2.0
    drain_s: Annotated[float, Meta(ge=0, le=600, description="time for actions in flight to finish at shutdown")] = 10.0
    reconnect_spread_s: Annotated[
        float, Meta(ge=0, le=600, description="clients told to reconnect spread over this time")
    ] = 5.0
    frame_bytes_max: Annotated[int, Meta(ge=512, le=2**20, description="largest message of a client")] = 16_384
    frames_per_s: Annotated[float, Meta(gt=0, le=100_000, description="frames per second and connection")] = 60.0
    frames_burst: Annotated[int, Meta(ge=1, le=1_000_000, description="frames at once per connection")] = 120
    bad_frames_max: Annotated[int, Meta(ge=1, le=1_000, description="the malformed frame that ends a connection")] = 3
    unsent_bytes_max: Annotated[
        int, Meta(ge=4_096, le=2**26, description="bytes waiting for a slow reader before it is closed")
    ] = 262_144
    send_buffer_bytes: Annotated[
        int, Meta(ge=4_096, le=2**24, description="send buffer asked of the kernel per connection")
    ] = 131_072
    positions_per_frame_max: Annotated[
        int, Meta(ge=1, le=1_024, description="fixes in one packed frame of a client")
    ] = 128
    channels_max: Annotated[int, Meta(ge=1, le=4_096, description="channels per connection")] = 64
    around_cells_max: Annotated[
        int, Meta(ge=1, le=1_024, description="room cells that location:around holds at most, the nearest")
    ] = 64
    in_flight_max: Annotated[int, Meta(ge=1, le=4_096, description="actions at once per connection")] = 32
    resume_s: Annotated[
        float, Meta(ge=0, le=3_600, description="how long a stream whose line broke may be resumed; 0 never")
    ] = 60.0
    history_max: Annotated[int, Meta(ge=0, le=65_536, description="events kept per stream to be told again")] = 256
    history_bytes_max: Annotated[
        int, Meta(ge=0, le=2**24, description="bytes kept per stream, and at most half of unsent_bytes_max")
    ] = 32_768
    detached_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="streams without a line per process; the oldest makes room")
    ] = 10_000
    players_interval_s: Annotated[
        float, Meta(ge=0, le=60, description="least time between two publications of the players of a cell")
    ] = 0.1
    sight_every_s: Annotated[
        float, Meta(gt=0, le=60, description="how often cells are compared with where their listeners are")
    ] = 5.0
    slice_sends: Annotated[int, Meta(ge=1, le=100_000, description="sends before other work gets its turn")] = 256
    publish_queue_max: Annotated[int, Meta(ge=1, le=1_000_000, description="publications that may wait")] = 4_096
    chat_per_s: Annotated[float, Meta(gt=0, le=1_000, description="chat messages per second and account")] = 1.0
    chat_burst: Annotated[int, Meta(ge=1, le=10_000, description="chat messages at once per account")] = 5
    peer_per_s: Annotated[float, Meta(gt=0, le=1_000, description="messages to peers per second and account")] = 10.0
    peer_burst: Annotated[int, Meta(ge=1, le=10_000, description="messages to peers at once per account")] = 20
    peer_bytes_max: Annotated[
        int, Meta(ge=2, le=2**20, description="largest payload of a message to a peer, encoded as JSON")
    ] = 4_096
    tls_certificate: Annotated[
        str, Meta(max_length=4_096, description="file with the certificate chain (PEM); with it the socket is wss only")
    ] = ""
    tls_key: Annotated[str, Meta(max_length=4_096, description="file with the certificate's private key (PEM)")] = ""

    @property
    def slice_streams(self) -> int:
        """How many streams are looked at, or moved along, before other work gets its turn."""
        return max(1, self.slice_sends // _STREAM_SENDS)

    def __post_init__(self) -> None:
        if self.ping_s >= self.idle_s:
            raise ValueError("ping_s must be less than idle_s, or quiet clients are closed before they are asked")
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key belong together: set both, or neither")


class Counters:
    """What the gateway counted since it started, for the metrics; only the gateway writes it.

    `left` are clients that ended the connection themselves, `started` actions and snapshots, `publications_hurried`
    those written at once because the queue was full. `resumed` streams went on with what they had missed, `resynced`
    ones with new snapshots or from nothing. `slow` are readers that are behind, `slow.refused` those closed for it.
    `closes` is by code, the others by code of the refusal.
    """

    __slots__ = (
        "closes",
        "frames_in",
        "frames_out",
        "handshakes_refused",
        "left",
        "opened",
        "positions_dropped",
        "publications_hurried",
        "published",
        "refusals",
        "resumed",
        "resynced",
        "slow",
        "started",
    )

    def __init__(self) -> None:
        self.opened = 0
        self.slow = Line(_LINES_MAX)
        self.left = 0
        self.frames_in = 0
        self.frames_out = 0
        self.started = 0
        self.published = 0
        self.publications_hurried = 0
        self.positions_dropped = 0
        self.resumed = 0
        self.resynced = 0
        self.refusals: Counter[str] = Counter()
        self.closes: Counter[int] = Counter()
        self.handshakes_refused: Counter[str] = Counter()
