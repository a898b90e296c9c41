"""Who gets which number: pure decisions over applications, one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from overworld.domains.accounts.membership.errors import AlreadyMember, MembershipFull, PaidAhead, ProofUsed
from overworld.domains.accounts.membership.types import NUMBER_MAX, Club, Member
from overworld.kernel.clock import rfc3339
from overworld.kernel.refusals import Refusal

AHEAD_MAX = timedelta(days=3_653)
"""How far from now a membership can be paid; one of the longest kind still can be bought once."""

Seat = tuple[str, UUID]
"""A club and an account."""
Proof = tuple[str, bytes]
"""A club and the hash of an account elsewhere."""


class Application(Struct, frozen=True, kw_only=True):
    """What somebody asks for, judged as far as that needs no lock. `id` follows from who asks and the key."""

    id: UUID
    account_id: UUID
    club: Club
    proof: bytes | None = None

    @property
    def seat(self) -> Seat:
        """Where it would put them."""
        return self.club.name, self.account_id


class Grant(Struct, frozen=True):
    """An application that is granted, and whether its member had the number before."""

    application: Application
    member: Member
    renewed: bool


class Rolls(Struct, frozen=True):
    """What is known of the clubs under their locks: numbers given, who is in, and whose proofs were used."""

    given: Mapping[str, int]
    members: Mapping[Seat, Member]
    owners: Mapping[Proof, UUID]


def proof_hash(way: str, account_elsewhere: str) -> bytes:
    """How an account elsewhere is kept: 32 bytes. Source: SHA-256, FIPS 180-4."""
    return sha256(f"{way}\0{account_elsewhere}".encode()).digest()


def decide(
    applications: Sequence[Application],
    rolls: Rolls,
    *,
    now: datetime,
    pay: Callable[[Application], Refusal | None] = lambda _: None,
) -> list[Grant | Refusal]:
    """Goes through applications one by one, as if each were alone, (n,).

    Refused are, in this order: AlreadyMember, ProofUsed, MembershipFull, PaidAhead, and what `pay` refuses, which is
    asked about each that would be granted, once, in their order.
    """
    given, members, owners = dict(rolls.given), dict(rolls.members), dict(rolls.owners)
    outcomes: list[Grant | Refusal] = []
    for one in applications:
        before = members.get(one.seat)
        outcome = _renewed(one, before, now=now) if before else _new(one, given, owners, now=now)
        if isinstance(outcome, Grant) and (unpaid := pay(one)) is not None:
            outcome = unpaid
        outcomes.append(outcome)
        if isinstance(outcome, Refusal):
            continue
        members[one.seat] = outcome.member
        if not outcome.renewed:
            given[one.club.name] = outcome.member.number
            if one.proof is not None:
                owners[one.club.name, one.proof] = one.account_id
    return outcomes


def _renewed(one: Application, before: Member, *, now: datetime) -> Grant | Refusal:
    """Longer under the same number: bought time goes on from its end, free time begins anew once it has ended."""
    days, name = one.club.rules.duration_days, one.club.name
    runs = before.held.runs_at(now)
    if runs and (days is None or before.ends_at is None or one.club.currency is None):
        return AlreadyMember(membership=name, number=before.number)
    begins = before.ends_at if runs and before.ends_at is not None else now
    ends_at = None if days is None else begins + timedelta(days=days)
    if ends_at is not None and ends_at > now + AHEAD_MAX:
        return PaidAhead(membership=name, ends_at=rfc3339(begins))
    return Grant(one, replace(before, ends_at=ends_at), renewed=True)


def _new(one: Application, given: Mapping[str, int], owners: Mapping[Proof, UUID], *, now: datetime) -> Grant | Refusal:
    rules, name = one.club.rules, one.club.name
    if one.proof is not None and (name, one.proof) in owners:
        return ProofUsed(membership=name, proof=rules.proof)
    cap = NUMBER_MAX if rules.cap is None else rules.cap
    if given[name] >= cap:
        return MembershipFull(membership=name, cap=cap)
    ends_at = None if rules.duration_days is None else now + timedelta(days=rules.duration_days)
    member = Member(club=name, number=given[name] + 1, account_id=one.account_id, granted_at=now, ends_at=ends_at)
    return Grant(one, member, renewed=False)
