"""What accounts does with the log: every process hears of every revocation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from overworld.domains.accounts.crypto.revocations import Revocations
from overworld.domains.accounts.messages import SessionRevoked
from overworld.domains.accounts.types import Revocation
from overworld.kernel.events import Envelope

TOPICS = frozenset({SessionRevoked.topic})


def revocation_tail(revocations: Revocations) -> Callable[[Sequence[Envelope]], Awaitable[None]]:
    """A handler for the log's tail in each process; it takes any event, twice and in any order."""

    async def on_events(events: Sequence[Envelope]) -> None:
        for envelope in events:
            if envelope.topic not in TOPICS:
                continue
            event = envelope.decode()
            if isinstance(event, SessionRevoked):
                revocations.add(
                    Revocation(
                        account_id=event.account_id, session_id=event.session_id, version=event.version, at=envelope.at
                    )
                )

    return on_events
