"""Makes, shows, rotates and revokes API keys, for staff."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from overworld.domains.accounts.apikeys import rules, store
from overworld.domains.accounts.apikeys.book import KeyBook
from overworld.domains.accounts.apikeys.errors import NoSuchApiKey, TooManyApiKeys
from overworld.domains.accounts.apikeys.messages import ApiKeyBody, ApiKeyChanged, ApiKeyMade, ApiKeySeen, KeyChange
from overworld.domains.accounts.apikeys.types import ApiKey
from overworld.domains.accounts.errors import TokenRevoked
from overworld.domains.accounts.types import AccountsSettings
from overworld.kernel.audit import Staff
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Principal
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox, Tx
from overworld.platform.postgres import Database

_KEPT = timedelta(days=90)


class ApiKeys:
    """What staff do with keys. Each is recorded in the audit log."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        outbox: Outbox,
        audit: AuditTrail,
        book: KeyBook,
        settings: AccountsSettings,
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._audit = audit
        self._book = book
        self._keys_max = settings.api_keys_max
        self._random = random

    async def every(self, *, before: UUID | None, limit: int) -> list[ApiKeySeen]:
        """All keys, the newest first, and those that ended within 90 days; from before one on."""
        async with self._database.read() as tx:
            return [ApiKeySeen.of(key) for key in await store.every(tx, before=before, limit=limit)]

    async def make(self, body: ApiKeyBody, *, maker: Principal, holds: frozenset[str], staff: Staff) -> ApiKeyMade:
        """A new key that acts as its maker, who `holds` some scopes.

        Raises: BadScopes, TokenRevoked, TooManyApiKeys.
        """
        scopes = rules.granted(body.scopes, holds=holds)
        secret = rules.key_of(self._random(rules.SECRET_BYTES), scopes)
        at = self._clock.now()
        life_s = rules.life_s(scopes) if body.life_s is None else body.life_s
        key = ApiKey(
            id=self._ids(),
            account_id=maker.account_id,
            name=body.name,
            scopes=scopes,
            hint=rules.hint_of(secret),
            life_s=life_s,
            made_at=at,
            ends_at=at + timedelta(seconds=life_s),
        )
        async with self._database.transaction() as tx:
            await _require_unchanged(tx, maker)
            if await store.count_live(tx, at) >= self._keys_max:
                raise TooManyApiKeys(keys_max=self._keys_max)
            await store.insert(tx, key, key_hash=rules.hash_of(secret))
            await self._audit.record(tx, [staff.did("accounts.make_key", key.id, after=_kept(key), note=key.name)])
            await self._tell(tx, key, KeyChange.MADE)
        await self._book.load()
        return ApiKeyMade(key=ApiKeySeen.of(key), secret=secret)

    async def rotate(
        self, key_id: UUID, *, overlap_s: int, maker: Principal, holds: frozenset[str], staff: Staff
    ) -> ApiKeyMade:
        """Another secret for a key of one's own, which lives as long again; the old one is good for `overlap_s` yet.

        Raises: TokenRevoked; NoSuchApiKey, also for a key of somebody else; BadScopes when its owner may no longer do
        what it may.
        """
        at = self._clock.now()
        async with self._database.transaction() as tx:
            await _require_unchanged(tx, maker)
            key = await store.lock(tx, key_id)
            if key is None or key.account_id != maker.account_id or key.ends_at <= at:
                raise NoSuchApiKey(key_id=key_id)
            secret = rules.key_of(self._random(rules.SECRET_BYTES), rules.granted(key.scopes, holds=holds))
            rotated = await store.rotate(
                tx,
                key_id,
                old_ends_at=at + timedelta(seconds=overlap_s),
                key_hash=rules.hash_of(secret),
                hint=rules.hint_of(secret),
                ends_at=at + timedelta(seconds=key.life_s),
            )
            entry = staff.did("accounts.rotate_key", key_id, before=_kept(key), after=_kept(rotated), note=key.name)
            await self._audit.record(tx, [entry])
            await self._tell(tx, rotated, KeyChange.ROTATED)
        await self._book.load()
        return ApiKeyMade(key=ApiKeySeen.of(rotated), secret=secret)

    async def revoke(self, key_id: UUID, *, staff: Staff) -> None:
        """Ends a key, here at once and in every process within a second. Raises: NoSuchApiKey."""
        async with self._database.transaction() as tx:
            key = await store.lock(tx, key_id)
            if key is None:
                raise NoSuchApiKey(key_id=key_id)
            await store.revoke(tx, key_id, self._clock.now())
            await self._audit.record(tx, [staff.did("accounts.revoke_key", key_id, before=_kept(key), note=key.name)])
            await self._tell(tx, key, KeyChange.REVOKED)
        self._book.drop_key(key_id)

    async def forget(self, *, rows_max: int) -> int:
        """Drops keys 90 days after they ended, at most `rows_max`; gives how many. One transaction."""
        async with self._database.transaction() as tx:
            return await store.forget(tx, self._clock.now() - _KEPT, rows_max=rows_max)

    async def _tell(self, tx: Tx, key: ApiKey, change: KeyChange) -> None:
        event = ApiKeyChanged(key_id=key.id, account_id=key.account_id, change=change)
        await self._outbox.append(tx, [event], at=self._clock.now())


async def _require_unchanged(tx: Tx, maker: Principal) -> None:
    """Keeps the maker's role as it is until the transaction ends: else a key could outlive the role that allowed it.

    Raises: TokenRevoked when it has changed, or the account is suspended or gone.
    """
    if await store.lock_role(tx, maker.account_id) != maker.role:
        raise TokenRevoked


def _kept(key: ApiKey) -> tuple[object, ...]:
    """What the audit log keeps a digest of."""
    return key.account_id, key.name, key.scopes, key.hint, key.ends_at
