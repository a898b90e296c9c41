"""Who is connected: all connections, and those of each account in the order in which they authenticated."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from overworld.domains.realtime.connection import Connection
from overworld.domains.realtime.types import CloseCode
from overworld.kernel.identity import Principal


class Roster:
    """The connections of one gateway."""

    def __init__(self, *, sockets_per_account_max: int) -> None:
        self._sockets_per_account_max = sockets_per_account_max
        self._by_account: dict[UUID, list[Connection]] = {}
        self.connections: dict[Connection, None] = {}

    def add(self, connection: Connection) -> None:
        """Counts a connection in."""
        self.connections[connection] = None

    def remove(self, connection: Connection) -> None:
        """Forgets a connection and whose it was."""
        del self.connections[connection]
        self._leave(connection)

    def admit(self, connection: Connection, principal: Principal) -> None:
        """Makes the connection the account's; one too many closes the oldest as replaced."""
        if connection.principal is not None:
            self._leave(connection)
        connection.principal = connection.stream.principal = principal
        mine = self._by_account.setdefault(principal.account_id, [])
        mine.append(connection)
        while len(mine) > self._sockets_per_account_max:
            mine.pop(0).close(CloseCode.REPLACED, "replaced by a newer connection")

    @property
    def accounts(self) -> Collection[UUID]:
        """The accounts that have a connection."""
        return self._by_account.keys()

    def of_account(self, account_id: UUID) -> list[Connection]:
        """The account's connections, oldest first."""
        return list(self._by_account.get(account_id, ()))

    def _leave(self, connection: Connection) -> None:
        if connection.principal is None:
            return
        account_id = connection.principal.account_id
        mine = self._by_account.get(account_id, [])
        if connection in mine:
            mine.remove(connection)
        if not mine:
            self._by_account.pop(account_id, None)
