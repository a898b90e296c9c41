"""Keeps mails until they are sent, in the transactions that want them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from overworld.domains.accounts.mail import store
from overworld.domains.accounts.mail.errors import MailUnavailable
from overworld.domains.accounts.mail.types import Kind, Waiting
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Tx
from overworld.kernel.refusals import Busy

NOTICES_WAITING_MAX = 10_000_000


class MailQueue:
    """Where mails wait; they leave when the transaction has committed. `works` says whether anybody sends them.

    `ask` is for what somebody outside asked for, and refuses when too many wait; `tell` is for what a mail is told of
    besides, and passes where nobody sends any.
    """

    def __init__(self, *, ids: IdSource, works: bool, waiting_max: int) -> None:
        self._ids = ids
        self.works = works
        self.waiting_max = waiting_max
        self.refused = 0

    def require(self) -> None:
        """Passes where mails are sent. Raises: MailUnavailable."""
        if not self.works:
            raise MailUnavailable

    async def ask(self, tx: Tx, kind: Kind, email: str, *, account_id: UUID | None, address: str, at: datetime) -> None:
        """Queues a mail that somebody asked for. One round trip. Raises: Busy when too many wait."""
        mail = self._waiting(kind, email, account_id, address=address, at=at)
        if not await store.add(tx, [mail], address=address, at=at, waiting_max=self.waiting_max):
            self.refused += 1
            raise Busy

    async def tell(
        self, tx: Tx, kind: Kind, emails: Sequence[str], *, account_id: UUID, address: str, at: datetime
    ) -> None:
        """Queues mails that follow from something else, one for each address. One round trip at most."""
        if self.works and emails:
            mails = [self._waiting(kind, email, account_id, address=address, at=at) for email in emails]
            await store.add(tx, mails, address=address, at=at, waiting_max=NOTICES_WAITING_MAX)

    def _waiting(self, kind: Kind, email: str, account_id: UUID | None, *, address: str, at: datetime) -> Waiting:
        return Waiting(id=self._ids(), kind=kind, account_id=account_id, email=email, address=address, made_at=at)
