"""What staff do with accounts. Each act is recorded in the audit log, in the transaction that does it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import structs

from overworld.domains.accounts import rules as names
from overworld.domains.accounts import store as accounts_store
from overworld.domains.accounts.apikeys import store as keys_store
from overworld.domains.accounts.apikeys.book import KeyBook
from overworld.domains.accounts.apikeys.messages import ApiKeyChanged, KeyChange
from overworld.domains.accounts.crypto.revocations import Revocations
from overworld.domains.accounts.errors import NoSuchUser
from overworld.domains.accounts.messages import SessionRevoked, SessionSeen
from overworld.domains.accounts.types import Revocation, Role
from overworld.domains.accounts.users import rules, store
from overworld.domains.accounts.users.messages import (
    NoteSeen,
    PersonFound,
    PersonSeen,
    UserRestored,
    UserRoleChanged,
    UserSuspended,
)
from overworld.domains.accounts.users.types import Asked, Note, Person
from overworld.kernel.audit import Staff
from overworld.kernel.clock import Clock
from overworld.kernel.events import Event
from overworld.kernel.identity import Scope
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox, Tx
from overworld.platform.postgres import Database


class Users:
    """Accounts in the hands of staff. `holds` are the scopes of who acts."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        outbox: Outbox,
        audit: AuditTrail,
        revocations: Revocations,
        book: KeyBook,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._audit = audit
        self._revocations = revocations
        self._book = book

    async def found(
        self, query: str, asked: Asked, *, after: str | None, limit: int, holds: frozenset[str]
    ) -> list[Person]:
        """Accounts whose names begin with the query; or the one whose id it is, or, for who manages users, e-mail."""
        account_id = names.account_id(query)
        email = names.folded(query) if "@" in query and Scope.USERS_MANAGE in holds else None
        async with self._database.read() as tx:
            if (account_id or email) and after is None:
                exact = await store.named(tx, account_id=account_id, email=email)
                if exact:
                    return exact
            asked = Asked(prefix=names.folded(query), role=asked.role, suspended=asked.suspended)
            return await store.found(tx, asked, after=after, limit=limit)

    async def look(self, account_id: UUID, *, holds: frozenset[str], staff: Staff) -> PersonSeen:
        """One account, with where it is signed in. Raises: NoSuchUser."""
        async with self._database.transaction() as tx:
            person = await store.one(tx, account_id)
            if person is None:
                raise NoSuchUser(user_id=account_id)
            sessions = await accounts_store.running_sessions(tx, account_id, at=self._clock.now())
            await self._audit.record(tx, [staff.did("accounts.look", account_id)])
        return PersonSeen(
            **structs.asdict(PersonFound.of(person)),
            email=person.email if Scope.USERS_MANAGE in holds else None,
            suspended_why=person.suspended_why,
            sessions=[SessionSeen.of(session, current=False) for session in sessions],
        )

    async def suspend(self, account_id: UUID, why: str, *, holds: frozenset[str], staff: Staff) -> PersonFound:
        """Suspends an account: its sessions end, its tokens and keys are void, and it cannot sign in.

        A second time changes nothing. Raises: NoSuchUser, NotYourself, BeyondYou.
        """
        at = self._clock.now()
        async with self._database.transaction() as tx:
            person = await self._taken_in_hand(tx, account_id, holds=holds, staff=staff)
            if person.suspended_at is not None:
                return PersonFound.of(person)
            await store.suspend(tx, account_id, at=at, why=why)
            version = await accounts_store.revoke_all(tx, account_id, at=at)
            entry = staff.did("accounts.suspend", account_id, before=False, after=True, note=why)
            await self._audit.record(tx, [entry])
            revocation = _revocation(account_id, version, at=at)
            events = [_revoked(revocation, "suspended"), UserSuspended(account_id=account_id)]
            await self._outbox.append(tx, events, at=at)
            person = await self._known(tx, account_id)
        self._revocations.add(revocation)
        self._book.drop_account(account_id)
        return PersonFound.of(person)

    async def restore(self, account_id: UUID, why: str, *, holds: frozenset[str], staff: Staff) -> PersonFound:
        """Lets an account in again; its keys are good again, its sessions are over.

        One that is not suspended stays so. Raises: NoSuchUser, NotYourself, BeyondYou.
        """
        async with self._database.transaction() as tx:
            person = await self._taken_in_hand(tx, account_id, holds=holds, staff=staff)
            if person.suspended_at is None:
                return PersonFound.of(person)
            await store.suspend(tx, account_id, at=None, why=None)
            entry = staff.did("accounts.restore", account_id, before=True, after=False, note=why)
            await self._audit.record(tx, [entry])
            await self._outbox.append(tx, [UserRestored(account_id=account_id)], at=self._clock.now())
            person = await self._known(tx, account_id)
        self._book.read_soon()
        return PersonFound.of(person)

    async def set_role(self, account_id: UUID, role: Role, *, holds: frozenset[str], staff: Staff) -> PersonFound:
        """Gives an account a role. Its access tokens are void, its sessions go on, keys that do more are revoked.

        The same role changes nothing. Raises: NoSuchUser, NotYourself, BeyondYou.
        """
        at = self._clock.now()
        async with self._database.transaction() as tx:
            person = await self._taken_in_hand(tx, account_id, holds=holds, staff=staff)
            rules.require_reach(holds=holds, role=role)
            if person.role == role:
                return PersonFound.of(person)
            await store.set_role(tx, account_id, role)
            version = await accounts_store.raise_version(tx, account_id, at=at)
            revoked = await keys_store.revoke_beyond(tx, account_id, sorted(names.scopes_of(role)), at)
            revocation = _revocation(account_id, version, at=at)
            await self._audit.record(
                tx,
                [
                    staff.did("accounts.set_role", account_id, before=person.role, after=role),
                    *(staff.did("accounts.revoke_key", one, note="its account has another role") for one in revoked),
                ],
            )
            events: list[Event] = [
                _revoked(revocation, "role_changed"),
                UserRoleChanged(account_id=account_id, role=role),
                *(ApiKeyChanged(key_id=one, account_id=account_id, change=KeyChange.REVOKED) for one in revoked),
            ]
            await self._outbox.append(tx, events, at=at)
            person = await self._known(tx, account_id)
        self._forget(revocation, revoked)
        return PersonFound.of(person)

    async def end_sessions(self, account_id: UUID, *, holds: frozenset[str], staff: Staff) -> None:
        """Signs an account out everywhere. Raises: NoSuchUser, NotYourself, BeyondYou."""
        at = self._clock.now()
        async with self._database.transaction() as tx:
            await self._taken_in_hand(tx, account_id, holds=holds, staff=staff)
            version = await accounts_store.revoke_all(tx, account_id, at=at)
            await self._audit.record(tx, [staff.did("accounts.end_sessions", account_id)])
            revocation = _revocation(account_id, version, at=at)
            await self._outbox.append(tx, [_revoked(revocation, "ended_by_staff")], at=at)
        self._revocations.add(revocation)

    async def note(self, account_id: UUID, text: str, *, staff: Staff) -> NoteSeen:
        """Writes something down about an account. Raises: NoSuchUser."""
        note = Note(id=self._ids(), author_id=staff.account_id, text=text, at=self._clock.now())
        async with self._database.transaction() as tx:
            await self._known(tx, account_id)
            await store.add_note(tx, account_id, note)
            await self._audit.record(tx, [staff.did("accounts.note", account_id, after=text)])
        return NoteSeen.of(note)

    async def notes(self, account_id: UUID, *, before: UUID | None, limit: int, staff: Staff) -> list[Note]:
        """What staff wrote about an account, the newest first. Raises: NoSuchUser."""
        async with self._database.transaction() as tx:
            await self._known(tx, account_id)
            await self._audit.record(tx, [staff.did("accounts.look", account_id)])
            return await store.notes(tx, account_id, before=before, limit=limit)

    async def _taken_in_hand(self, tx: Tx, account_id: UUID, *, holds: frozenset[str], staff: Staff) -> Person:
        person = await store.lock(tx, account_id)
        if person is None:
            raise NoSuchUser(user_id=account_id)
        rules.require_authority(actor_id=staff.account_id, holds=holds, over=account_id, role=person.role)
        return person

    async def _known(self, tx: Tx, account_id: UUID) -> Person:
        person = await store.one(tx, account_id)
        if person is None:
            raise NoSuchUser(user_id=account_id)
        return person

    def _forget(self, revocation: Revocation, revoked: Sequence[UUID]) -> None:
        self._revocations.add(revocation)
        for key_id in revoked:
            self._book.drop_key(key_id)
        self._book.read_soon()


def _revocation(account_id: UUID, version: int | None, *, at: datetime) -> Revocation:
    return Revocation(account_id=account_id, session_id=None, version=version or 0, at=at)


def _revoked(revocation: Revocation, reason: str) -> Event:
    return SessionRevoked(account_id=revocation.account_id, session_id=None, version=revocation.version, reason=reason)
