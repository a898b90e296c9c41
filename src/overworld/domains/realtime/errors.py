"""How the socket says no. Those marked (handshake) answer the HTTP upgrade; the others come as `error` messages."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class BadFrame(Refusal):
    """The frame is not a message of this protocol."""

    code = "realtime.bad_frame"
    status = 400


class UnknownType(Refusal):
    """The server knows no message of this type."""

    code = "realtime.unknown_type"
    status = 400


class UnknownAction(Refusal):
    """The game has no action of this name."""

    code = "realtime.unknown_action"
    status = 404


class Unauthenticated(Refusal):
    """Authenticate first."""

    code = "realtime.unauthenticated"
    status = 401


class TokenExpired(Refusal):
    """The token of this connection has expired."""

    code = "realtime.token_expired"
    status = 401


class SessionRevoked(Refusal):
    """The session of this connection was ended."""

    code = "realtime.session_revoked"
    status = 401


class ScopeMissing(Refusal):
    """The token does not allow this."""

    code = "realtime.scope_missing"
    status = 403
    public = ("scope",)


class OtherAccount(Refusal):
    """A connection stays with the account that opened it."""

    code = "realtime.other_account"
    status = 403


class BadChannel(Refusal):
    """The channel's name is not well formed."""

    code = "realtime.bad_channel"
    status = 400


class ChannelRefused(Refusal):
    """The channel is not open to this account.

    One answer for channels of others and for channels that do not exist, so that nobody learns which do.
    """

    code = "realtime.channel_refused"
    status = 403


class TooManyChannels(Refusal):
    """The connection holds as many channels as it may."""

    code = "realtime.too_many_channels"
    status = 409
    public = ("channels_max",)


class TooManyInFlight(Refusal):
    """Too many actions of this connection are still in flight."""

    code = "realtime.too_many_in_flight"
    status = 429
    retryable = True
    public = ("in_flight_max",)


class BadText(Refusal):
    """The text is empty, too long, or holds characters that steer a screen.

    It is judged after trimming: 1 to `length_max` characters.
    """

    code = "realtime.bad_text"
    status = 400
    public = ("length_max",)


class ChatTooFast(Refusal):
    """The account has said too much in a short time."""

    code = "realtime.chat_too_fast"
    status = 429
    retryable = True
    public = ("retry_after_s",)


class PeerUnreachable(Refusal):
    """This player cannot be reached.

    One answer for players who are away, in no common room, invisible, unknown, or oneself, so that nobody learns which.
    """

    code = "realtime.peer_unreachable"
    status = 404


class PayloadTooBig(Refusal):
    """The payload is larger than players may send each other."""

    code = "realtime.payload_too_big"
    status = 413
    public = ("bytes_max",)


class PeerTooFast(Refusal):
    """The account has sent other players too much in a short time."""

    code = "realtime.peer_too_fast"
    status = 429
    retryable = True
    public = ("retry_after_s",)


class Draining(Refusal):
    """The gateway is shutting down; reconnect."""

    code = "realtime.draining"
    status = 503
    retryable = True


class Failed(Refusal):
    """Something went wrong on our side."""

    code = "realtime.failed"
    status = 500


class WrongPath(Refusal):
    """Nothing is served at this path (handshake)."""

    code = "realtime.wrong_path"
    status = 404


class UnknownSubprotocol(Refusal):
    """None of the offered subprotocols is spoken here (handshake)."""

    code = "realtime.unknown_subprotocol"
    status = 400
    public = ("supported",)


class OriginRefused(Refusal):
    """Pages of this origin may not connect (handshake)."""

    code = "realtime.origin_refused"
    status = 403


class Full(Refusal):
    """The gateway holds as many connections as it may (handshake)."""

    code = "realtime.full"
    status = 503
    retryable = True


class PortTaken(Exception):
    """The port of the socket is used by another program."""
