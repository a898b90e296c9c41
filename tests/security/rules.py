"""Who may do what, written down a second time: a route that is missing here fails the suite."""

from __future__ import annotations

from overworld.domains.accounts.types import Role
from overworld.kernel.identity import Scope

EVERYBODY = "everybody"
"""Routes that need no token."""
OWN_RULE = "own rule"
"""Routes whose handler judges by itself: who holds the scope, by token or developer key."""

_AUTH = "/v1/auth"
_GAME = "/v1/game"
_ADMIN = "/v1/admin"
_ANALYTICS = "/v1/analytics"

ROUTES: dict[str, list[str]] = {
    EVERYBODY: [
        "GET /.well-known/jwks.json",
        "GET /avatars/{name}",
        "GET /graphql",
        f"GET {_AUTH}/social",
        "POST /graphql",
        "POST /graphql/stream",
        f"POST {_AUTH}/device",
        f"POST {_AUTH}/email/confirm",
        f"POST {_AUTH}/login",
        f"POST {_AUTH}/passkey/login/begin",
        f"POST {_AUTH}/passkey/login/finish",
        f"POST {_AUTH}/password/forgot",
        f"POST {_AUTH}/password/reset",
        f"POST {_AUTH}/refresh",
        f"POST {_AUTH}/refresh/cookie",
        f"POST {_AUTH}/register",
        f"POST {_AUTH}/social/{{provider}}",
        f"POST {_AUTH}/social/{{provider}}/begin",
        f"POST {_AUTH}/wallet",
        f"POST {_AUTH}/wallet/begin",
        "GET /v1/ledger/blocks",
        "GET /v1/ledger/blocks/{number}",
        "GET /v1/ledger/consistency",
        "GET /v1/ledger/keys",
        "GET /v1/ledger/proof",
        "GET /v1/realtime",
    ],
    Scope.ACCOUNT_SELF: [
        f"DELETE {_AUTH}/link/{{way}}",
        f"DELETE {_AUTH}/passkeys/{{passkey_id}}",
        f"DELETE {_AUTH}/sessions/{{session_id}}",
        "DELETE /v1/users/avatar",
        f"GET {_AUTH}/link",
        f"GET {_AUTH}/passkeys",
        f"GET {_AUTH}/sessions",
        f"GET {_AUTH}/totp",
        "GET /v1/start",
        "GET /v1/users/me",
        "GET /v1/users/me/standing",
        f"POST {_AUTH}/email/send",
        f"POST {_AUTH}/link/wallet/begin",
        f"POST {_AUTH}/link/{{way}}",
        f"POST {_AUTH}/link/{{way}}/begin",
        f"POST {_AUTH}/logout",
        f"POST {_AUTH}/passkey/register/begin",
        f"POST {_AUTH}/passkey/register/finish",
        f"POST {_AUTH}/totp",
        f"POST {_AUTH}/totp/confirm",
        f"POST {_AUTH}/totp/recovery",
        f"POST {_AUTH}/totp/remove",
        f"POST {_AUTH}/totp/verify",
        "POST /v1/users/avatar",
        "POST /v1/users/me/standing/appeal",
        f"PUT {_AUTH}/email",
        f"PUT {_AUTH}/password",
        "PUT /v1/users/me",
    ],
    Scope.ANALYTICS_READ: [
        f"GET {_ANALYTICS}/events",
        f"GET {_ANALYTICS}/funnel",
        f"GET {_ANALYTICS}/global",
        f"GET {_ANALYTICS}/heatmap",
        f"GET {_ANALYTICS}/realtime",
        f"GET {_ANALYTICS}/retention",
        f"GET {_ANALYTICS}/users/{{player_id}}/metrics",
    ],
    Scope.AUDIT_READ: [f"GET {_ADMIN}/audit"],
    Scope.EVENTS_READ: [f"GET {_ADMIN}/events/lag", f"GET {_ADMIN}/events/topics"],
    Scope.EVENTS_REPLAY: [f"GET {_ADMIN}/events/dead-letters", f"POST {_ADMIN}/events/dead-letters/replay"],
    Scope.FENCES_READ: [f"GET {_ADMIN}/fences", f"GET {_ADMIN}/fences/{{fence_id}}"],
    Scope.FENCES_WRITE: [
        f"DELETE {_ADMIN}/fences/{{fence_id}}",
        f"POST {_ADMIN}/fences",
        f"POST {_ADMIN}/fences/import",
        f"PUT {_ADMIN}/fences/{{fence_id}}",
    ],
    Scope.FLAGS_EVALUATE: ["POST /v1/flags/bulk"],
    Scope.FLAGS_READ: [
        f"GET {_ADMIN}/flags",
        *(f"GET {_ADMIN}/flags/{{key}}{rest}" for rest in ("", "/report", "/report.html")),
    ],
    Scope.FLAGS_WRITE: [f"DELETE {_ADMIN}/flags/{{key}}", f"POST {_ADMIN}/flags", f"PUT {_ADMIN}/flags/{{key}}"],
    Scope.GAME_PLACE: [
        f"DELETE {_GAME}/coins/{{id}}",
        f"DELETE {_GAME}/collectibles/{{id}}",
        f"POST {_GAME}/coins",
        f"POST {_GAME}/collectibles",
        f"POST {_GAME}/items",
        f"POST {_GAME}/quests",
    ],
    Scope.GAME_PLAY: [
        f"POST {_GAME}/coins/{{id}}/collect",
        f"POST {_GAME}/collectibles/{{id}}/collect",
        f"POST {_GAME}/items/{{item_id}}/use",
        *(f"POST {_GAME}/{noun}/{{tool_id}}/{verb}" for noun in ("pickaxe", "tools") for verb in ("equip", "repair")),
        *(f"POST {_GAME}/{noun}/{{tool_id}}/upgrade" for noun in ("pickaxe", "tools")),
        f"POST {_GAME}/quests/{{id}}/complete",
        f"POST {_GAME}/quests/{{id}}/start",
        f"POST {_GAME}/sync",
        "POST /v1/genesis/apply",
        "POST /v1/memberships/{name}/apply",
    ],
    Scope.GAME_READ: [
        *(f"GET {_GAME}/{what}" for what in ("badges", "boosts", "inventory", "leaderboard", "pickaxe", "tools")),
        f"GET {_GAME}/coins/nearby",
        f"GET {_GAME}/collectibles/nearby",
        f"GET {_GAME}/quests",
        f"GET {_GAME}/quests/{{id}}/history",
        f"GET {_GAME}/rewards/held",
        *(f"GET /v1/genesis/{what}" for what in ("benefits", "members", "verify")),
        "GET /v1/flags",
        *(f"GET {_ANALYTICS}/{what}" for what in ("leaderboard", "me", "rankings")),
        "GET /v1/live/me",
        *(f"GET /v1/memberships/{{name}}/{what}" for what in ("benefits", "members", "verify")),
        "GET /v1/users/search",
        "GET /v1/users/{id}",
        "POST /ofrep/v1/evaluate/flags",
        "POST /ofrep/v1/evaluate/flags/{flag}",
        "POST /v1/flags",
    ],
    Scope.KEYS_MANAGE: [
        f"DELETE {_ADMIN}/keys/{{key_id}}",
        f"GET {_ADMIN}/keys",
        f"POST {_ADMIN}/keys",
        f"POST {_ADMIN}/keys/{{key_id}}/rotate",
    ],
    Scope.LEDGER_READ: ["GET /v1/tokens/balance", "GET /v1/tokens/history"],
    Scope.LEDGER_TRANSFER: ["POST /v1/tokens/transfer"],
    Scope.LOCATION_AUDIT: [
        f"GET {_ADMIN}/location/{{player}}/history",
        f"GET {_ADMIN}/location/{{player}}/shares",
    ],
    Scope.LOCATION_READ: [
        *(f"GET /v1/location/{what}" for what in ("history", "home", "nearby", "shared", "shares", "visibility"))
    ],
    Scope.LOCATION_WRITE: [
        "DELETE /v1/location/history",
        "DELETE /v1/location/home",
        "DELETE /v1/location/share/{id}",
        "POST /v1/location/share",
        "POST /v1/location/update",
        "PUT /v1/location/home",
        "PUT /v1/location/visibility",
    ],
    Scope.TRUST_DECIDE: [f"POST {_ADMIN}/trust/{{player}}/decide"],
    Scope.TRUST_READ: [
        f"GET {_ADMIN}/trust",
        f"GET {_ADMIN}/trust/{{player}}",
        f"GET {_ADMIN}/trust/{{player}}/held",
    ],
    Scope.USERS_MANAGE: [f"PUT {_ADMIN}/users/{{user_id}}/role"],
    Scope.USERS_READ: [
        f"GET {_ADMIN}/users",
        f"GET {_ADMIN}/users/{{user_id}}",
        f"GET {_ADMIN}/users/{{user_id}}/notes",
    ],
    Scope.USERS_SUSPEND: [
        *(f"POST {_ADMIN}/users/{{user_id}}/{verb}" for verb in ("logout", "notes", "restore", "suspend"))
    ],
    Scope.WEBHOOK_MANAGE: [
        f"DELETE {_ADMIN}/webhooks/{{webhook_id}}",
        f"GET {_ADMIN}/webhooks",
        f"GET {_ADMIN}/webhooks/{{webhook_id}}",
        f"GET {_ADMIN}/webhooks/{{webhook_id}}/deliveries",
        f"PATCH {_ADMIN}/webhooks/{{webhook_id}}",
        f"POST {_ADMIN}/webhooks",
        f"POST {_ADMIN}/webhooks/{{webhook_id}}/deliveries/{{delivery_id}}/redeliver",
        f"POST {_ADMIN}/webhooks/{{webhook_id}}/ping",
        f"POST {_ADMIN}/webhooks/{{webhook_id}}/rotate",
    ],
    Scope.TELEMETRY_WRITE: ["POST /v1/events", "POST /v1/events/batch"],
    OWN_RULE: [
        "POST /batch",
        f"POST {_GAME}/reload",
        "GET /v1/live/about",
        "GET /v1/live/collectibles",
        "GET /v1/live/players/{id}",
        "GET /v1/live/world",
    ],
}
OWN_SCOPES = {f"POST {_GAME}/reload": Scope.GAME_RELOAD}
"""What the routes with a rule of their own ask for; the live map's ask for `world.read`."""

_GUEST = {Scope.ACCOUNT_SELF}
_PLAYER = _GUEST | {
    *(Scope.CHAT_READ, Scope.CHAT_WRITE, Scope.GAME_PLAY, Scope.GAME_READ, Scope.LEDGER_READ, Scope.LEDGER_TRANSFER),
    *(Scope.LOCATION_READ, Scope.LOCATION_WRITE, Scope.REALTIME_CONNECT, Scope.TELEMETRY_WRITE),
}
_FENCES = {Scope.FENCES_READ, Scope.FENCES_WRITE}
_FLAGS = {Scope.FLAGS_EVALUATE, Scope.FLAGS_READ, Scope.FLAGS_WRITE}
_MODERATION = {
    *(Scope.LOCATION_AUDIT, Scope.TRUST_DECIDE, Scope.TRUST_READ, Scope.USERS_READ, Scope.USERS_SUSPEND),
    Scope.WORLD_READ,
}
ROLES: dict[Role, set[str]] = {
    Role.PLAYER: _PLAYER,
    Role.MODERATOR: _PLAYER | _MODERATION,
    Role.ADVERTISER: _GUEST,
    Role.SPONSOR: _GUEST,
    Role.AUDITOR: _GUEST | {Scope.AUDIT_READ},
    Role.GOVERNMENT: _GUEST,
    Role.DEVELOPER: _PLAYER | _FENCES | _FLAGS | {Scope.WORLD_READ},
    Role.ADMIN: _PLAYER
    | _MODERATION
    | _FENCES
    | _FLAGS
    | {
        Scope.ANALYTICS_READ,
        Scope.AUDIT_READ,
        Scope.GAME_PLACE,
        Scope.GAME_RELOAD,
        Scope.KEYS_MANAGE,
        Scope.USERS_MANAGE,
    }
    | {Scope.EVENTS_READ, Scope.EVENTS_REPLAY, Scope.WEBHOOK_MANAGE},
}
NO_KEY = {
    *(Scope.ACCOUNT_SELF, Scope.KEYS_MANAGE, Scope.REALTIME_CONNECT, Scope.USERS_MANAGE, Scope.WORLD_REPLAY),
    Scope.TELEMETRY_WRITE,
}
"""What no API key has. An ingest key has `telemetry.write` and nothing beside it."""

OWN, STAFF, NAMED, PLACED, CLOSED = "own", "staff", "named", "placed", "closed"
IDS: dict[str, list[str]] = {
    # Things of one account: for everybody else they are not there.
    OWN: [
        f"DELETE {_AUTH}/passkeys/{{passkey_id}}",
        f"DELETE {_AUTH}/sessions/{{session_id}}",
        "DELETE /v1/location/share/{id}",
        f"POST {_GAME}/items/{{item_id}}/use",
        *(f"POST {_GAME}/{noun}/{{tool_id}}/{verb}" for noun in ("pickaxe", "tools") for verb in ("equip", "repair")),
        *(f"POST {_GAME}/{noun}/{{tool_id}}/upgrade" for noun in ("pickaxe", "tools")),
    ],
    # Things of the operator's, and people as staff see them.
    STAFF: [
        f"DELETE {_ADMIN}/fences/{{fence_id}}",
        f"DELETE {_ADMIN}/flags/{{key}}",
        f"DELETE {_ADMIN}/keys/{{key_id}}",
        f"DELETE {_ADMIN}/webhooks/{{webhook_id}}",
        f"DELETE {_GAME}/coins/{{id}}",
        f"DELETE {_GAME}/collectibles/{{id}}",
        f"GET {_ADMIN}/fences/{{fence_id}}",
        *(f"GET {_ADMIN}/flags/{{key}}{rest}" for rest in ("", "/report", "/report.html")),
        f"GET {_ADMIN}/location/{{player}}/history",
        f"GET {_ANALYTICS}/users/{{player_id}}/metrics",
        f"GET {_ADMIN}/location/{{player}}/shares",
        f"GET {_ADMIN}/trust/{{player}}",
        f"GET {_ADMIN}/trust/{{player}}/held",
        f"GET {_ADMIN}/users/{{user_id}}",
        f"GET {_ADMIN}/users/{{user_id}}/notes",
        f"GET {_ADMIN}/webhooks/{{webhook_id}}",
        f"GET {_ADMIN}/webhooks/{{webhook_id}}/deliveries",
        f"PATCH {_ADMIN}/webhooks/{{webhook_id}}",
        f"POST {_ADMIN}/keys/{{key_id}}/rotate",
        f"POST {_ADMIN}/trust/{{player}}/decide",
        *(f"POST {_ADMIN}/users/{{user_id}}/{verb}" for verb in ("logout", "notes", "restore", "suspend")),
        f"POST {_ADMIN}/webhooks/{{webhook_id}}/deliveries/{{delivery_id}}/redeliver",
        f"POST {_ADMIN}/webhooks/{{webhook_id}}/ping",
        f"POST {_ADMIN}/webhooks/{{webhook_id}}/rotate",
        f"PUT {_ADMIN}/fences/{{fence_id}}",
        f"PUT {_ADMIN}/flags/{{key}}",
        f"PUT {_ADMIN}/users/{{user_id}}/role",
    ],
    # Names of kinds, which are everybody's: what is done is done to who asks.
    NAMED: [
        f"DELETE {_AUTH}/link/{{way}}",
        f"POST {_AUTH}/link/{{way}}",
        f"POST {_AUTH}/link/{{way}}/begin",
        f"POST {_AUTH}/social/{{provider}}",
        f"POST {_AUTH}/social/{{provider}}/begin",
        f"GET {_GAME}/quests/{{id}}/history",
        *(f"POST {_GAME}/quests/{{id}}/{verb}" for verb in ("complete", "start")),
        "GET /avatars/{name}",
        "GET /v1/ledger/blocks/{number}",
        *(f"GET /v1/memberships/{{name}}/{what}" for what in ("benefits", "members", "verify")),
        "GET /v1/users/{id}",
        "POST /ofrep/v1/evaluate/flags/{flag}",
        "POST /v1/memberships/{name}/apply",
    ],
    # Who stands there may have it; the tests of players attack them.
    PLACED: [f"POST {_GAME}/coins/{{id}}/collect", f"POST {_GAME}/collectibles/{{id}}/collect"],
    # The live map judges who may look.
    CLOSED: ["GET /v1/live/players/{id}"],
}
