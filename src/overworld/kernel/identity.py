"""Who is asking: the principal behind a verified token or key, and what a caller brings with a command."""

from __future__ import annotations

from typing import Generic, TypeVar
from uuid import UUID

from msgspec import Struct

R = TypeVar("R")


class Principal(Struct, frozen=True, kw_only=True):
    """A verified identity: the account, its role, and the scopes that routes ask for.

    `sid` is the session of the token; `expires_us` is when the token ends, in microseconds since 1970.
    """

    account_id: UUID
    role: str
    scopes: frozenset[str]
    sid: UUID | None = None
    expires_us: int = 2**62
    memberships: tuple[str, ...] = ()

    def may(self, scope: str) -> bool:
        """Whether this principal holds a scope."""
        return scope in self.scopes


class Scope:
    """The scopes that routes and socket commands name. A role is a set of them; accounts says which."""

    ACCOUNT_SELF = "account.self"
    ANALYTICS_READ = "analytics.read"
    AUDIT_READ = "audit.read"
    CHAT_READ = "chat.read"
    CHAT_WRITE = "chat.write"
    EVENTS_READ = "events.read"
    EVENTS_REPLAY = "events.replay"
    FENCES_READ = "fences.read"
    FENCES_WRITE = "fences.write"
    FLAGS_EVALUATE = "flags.evaluate"
    FLAGS_READ = "flags.read"
    FLAGS_WRITE = "flags.write"
    GAME_PLACE = "game.place"
    GAME_PLAY = "game.play"
    GAME_READ = "game.read"
    GAME_RELOAD = "game.reload"
    KEYS_MANAGE = "keys.manage"
    LEDGER_READ = "ledger.read"
    LEDGER_TRANSFER = "ledger.transfer"
    LOCATION_AUDIT = "location.audit"
    LOCATION_READ = "location.read"
    LOCATION_WRITE = "location.write"
    REALTIME_CONNECT = "realtime.connect"
    TELEMETRY_WRITE = "telemetry.write"
    TRUST_DECIDE = "trust.decide"
    TRUST_READ = "trust.read"
    USERS_MANAGE = "users.manage"
    USERS_READ = "users.read"
    USERS_SUSPEND = "users.suspend"
    WEBHOOK_MANAGE = "webhook.manage"
    WORLD_READ = "world.read"
    WORLD_REPLAY = "world.replay"


class Answer(Struct, Generic[R], frozen=True):
    """What a keyed command answered, and whether that is the stored answer of an earlier try."""

    value: R
    replayed: bool = False
