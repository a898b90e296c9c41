"""Claims, many at once: judged in Python, carried out in one round trip, each answered as if it were alone.

What needs no database is decided here (`rules.attempted`). One SQL function does the rest of a batch; where it cannot
decide item by item, it changes nothing and the batch goes the exact way (`exact_claims`), which can answer everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from datetime import date, datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from overworld.domains.gameplay import store
from overworld.domains.gameplay.claim import (
    Claim,
    Outcome,
    collected,
    collection_event,
    payer_of,
    replayed,
    wallet_of,
)
from overworld.domains.gameplay.errors import NOT_KEPT, AlreadyCollected, CapReached
from overworld.domains.gameplay.exact_claims import ExactClaims
from overworld.domains.gameplay.hooked import claims_seen, ruled
from overworld.domains.gameplay.messages import ClaimCollectible, Collected
from overworld.domains.gameplay.ports import ClaimRule, EncodingOutbox, Gear, Trust
from overworld.domains.gameplay.rules import Attempt, Claimants, attempted, attempted_as_of, terms_of
from overworld.domains.gameplay.spawns import Spawns, is_placed
from overworld.domains.gameplay.store import Batch, Judged
from overworld.domains.gameplay.types import BARE, CollectibleRules, Spawn, Worn
from overworld.kernel.clock import Clock, from_us
from overworld.kernel.identity import Answer
from overworld.kernel.ids import IdSource
from overworld.kernel.money import AMOUNT_MINOR_MAX
from overworld.kernel.ports import LastFix, Ledger
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres import CheckViolation, Database, UniqueViolation, run_again
from overworld.platform.postgres.arrays import numbers
from overworld.platform.postgres.idempotency import KeyReused, encoded, recalled, repeated

_TRIES_MAX = 4
_PLAYERS_KNOWN_MAX = 200_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_NO_DAY = date.min.toordinal() - _EPOCH_DAY


Kept = Callable[[Iterable[str]], Awaitable[Mapping[str, Spawn]]]
"""Those of some ids that were ever placed, by id."""


class Claims:
    """Answers batches of claims. Several may run at once, here and on other servers with the same database."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        outbox: EncodingOutbox,
        ledger: Ledger,
        last_fix: LastFix,
        trust: Trust,
        spawns: Spawns,
        rules: CollectibleRules,
        levels: Sequence[int],
        fix_age_max_s: int,
        rule: ClaimRule | None = None,
        gear: Gear | None = None,
        kept: Kept | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._ledger = ledger
        self._last_fix = last_fix
        self._trust = trust
        self._spawns = spawns
        self._fix_age_max_s = fix_age_max_s
        self._gear = gear
        self._kept = kept
        self._players_known: dict[int, None] = {}
        self._worn_known: dict[UUID, Worn] = {}
        self._exact = ExactClaims(database=database, outbox=outbox, ledger=ledger, gear=gear)
        self.exact_batches = 0
        self.put_in_force(rules, levels=levels, rule=rule)

    def put_in_force(self, rules: CollectibleRules, *, levels: Sequence[int], rule: ClaimRule | None) -> None:
        """Judges by these from now on; a batch under way ends by what it began with or by these."""
        self._daily_cap = rules.daily_cap
        self._levels_told = numbers(levels)
        self._terms = terms_of(rules, age_max_s=self._fix_age_max_s)
        self._rule = rule
        self._worn_known.clear()  # a tool may multiply by something else now
        self._exact.put_in_force(daily_cap=rules.daily_cap, levels=levels, hold_for=timedelta(days=rules.hold_days))

    async def run(self, commands: Sequence[ClaimCollectible], *, stripe: int = 0) -> list[Outcome]:
        """The outcome of each claim, (n,). One round trip where nobody is new here and nothing is rare.

        Batches that run side by side give different numbers for `stripe`, so that they pay from different stripes.
        Whatever is raised, the same claims may be run again: what was committed is then answered by its key.
        """
        at_us = self._clock.now_us()
        claims = await self._judged(commands, at_us=at_us)
        found = [claim for claim in claims if isinstance(claim, Claim)]
        carry_out = partial(self._carried_out, at=from_us(at_us), stripe=stripe)
        once = len({claim.id.int for claim in found}) == len(found)
        outcomes = iter(await (carry_out(found) if once else _by_turns(found, carry_out)))
        return [claim if isinstance(claim, Refusal) else next(outcomes) for claim in claims]

    async def _judged(self, commands: Sequence[ClaimCollectible], *, at_us: int) -> list[Claim | Refusal]:
        """Claims as far as they can be judged without the database, (n,); a refusal where there is no collectible."""
        player_ids = [command.player_id for command in commands]
        claimants = Claimants(
            player_ids=player_ids,
            memberships=[command.memberships for command in commands],
            fixes=await self._last_fix.get(player_ids),
            standings=await self._trust.standings(player_ids),
            worn=await self._worn(player_ids, now_us=at_us),
        )
        wanted = await self._found([command.collectible_id for command in commands])
        ids = await self._ledger.transfer_ids([(command.player_id, command.key) for command in commands])
        attempts = attempted(wanted, claimants, now_us=at_us, terms=self._terms)
        for i, command in enumerate(commands):
            if command.as_of is not None:
                attempts[i] = attempted_as_of(wanted[i], claimants, i, command.as_of, terms=self._terms)
        if self._rule is not None and any(isinstance(one, Attempt) for one in attempts):
            as_of = [command.as_of for command in commands]
            attempts = ruled(attempts, self._rule(claims_seen(attempts, claimants, now_us=at_us, as_of=as_of)))
        return [
            Claim(
                claim_id,
                command.player_id,
                spawn,
                spawn.reference_for(command.player_id),
                attempt,
            )
            if isinstance(spawn, Spawn)
            else spawn
            for command, claim_id, spawn, attempt in zip(commands, ids, wanted, attempts, strict=True)
        ]

    async def _found(self, ids: Sequence[str]) -> list[Spawn | Refusal]:
        """The collectibles, (n,). What this server knows nothing of is looked for among all that was ever placed: an
        earlier claim for it may have an answer, and one that was made without a network may come late.
        """
        found = [self._find(one) for one in ids]
        unknown = [asked for asked, one in zip(ids, found, strict=True) if isinstance(one, Refusal)]
        if not unknown or self._kept is None:
            return found
        kept = await self._kept(unknown)
        return [kept.get(asked, one) for asked, one in zip(ids, found, strict=True)]

    def _find(self, id: str) -> Spawn | Refusal:
        try:
            return self._spawns.find(id)
        except Refusal as refusal:
            return refusal

    async def _carried_out(self, claims: Sequence[Claim], *, at: datetime, stripe: int) -> list[Outcome]:
        """The outcomes, (n,); no id comes twice. Who has a claim that needs the exact way goes it with all of them."""
        slow = {
            claim.player_id
            for claim in claims
            if isinstance(claim.attempt, Attempt) and (claim.attempt.is_held or claim.spawn.kind.cooldown_s)
        } | _on_several_days(claims)
        fast = _out_of_the_way(claims, slow) if slow else claims
        outcomes = await self._at_once(fast, at=at, stripe=stripe) if fast else []
        if outcomes is not None and not slow:
            return outcomes
        done = {} if outcomes is None else {claim.id: outcome for claim, outcome in zip(fast, outcomes, strict=True)}
        exact = [claim for claim in claims if claim.id not in done]
        self.exact_batches += 1
        answers = await self._exact.run(exact, at=at, stripe=stripe)
        for claim in exact:  # it may have come here because other gear is carried than is known
            self._worn_known.pop(claim.player_id, None)
        done |= {claim.id: outcome for claim, outcome in zip(exact, answers, strict=True)}
        return [done[claim.id] for claim in claims]

    async def _at_once(self, claims: Sequence[Claim], *, at: datetime, stripe: int) -> list[Outcome] | None:
        """The outcomes in one round trip, (n,); None, with nothing done, when that cannot decide item by item."""
        for _ in range(_TRIES_MAX):
            batch = await self._batch(claims, at=at, stripe=stripe)
            if batch is None:
                return None
            try:
                judged = await run_again(partial(self._call, batch))
            except UniqueViolation:
                continue  # somebody took one of these, or used one of the keys, while this ran
            except CheckViolation:
                return None
            return self._answers(claims, judged)
        return None

    async def _call(self, batch: Batch) -> Judged:
        async with self._database.read() as tx:
            return await store.claim(tx, batch)

    async def _batch(self, claims: Sequence[Claim], *, at: datetime, stripe: int) -> Batch | None:
        """The batch as columns; None where a sum runs over. Players and wallets that are new here are made first."""
        wins = [(claim, claim.attempt) for claim in claims if isinstance(claim.attempt, Attempt)]
        lost = [(claim, claim.attempt) for claim in claims if isinstance(claim.attempt, Refusal)]
        players = [player_id for _, player_id in sorted({one.player_id.int: one.player_id for one in claims}.items())]
        await self._make(players)
        player_at = {player_id.int: place for place, player_id in enumerate(players)}
        days = [_NO_DAY] * len(players)  # a claim that is refused begins no day
        gained, claimed = [0] * len(players), [0] * len(players)
        worn = [BARE] * len(players)
        player_of: list[int] = []
        for claim, attempt in wins:
            place = player_at[claim.player_id.int]
            gained[place] += claim.spawn.kind.experience
            claimed[place] += 1
            worn[place] = attempt.worn
            days[place] = attempt.day.toordinal() - _EPOCH_DAY
            player_of.append(place + 1)
        amounts_minor = [attempt.amount_minor for _, attempt in wins]
        moved = _moved(await self._legs(wins, stripe), amounts_minor)
        if max((*gained, *moved.paid_minor, *moved.received_minor), default=0) > AMOUNT_MINOR_MAX:
            return None
        events = [
            collection_event(claim.player_id, claim.spawn, amount_minor)
            for (claim, _), amount_minor in zip(wins, amounts_minor, strict=True)
        ]
        references = [claim.reference for claim, _ in wins]
        return Batch(
            ids=[claim.id for claim, _ in wins],
            references=references,
            collectible_ids=[claim.spawn.id for claim, _ in wins],
            player_at=player_of,
            wallet_at=moved.wallet_at,
            payer_at=moved.payer_at,
            amounts_minor=amounts_minor,
            gains=[claim.spawn.kind.experience for claim, _ in wins],
            reduced=[attempt.is_reduced for _, attempt in wins],
            events=self._outbox.lines(events, at=at),
            placed=b"".join([claim.spawn.key for claim, _ in wins if is_placed(claim.spawn.key)]),
            alone=max(claimed, default=0) <= 1 and len({one.int for one in references}) == len(references),
            refused_ids=[claim.id for claim, _ in lost],
            refused_references=[claim.reference for claim, _ in lost],
            refused_player_at=[player_at[claim.player_id.int] + 1 for claim, _ in lost],
            refused_codes=[None if isinstance(refusal, NOT_KEPT) else refusal.code for _, refusal in lost],
            refused_bodies=[encoded(refusal) for _, refusal in lost],
            players=players,
            days=days,
            gained=gained,
            claimed=claimed,
            gears=[one.version for one in worn],
            worn_at=[one.worn_at for one in worn],
            accounts=moved.accounts,
            paid_minor=moved.paid_minor,
            received_minor=moved.received_minor,
            levels=self._levels_told,
            daily_cap=self._daily_cap,
            level_event=store.level_event(self._outbox, at=at),
            event_id=self._ids(),
            at=at,
        )

    async def _legs(self, wins: Sequence[tuple[Claim, Attempt]], stripe: int) -> list[tuple[int, int]]:
        """The row numbers of the wallet and of what pays into it, (n,)."""
        wallets = [wallet_of(claim.player_id, claim.spawn) for claim, _ in wins]
        found = await self._ledger.open(wallets + [payer_of(claim.spawn) for claim, _ in wins])
        sides = zip(found[: len(wins)], found[len(wins) :], strict=True)
        return [(wallet[0], payer[stripe % len(payer)]) for wallet, payer in sides]

    async def _worn(self, player_ids: Sequence[UUID], *, now_us: int) -> list[Worn]:
        """What each carries, (n,), as far as is known here; the database refuses a batch that knows too little.

        One round trip, none when all are known and no boost has ended.
        """
        if self._gear is None:
            return [BARE] * len(player_ids)
        known = self._worn_known
        unknown = {one for one in player_ids if one not in known or _has_ended(known[one], now_us)}
        if unknown:
            async with self._database.read() as tx:
                found = await self._gear.of(tx, list(unknown), now_us=now_us)
            known.update((player_id, found.get(player_id, BARE)) for player_id in unknown)
        carried = [known[player_id] for player_id in player_ids]
        while len(known) > _PLAYERS_KNOWN_MAX:
            del known[next(iter(known))]
        return carried

    async def _make(self, players: Iterable[UUID]) -> None:
        """Makes the rows of players who are new here; one round trip, none when all are known."""
        new = [player_id for player_id in players if player_id.int not in self._players_known]
        if not new:
            return
        async with self._database.read() as tx:
            await store.make_players(tx, new)
        self._players_known.update(dict.fromkeys(player_id.int for player_id in new))
        while len(self._players_known) > _PLAYERS_KNOWN_MAX:
            del self._players_known[next(iter(self._players_known))]

    def _answers(self, claims: Sequence[Claim], judged: Judged) -> list[Outcome]:
        won = iter(zip(judged.statuses, judged.experiences, judged.levels, judged.balances_minor, strict=True))
        refused = iter(judged.refused_statuses)
        answers: list[Outcome] = []
        for claim in claims:
            if isinstance(claim.attempt, Refusal):
                status = next(refused)
                answers.append(claim.attempt if status == store.WON else _earlier(claim, judged))
                continue
            status, experience, level, balance_minor = next(won)
            if status == store.WON:
                answer = collected(
                    claim.spawn,
                    amount_minor=claim.attempt.amount_minor,
                    balance_minor=balance_minor,
                    experience=experience,
                    level=level,
                    is_reduced=claim.attempt.is_reduced,
                )
                answers.append(Answer(answer))
            elif status == store.CAP_REACHED:
                answers.append(CapReached(collectible_id=claim.spawn.id, daily_cap=self._daily_cap))
            elif status == store.ALREADY_COLLECTED:
                answers.append(AlreadyCollected(collectible_id=claim.spawn.id))
            else:
                answers.append(_earlier(claim, judged))
        return answers


class _Moved(NamedTuple):
    """What the accounts of a batch pay and receive, ascending; the `_at` of a claim are places in them, from 1."""

    accounts: list[int]
    paid_minor: list[int]
    received_minor: list[int]
    wallet_at: list[int]
    payer_at: list[int]


def _moved(legs: Sequence[tuple[int, int]], amounts_minor: Sequence[int]) -> _Moved:
    accounts = sorted({number for leg in legs for number in leg})
    at = {number: place for place, number in enumerate(accounts)}
    moved = _Moved(accounts, [0] * len(accounts), [0] * len(accounts), [], [])
    for (wallet, payer), amount_minor in zip(legs, amounts_minor, strict=True):
        to, of = at[wallet], at[payer]
        moved.received_minor[to] += amount_minor
        moved.paid_minor[of] += amount_minor
        moved.wallet_at.append(to + 1)
        moved.payer_at.append(of + 1)
    return moved


async def _by_turns(
    claims: Sequence[Claim], carry_out: Callable[[Sequence[Claim]], Awaitable[Sequence[Outcome]]]
) -> list[Outcome]:
    """The outcomes of claims of which some have the same id, (n,): the first of each goes, the others repeat it."""
    outcomes: dict[tuple[UUID, UUID], Outcome] = {}
    first: dict[UUID, Claim] = {}
    left = claims
    while left:
        turn: dict[UUID, Claim] = {}
        for claim in left:
            turn.setdefault(claim.id, claim)
        first |= turn
        found = dict(zip(turn, await carry_out(list(turn.values())), strict=True))
        outcomes |= {(claim.id, claim.reference): found[claim.id] for claim in turn.values()}
        # Whoever asked for another thing under a used key says nothing about the next who uses it.
        left = [c for c in left if c.reference != turn[c.id].reference and isinstance(found[c.id], KeyReused)]
    return [_of(claim, first[claim.id], outcomes) for claim in claims]


def _earlier(claim: Claim, judged: Judged) -> Outcome:
    """What was answered under the claim's key before."""
    known = judged.known.get(claim.id)
    if known is not None:
        return replayed(claim, known, is_reduced=claim.id in judged.reduced)
    outcome = recalled(claim.use, judged.kept[claim.id.bytes], answer=Collected)
    return outcome if isinstance(outcome, Refusal) else Answer(outcome, replayed=True)


def _of(claim: Claim, first: Claim, outcomes: Mapping[tuple[UUID, UUID], Outcome]) -> Outcome:
    """The outcome of a claim; to a later one under the same key, the first's is an earlier answer."""
    own = outcomes.get((claim.id, claim.reference))
    if own is not None and (claim is first or isinstance(own, KeyReused)):
        return own
    earlier = repeated(claim.use, first=first.use, outcome=outcomes[first.id, first.reference])
    return earlier if isinstance(earlier, Refusal) else Answer(earlier.value, replayed=True)


def _out_of_the_way(claims: Sequence[Claim], slow: Set[UUID]) -> list[Claim]:
    """The claims of all who are not slow; none where one of these wants what somebody slow wants, perhaps before."""
    wanted = {claim.reference.int for claim in claims if claim.player_id in slow}
    fast = [claim for claim in claims if claim.player_id not in slow]
    return fast if wanted.isdisjoint(claim.reference.int for claim in fast) else []


def _on_several_days(claims: Sequence[Claim]) -> set[UUID]:
    """Whose claims count on more than one day, as some that were made without a network may."""
    made_earlier = {
        claim.player_id for claim in claims if isinstance(claim.attempt, Attempt) and claim.attempt.at_us is not None
    }
    days: dict[UUID, set[date]] = {player_id: set() for player_id in made_earlier}
    for claim in claims:
        if claim.player_id in days and isinstance(claim.attempt, Attempt):
            days[claim.player_id].add(claim.attempt.day)
    return {player_id for player_id, of_player in days.items() if len(of_player) > 1}


def _has_ended(worn: Worn, now_us: int) -> bool:
    return worn.boost_until_us is not None and worn.boost_until_us <= now_us
