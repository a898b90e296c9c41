"""What an operator may set about the database."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class DatabaseSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which PostgreSQL to use, how many connections, and how long anything may take.

    The time-outs guard the event log too: its readers stop before the oldest open write transaction.
    """

    dsn: Annotated[
        str, Meta(max_length=2048, description="PostgreSQL to use; empty starts one inside the data folder")
    ] = ""
    connections_max: Annotated[int, Meta(ge=1, le=1000, description="Connections of this process's pool")] = 16
    waiting_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Callers that may wait for a connection; one more is refused")
    ] = 1024
    connect_timeout_s: Annotated[float, Meta(gt=0, le=60, description="Time to reach the server")] = 5.0
    acquire_timeout_s: Annotated[
        float, Meta(gt=0, le=60, description="Time a caller waits for a free connection before it is refused")
    ] = 5.0
    statement_timeout_ms: Annotated[int, Meta(ge=10, le=600_000, description="Longest time one statement may run")] = (
        10_000
    )
    lock_timeout_ms: Annotated[
        int, Meta(ge=10, le=600_000, description="Longest time a statement may wait for one lock")
    ] = 5_000
    idle_in_transaction_timeout_ms: Annotated[
        int, Meta(ge=10, le=600_000, description="Longest time a transaction may stand open without a statement")
    ] = 10_000
    close_timeout_s: Annotated[
        float, Meta(gt=0, le=600, description="Time that running work has at shutdown before its connection is cut")
    ] = 15.0
    shared_buffers_mb: Annotated[
        int, Meta(ge=16, le=65_536, description="Page cache of the embedded server, in MiB")
    ] = 256
    server_connections_max: Annotated[
        int, Meta(ge=20, le=2000, description="Connections that the embedded server accepts from all processes")
    ] = 200
    system_user: Annotated[
        str,
        Meta(
            max_length=64,
            description="User that runs the embedded server when Overworld runs as root;"
            " empty takes the owner of the data, else `overworld` if there is such a user, else `nobody`",
        ),
    ] = ""
