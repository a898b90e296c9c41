"""A session was ended: its open sockets end too, in every process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from overworld.domains.accounts.messages import SessionRevoked
from overworld.kernel.events import Envelope

TOPICS = (SessionRevoked.topic,)


class Sockets(Protocol):
    """The socket's door."""

    def revoked(self, account_id: UUID, sid: UUID) -> None:
        """Ends the connections of a session of an account."""
        ...

    def account_revoked(self, account_id: UUID) -> None:
        """Ends all connections of an account."""
        ...


class RevocationsToSockets:
    """Ends the sockets of this process that a revocation concerns, wherever it was made."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """One session's sockets, or all of an account when the revocation names no session."""
        for envelope in envelopes:
            event = envelope.decode()
            if not isinstance(event, SessionRevoked):
                continue
            if event.session_id is None:
                self._sockets.account_revoked(event.account_id)
            else:
                self._sockets.revoked(event.account_id, event.session_id)
