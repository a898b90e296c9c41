"""What signing in with accounts elsewhere needs of each provider, and of other ways in."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from overworld.domains.accounts.external.types import Answer, Asked
from overworld.kernel.ports import Tx


class Provider(Protocol):
    """Somebody who vouches for accounts of their own."""

    @property
    def issuer(self) -> str:
        """Who vouches, by a name that is theirs alone and for ever."""
        ...

    @property
    def takes_id_tokens(self) -> bool:
        """Whether an app may bring an ID token that it got by itself."""
        ...

    async def url(self, asked: Asked) -> str:
        """Where to send somebody's browser. Raises: ProviderUnavailable."""
        ...

    async def proved(self, asked: Asked, answer: Answer) -> str:
        """What the provider calls the account that the answer proves, for ever.

        The answer is whole, and its state is right where it has a code. Raises: NotProved, ProviderUnavailable.
        """
        ...


class OtherWays(Protocol):
    """Ways in that are kept in other rooms: passkeys."""

    async def count(self, tx: Tx, account_id: UUID) -> int:
        """How many an account has, under the account's lock. One round trip at most."""
        ...
