"""What a connection may ask for."""

from __future__ import annotations

from overworld.domains.realtime.connection import Connection
from overworld.domains.realtime.errors import ScopeMissing, Unauthenticated
from overworld.kernel.identity import Principal


def authenticated(connection: Connection) -> Principal:
    """Whose the connection is. Raises: Unauthenticated."""
    if connection.principal is None:
        raise Unauthenticated
    return connection.principal


def required(connection: Connection, scope: str) -> Principal:
    """Whose the connection is, which needs a scope. Raises: Unauthenticated, ScopeMissing."""
    principal = authenticated(connection)
    if not principal.may(scope):
        raise ScopeMissing(scope=scope)
    return principal
