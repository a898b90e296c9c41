"""What accounts does with the log: every process hears of what ended, and of new keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from overworld.domains.accounts.apikeys.book import KeyBook
from overworld.domains.accounts.apikeys.messages import ApiKeyChanged, KeyChange
from overworld.domains.accounts.crypto.revocations import Revocations
from overworld.domains.accounts.messages import SessionRevoked, SigningKeyRotated
from overworld.domains.accounts.service.signing_keys import SigningKeys
from overworld.domains.accounts.types import Revocation
from overworld.domains.accounts.users.messages import UserRestored, UserRoleChanged, UserSuspended
from overworld.kernel.events import Envelope, Event

TOPICS = frozenset(
    event.topic
    for event in (SessionRevoked, ApiKeyChanged, UserSuspended, UserRestored, UserRoleChanged, SigningKeyRotated)
)


def accounts_tail(
    *, revocations: Revocations, book: KeyBook, keys: SigningKeys
) -> Callable[[Sequence[Envelope]], Awaitable[None]]:
    """A handler for the log's tail in each process; it takes any event, twice and in any order.

    It does no I/O: what ended is void at once, and what is new is read by the loops of `book` and `keys`.
    """

    async def on_events(events: Sequence[Envelope]) -> None:
        for envelope in events:
            if envelope.topic in TOPICS:
                heard(envelope, envelope.decode())

    def heard(envelope: Envelope, event: Event) -> None:
        match event:
            case SessionRevoked():
                revocations.add(
                    Revocation(
                        account_id=event.account_id, session_id=event.session_id, version=event.version, at=envelope.at
                    )
                )
            case ApiKeyChanged(change=KeyChange.REVOKED):
                book.drop_key(event.key_id)
            case UserSuspended():
                book.drop_account(event.account_id)
            case ApiKeyChanged() | UserRestored() | UserRoleChanged():
                book.read_soon()
            case SigningKeyRotated():
                keys.read_soon()

    return on_events
