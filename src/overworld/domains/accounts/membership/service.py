"""Memberships: many applications in one transaction, each answered as if it were alone.

Locks, in this order: the accounts by id, the clubs by name, the ledger's accounts, the keys' answers, the outbox.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from overworld.domains.accounts.errors import TokenRevoked
from overworld.domains.accounts.membership import store
from overworld.domains.accounts.membership.clubs import Clubs
from overworld.domains.accounts.membership.errors import (
    NoSuchMembership,
    PriceFrozen,
    PriceNotHeld,
    ProofMissing,
    ProofUnavailable,
)
from overworld.domains.accounts.membership.messages import (
    Apply,
    ClubSeen,
    Granted,
    MemberSeen,
    MembershipGranted,
    Verified,
)
from overworld.domains.accounts.membership.ports import Proofs
from overworld.domains.accounts.membership.rules import Application, Grant, Rolls, decide, proof_hash
from overworld.domains.accounts.types import AccountsSettings
from overworld.kernel.batch import GroupCommit, Lanes
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Answer
from overworld.kernel.money import HOUSE, AccountCode, AccountRef, Funds, Transfer, TransferCode, TransferStatus
from overworld.kernel.ports import Ledger, Outbox, Tx
from overworld.kernel.refusals import Busy, Refusal
from overworld.platform.postgres import Database, run_again
from overworld.platform.postgres.idempotency import Keyed, KeyReused, KeyTaken, keyed, recall, remember, repeated

Outcome = Answer[Granted] | Refusal

_RUNS_MAX = 16
_BATCH_MAX = 256
_ID_USED = frozenset({TransferStatus.EXISTS, TransferStatus.EXISTS_WITH_DIFFERENT_FIELDS})


class _UsedElsewhere(Exception):
    """The ids of some transfers were used before, for something that is no membership."""

    def __init__(self, ids: set[UUID]) -> None:
        super().__init__(f"{len(ids)} keys were used for something else")
        self.ids = ids


class Memberships:
    """The clubs of one game. Several may run at once, here and elsewhere. `close` lets those in flight finish."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ledger: Ledger,
        outbox: Outbox,
        clubs: Clubs,
        proofs: Proofs | None,
        settings: AccountsSettings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._outbox = outbox
        self._clubs = clubs
        self._proofs = proofs
        self._queue_max = settings.membership_queue_max
        self.lanes = Lanes[Apply, Answer[Granted]](1, make=self._lane, key=lambda command: command.account_id)

    def _lane(self, i: int) -> GroupCommit[Apply, Answer[Granted]]:
        return GroupCommit(
            name=f"memberships-{i}",
            run=self.run,
            queue_max=self._queue_max,
            batch_max=_BATCH_MAX,
            monotonic_s=self._clock.monotonic_s,
        )

    async def apply(self, command: Apply) -> Answer[Granted]:
        """A number in a club, or more time under the one that is held; or the answer of an earlier try under the key.

        Raises: NoSuchMembership, ProofUnavailable, ProofMissing; KeyReused; AlreadyMember, ProofUsed, MembershipFull,
        PaidAhead, PriceFrozen, PriceNotHeld; TokenRevoked where the account is gone; Busy.
        """
        return await self.lanes.submit(command)

    async def close(self) -> None:
        """Lets the applications in flight finish, and refuses new ones."""
        await self.lanes.close()

    async def verified(self, account_id: UUID, name: str) -> Verified:
        """Whether an account is a member of a club now. One statement. Raises: NoSuchMembership."""
        club, now = self._clubs.named(name), self._clock.now()
        async with self._database.read() as tx:
            member = (await store.members(tx, [(club.name, account_id)])).get((club.name, account_id))
        if member is None:
            return Verified(membership=name, member=False, number=None, granted_at=None, ends_at=None)
        return Verified(
            membership=name,
            member=member.held.runs_at(now),
            number=member.number,
            granted_at=member.granted_at,
            ends_at=member.ends_at,
        )

    async def members(self, name: str, *, after: int, limit: int) -> list[MemberSeen]:
        """Who is in a club now, in the order of numbers, beyond one. One statement. Raises: NoSuchMembership."""
        club, now = self._clubs.named(name), self._clock.now()
        async with self._database.read() as tx:
            listed = await store.listed(tx, club.name, after=after, now=now, limit=limit)
        return [
            MemberSeen(number=one.number, user_id=one.account_id, username=one.username, granted_at=one.granted_at)
            for one in listed
        ]

    async def players(self, membership: str) -> list[UUID] | None:
        """Everybody who is in a club now, in no order; None when there is no such club. One statement."""
        try:
            club = self._clubs.named(membership)
        except NoSuchMembership:
            return None
        async with self._database.read() as tx:
            return await store.holders(tx, club.name, now=self._clock.now())

    async def seen(self, name: str) -> ClubSeen:
        """What a club is and brings, and how many numbers are left. One statement. Raises: NoSuchMembership."""
        club = self._clubs.named(name)
        async with self._database.read() as tx:
            given = await store.given(tx, club.name)
        rules = club.rules
        return ClubSeen(
            membership=name,
            title=rules.title,
            cap=rules.cap,
            given=given,
            left=None if rules.cap is None else max(0, rules.cap - given),
            price=rules.price,
            currency=rules.currency,
            duration_days=rules.duration_days,
            proof=rules.proof,
            benefits=rules.benefits,
        )

    async def run(self, commands: Sequence[Apply]) -> list[Outcome]:
        """The outcome of each, (n,), exactly as if they had come one after another.

        Whatever is raised, the same commands may be run again. Raises: Busy when others keep using the same keys.
        """
        asked = await self._asked(commands)
        applications = [one for one in asked if isinstance(one, Application)]
        answers = iter(await self._answered(applications) if applications else [])
        return [next(answers) if isinstance(one, Application) else one for one in asked]

    async def _asked(self, commands: Sequence[Apply]) -> list[Application | Refusal]:
        """The commands as far as they can be judged without a lock, (n,)."""
        ids = await self._ledger.transfer_ids([(command.account_id, command.key) for command in commands])
        asked: list[Application | Refusal] = []
        for command, own_id in zip(commands, ids, strict=True):
            try:
                asked.append(
                    Application(id=own_id, account_id=command.account_id, club=self._clubs.named(command.membership))
                )
            except NoSuchMembership as refusal:
                asked.append(refusal)
        return await self._proved(asked)

    async def _proved(self, asked: Sequence[Application | Refusal]) -> list[Application | Refusal]:
        """The same with their proofs; refused where a club asks for one that is not there."""
        proved = list(asked)
        ways = {one.club.rules.proof for one in asked if isinstance(one, Application)}
        for way in sorted(way for way in ways if way is not None):
            places = [i for i, one in enumerate(asked) if isinstance(one, Application) and one.club.rules.proof == way]
            wanting = [one for one in asked if isinstance(one, Application) and one.club.rules.proof == way]
            linked: list[str | None] = [None] * len(wanting)
            if self._proofs is not None and self._proofs.can_prove(way):
                linked = list(await self._proofs.linked([one.account_id for one in wanting], way))
            for i, one, elsewhere in zip(places, wanting, linked, strict=True):
                proved[i] = self._with_proof(one, way, elsewhere)
        return proved

    def _with_proof(self, one: Application, way: str, elsewhere: str | None) -> Application | Refusal:
        if self._proofs is None or not self._proofs.can_prove(way):
            return ProofUnavailable(membership=one.club.name, proof=way)
        if elsewhere is None:
            return ProofMissing(membership=one.club.name, proof=way)
        return Application(id=one.id, account_id=one.account_id, club=one.club, proof=proof_hash(way, elsewhere))

    async def _answered(self, applications: Sequence[Application]) -> list[Outcome]:
        used_elsewhere: set[UUID] = set()
        for _ in range(_RUNS_MAX):
            try:
                return await run_again(partial(self._run_once, applications, used_elsewhere, at=self._clock.now()))
            except _UsedElsewhere as used:
                used_elsewhere |= used.ids
            except KeyTaken:
                continue
        raise Busy("others keep using the same keys")

    async def _run_once(
        self, applications: Sequence[Application], used_elsewhere: set[UUID], *, at: datetime
    ) -> list[Outcome]:
        async with self._database.transaction() as tx:
            there = await store.lock_accounts(tx, {one.account_id for one in applications})
            kept = await recall(tx, [_use(one) for one in applications], answer=Granted)
            known = [
                _known(one, answer, is_there=one.account_id in there, used_elsewhere=used_elsewhere)
                for one, answer in zip(applications, kept, strict=True)
            ]
            first = _first_of_each(applications, known)
            fresh = [applications[i] for i in first.values()]
            decided = await self._settled(tx, fresh, at=at)
            grants = [one for one in decided if isinstance(one, Grant)]
            told = [_granted(one) if isinstance(one, Grant) else one for one in decided]
            await remember(tx, list(zip(map(_use, fresh), told, strict=True)), at=at)
            await self._outbox.append(tx, [_event(grant) for grant in grants], at=at)
        outcomes = dict(zip(first, told, strict=True))
        return [
            _own(one, applications[first[one.id]], outcomes[one.id], is_first=first[one.id] == i)
            if earlier is None
            else earlier
            for i, (one, earlier) in enumerate(zip(applications, known, strict=True))
        ]

    async def _settled(self, tx: Tx, fresh: Sequence[Application], *, at: datetime) -> list[Grant | Refusal]:
        """Decides and carries out, (n,); the accounts are locked."""
        if not fresh:
            return []
        members = await store.members(tx, [one.seat for one in fresh])
        new = [one for one in fresh if one.seat not in members]
        given = await store.lock_clubs(tx, {one.club.name for one in new}) if new else {}
        owners = await store.owners(tx, [(one.club.name, one.proof) for one in new if one.proof is not None])
        sides = {side for one in fresh if one.club.currency is not None for side in _sides(one)}
        till = _Till(await self._ledger.locked(tx, list(sides)) if sides else {})
        decided = decide(fresh, Rolls(given, members, owners), now=at, pay=till.pay)
        grants = [one for one in decided if isinstance(one, Grant)]
        await store.write(tx, grants)
        await self._pay(tx, [_transfer(one.application) for one in grants if one.application.club.price_minor], at=at)
        return decided

    async def _pay(self, tx: Tx, transfers: Sequence[Transfer], *, at: datetime) -> None:
        if not transfers:
            return
        results = await self._ledger.post(tx, transfers, at=at)
        statuses = {one.id: result.status for one, result in zip(transfers, results, strict=True)}
        if used := {own_id for own_id, status in statuses.items() if status in _ID_USED}:
            raise _UsedElsewhere(used)
        if strange := {status.name for status in statuses.values()} - {TransferStatus.CREATED.name}:
            raise RuntimeError(f"the ledger answered {sorted(strange)} to prices that were held")


class _Till:
    """What wallets hold, as the grants so far have left them."""

    def __init__(self, funds: Mapping[AccountRef, Funds]) -> None:
        self._funds = funds
        self._paid_minor: Counter[AccountRef] = Counter()

    def pay(self, one: Application) -> Refusal | None:
        """Pays a price, or says why it cannot be paid. Refused are, in this order: PriceFrozen, PriceNotHeld."""
        club = one.club
        if club.currency is None:
            return None
        wallet, issuance = _sides(one)
        if self._funds[wallet].frozen or self._funds[issuance].frozen:
            return PriceFrozen(membership=club.name)
        if self._funds[wallet].free_minor - self._paid_minor[wallet] < club.price_minor:
            price = club.currency.format(club.price_minor)
            return PriceNotHeld(membership=club.name, price=price, currency=club.currency.code)
        self._paid_minor[wallet] += club.price_minor
        return None


def _sides(one: Application) -> tuple[AccountRef, AccountRef]:
    """Who pays, and where it goes: back to the issuance, so that what is bought takes money out of the game."""
    code = one.club.currency.code if one.club.currency else ""
    return AccountRef(one.account_id, code), AccountRef(HOUSE, code, AccountCode.ISSUANCE)


def _use(one: Application) -> Keyed:
    """The use of its key, as its answer is kept."""
    digest = keyed(one.account_id, "", operation="accounts.membership", body=one.club.name).digest
    return Keyed(one.account_id, one.id.bytes, digest)


def _transfer(one: Application) -> Transfer:
    wallet, issuance = _sides(one)
    return Transfer(
        id=one.id,
        debit=wallet,
        credit=issuance,
        amount_minor=one.club.price_minor,
        code=TransferCode.MEMBERSHIP,
        reference=UUID(bytes=_use(one).digest),
    )


def _known(
    one: Application, kept: Granted | Refusal | None, *, is_there: bool, used_elsewhere: set[UUID]
) -> Outcome | None:
    """What can be answered without deciding: an earlier answer, or why nothing can be decided."""
    if isinstance(kept, Granted):
        return Answer(kept, replayed=True)
    if kept is not None:
        return kept
    if one.id in used_elsewhere:
        return KeyReused()
    return None if is_there else TokenRevoked()


def _first_of_each(applications: Sequence[Application], known: Sequence[Outcome | None]) -> dict[UUID, int]:
    """The places of the applications to be decided, by id: of those under one key the first."""
    first: dict[UUID, int] = {}
    for i, (one, earlier) in enumerate(zip(applications, known, strict=True)):
        if earlier is None:
            first.setdefault(one.id, i)
    return first


def _own(one: Application, first: Application, outcome: Granted | Refusal, *, is_first: bool) -> Outcome:
    """The outcome of an application; to a later one under the same key, the first's is an earlier answer."""
    if is_first:
        return outcome if isinstance(outcome, Refusal) else Answer(outcome)
    again = repeated(_use(one), first=_use(first), outcome=outcome)
    return again if isinstance(again, Refusal) else Answer(again, replayed=True)


def _granted(grant: Grant) -> Granted:
    member = grant.member
    return Granted(
        membership=member.club,
        number=member.number,
        granted_at=member.granted_at,
        ends_at=member.ends_at,
        renewed=grant.renewed,
    )


def _event(grant: Grant) -> MembershipGranted:
    member = grant.member
    return MembershipGranted(
        account_id=grant.application.account_id,
        membership=member.club,
        number=member.number,
        ends_at=member.ends_at,
        renewed=grant.renewed,
    )
