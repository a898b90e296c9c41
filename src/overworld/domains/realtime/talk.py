"""What players say to each other: to a chat channel, or to one other player. Nothing of it is stored."""

from __future__ import annotations

import unicodedata
from uuid import UUID

import msgspec

from overworld.domains.realtime import channels
from overworld.domains.realtime.connection import Connection
from overworld.domains.realtime.errors import (
    BadText,
    ChannelRefused,
    ChatTooFast,
    PayloadTooBig,
    PeerTooFast,
    PeerUnreachable,
)
from overworld.domains.realtime.messages import ChatMessage, ChatSaid, ChatSent, Event, PeerMessage, PeerSaid, PeerSent
from overworld.domains.realtime.ports import Friends, Presence
from overworld.domains.realtime.protocol import OncePerSubprotocol
from overworld.domains.realtime.publishing import Publisher
from overworld.domains.realtime.roster import Roster
from overworld.domains.realtime.stream import Stream
from overworld.domains.realtime.streams import Streams
from overworld.domains.realtime.subscriptions import CELL_PREFIX, watched_cells
from overworld.domains.realtime.types import RealtimeSettings
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Principal
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Limit, Limiter
from overworld.kernel.refusals import Refusal

TEXT_LENGTH_MAX = 500

# Controls, separators of lines and paragraphs, and halves of surrogate pairs.
_REFUSED_CATEGORIES = frozenset({"Cc", "Zl", "Zp", "Cs"})
# Overrides, embeddings and isolates would turn the text around them, so that a name seems to say what it does not.
# Source: Unicode Standard Annex 9, section 2, explicit directional formatting.
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSEEN_CATEGORIES = frozenset({"Cf", "Zs"})


class Talk:
    """Hands messages of players to players of this process. What may be said is decided before anybody hears of it."""

    def __init__(
        self,
        *,
        settings: RealtimeSettings,
        limiter: Limiter | None,
        clock: Clock,
        ids: IdSource,
        roster: Roster,
        streams: Streams,
        publisher: Publisher,
        presence: Presence,
        friends: Friends | None,
    ) -> None:
        self._settings = settings
        self._limiter = limiter
        self._clock = clock
        self._ids = ids
        self._roster = roster
        self._streams = streams
        self._publisher = publisher
        self._presence = presence
        self._friends = friends
        self._chat_limit = Limit(settings.chat_per_s, settings.chat_burst)
        self._peer_limit = Limit(settings.peer_per_s, settings.peer_burst)

    async def chat(self, connection: Connection, principal: Principal, message: ChatMessage) -> None:
        """Says something to everybody who listens to a channel, the sender included if it does.

        Raises: ChannelRefused; ScopeMissing; BadText; ChatTooFast.
        """
        channel = message.data.channel
        self._require_speaker(connection.stream, principal, channel)
        text = sayable(message.data.text)
        await self._take("chat", principal.account_id, self._chat_limit, ChatTooFast)
        said = ChatSaid(channel=channel, sender=principal.account_id, text=text, at=self._clock.now(), id=self._ids())
        connection.reply(ChatSent(id=said.id, at=said.at, cid=message.cid))
        self._publisher.publish(channel, Event(type="chat.message", data=said))

    async def peer(self, connection: Connection, principal: Principal, message: PeerMessage) -> None:
        """Hands a payload to every connection of another player, and to those whose line broke a moment ago.

        Raises: PayloadTooBig; PeerTooFast; PeerUnreachable.
        """
        if len(msgspec.json.encode(message.data.payload)) > self._settings.peer_bytes_max:
            raise PayloadTooBig(bytes_max=self._settings.peer_bytes_max)
        await self._take("peer", principal.account_id, self._peer_limit, PeerTooFast)
        if not self._reaches(principal.account_id, message.data.to):
            raise PeerUnreachable
        event = Event(type="peer.message", data=PeerSaid(sender=principal.account_id, payload=message.data.payload))
        tails = OncePerSubprotocol(lambda subprotocol: subprotocol.tail(event))
        for stream in self._streams_of(message.data.to):
            stream.event(tails(stream.subprotocol))
        connection.reply(PeerSent(cid=message.cid))

    def _require_speaker(self, stream: Stream, principal: Principal, channel: str) -> None:
        """Passes in a cell that the stream holds, as sight of it has been granted, but for the invisible.

        Raises: ChannelRefused; ScopeMissing.
        """
        if not channel.startswith(CELL_PREFIX):
            channels.require_speaker(principal, channel)
        elif channel not in stream.channels or not self._presence.is_visible(principal.account_id):
            raise ChannelRefused

    def _reaches(self, account_id: UUID, other_id: UUID) -> bool:
        if account_id == other_id or not self._roster.of_account(other_id):
            return False
        if not (self._presence.is_visible(account_id) and self._presence.is_visible(other_id)):
            return False
        if self._friends is not None and self._friends.are_friends(account_id, other_id):
            return True
        return not self._rooms(account_id).isdisjoint(self._rooms(other_id))

    def _rooms(self, account_id: UUID) -> set[int]:
        return {cell for stream in self._streams_of(account_id) for _, cell in watched_cells(stream)}

    def _streams_of(self, account_id: UUID) -> list[Stream]:
        """Each once: a line whose stream was resumed elsewhere has it too until it is cut."""
        carried = dict.fromkeys(one.stream for one in self._roster.of_account(account_id))
        return [*carried, *self._streams.waiting_of(account_id)]

    async def _take(self, what: str, account_id: UUID, limit: Limit, refusal: type[Refusal]) -> None:
        if self._limiter is None:
            return
        taken = await self._limiter.take(f"realtime.{what}:{account_id}", limit)
        if not taken.allowed:
            raise refusal(retry_after_s=round(taken.retry_after_s, 3))


def sayable(text: str) -> str:
    """The text without the space around it.

    Raises: BadText unless 1 to 500 characters are left, one of them visible and none a control.
    """
    trimmed = text.strip()
    seen = False
    if len(trimmed) <= TEXT_LENGTH_MAX:
        for character in trimmed:
            category = unicodedata.category(character)
            if category in _REFUSED_CATEGORIES or character in _DIRECTIONS:
                raise BadText(length_max=TEXT_LENGTH_MAX)
            seen = seen or category not in _UNSEEN_CATEGORIES
    if not seen:
        raise BadText(length_max=TEXT_LENGTH_MAX)
    return trimmed
