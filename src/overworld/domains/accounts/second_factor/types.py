"""What a second factor consists of."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from overworld.kernel.secretive import Secretive


class Factor(Secretive, frozen=True, kw_only=True):
    """An account's secret, sealed. It counts once it is confirmed; codes up to `last_step` are over."""

    account_id: UUID
    secret: bytes
    made_at: datetime
    confirmed_at: datetime | None
    last_step: int
