"""Flags evaluated for players: out of memory, and what is measured is kept before it is answered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from overworld.domains.experiments import rules, store
from overworld.domains.experiments.book import FlagBook
from overworld.domains.experiments.errors import NoSuchFlag
from overworld.domains.experiments.messages import FlagExposed, FlagGiven, Unit
from overworld.domains.experiments.ports import Traits
from overworld.domains.experiments.types import Decision, Exposure, Flag, Reason
from overworld.kernel.batch import GroupCommit
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Outbox
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres import Database, run_again

_KNOWN_MAX = 500_000
_AT_ONCE_MAX = 5_000

_Known = tuple[UUID, int, UUID]


class Evaluating:
    """Says who gets what. `evaluated` counts answers, `exposed` exposures that were new.

    An exposure of a player, flag and day is written once, in the transaction of its event; until then nobody is
    answered, so nobody acts by a variant that is not known. What this process has written today it remembers, up to
    half a million; what it forgot is found in the table.
    """

    def __init__(self, *, database: Database, clock: Clock, outbox: Outbox, book: FlagBook, traits: Traits) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._book = book
        self._traits = traits
        self._day = clock.now().date()
        self._known: set[_Known] = set()
        self.lane: GroupCommit[Sequence[Exposure], None] = GroupCommit(name="exposures", run=self._commit)
        self.evaluated = 0
        self.exposed = 0

    async def close(self) -> None:
        """Lets what was asked for finish."""
        await self.lane.close()

    async def one(self, unit: Unit, *, flag: str, expose: bool = True) -> FlagGiven:
        """What a unit gets of one flag. Raises: NoSuchFlag; Busy; Fault."""
        if flag not in self._book.flags:
            raise NoSuchFlag(flag=flag)
        [given] = await self.many([unit], flags=[flag], expose=expose)
        return given[flag]

    async def many(
        self, units: Sequence[Unit], *, flags: Collection[str] | None = None, expose: bool = True
    ) -> list[dict[str, FlagGiven]]:
        """What units get, (n,), by flag; of all flags, or of those named that there are.

        A round trip when a rule asks for what the server knows of players, another when somebody is exposed anew.
        Raises: Busy; Fault.
        """
        known = self._book.flags
        chosen = list(known.values()) if flags is None else [known[key] for key in flags if key in known]
        told = [rules.unit_of(unit.key) for unit in units]
        attributes = await self._attributes(units, [player_id for _, player_id in told], chosen)
        given: list[dict[str, FlagGiven]] = []
        shown: list[Exposure] = []
        for (key, player_id), has in zip(told, attributes, strict=True):
            decided = {flag.key: rules.decide(flag.key, flag.definition, unit=key, attributes=has) for flag in chosen}
            given.append({name: _given(decision) for name, decision in decided.items()})
            if expose and player_id is not None:
                shown += self._new(player_id, [(flag, decided[flag.key]) for flag in chosen])
        if shown:
            for start in range(0, len(shown), _AT_ONCE_MAX):
                await self.lane.submit(shown[start : start + _AT_ONCE_MAX])
        self.evaluated += len(units) * len(chosen)
        return given

    async def _attributes(
        self, units: Sequence[Unit], player_ids: Sequence[UUID | None], flags: Sequence[Flag]
    ) -> list[Mapping[str, Any]]:
        """What is known of each unit; what the server knows itself goes first, and nobody else can say it."""
        own = self._traits.names
        said: list[Mapping[str, Any]] = [
            {name: value for name, value in unit.attributes.items() if name not in own} for unit in units
        ]
        if not own & rules.asked(flag.definition for flag in flags):
            return said
        players = sorted({player_id for player_id in player_ids if player_id is not None})
        traits = dict(zip(players, await self._traits.of(players), strict=True)) if players else {}
        return [
            one if player_id is None else {**one, **traits[player_id]}
            for one, player_id in zip(said, player_ids, strict=True)
        ]

    def _new(self, player_id: UUID, decided: Sequence[tuple[Flag, Decision]]) -> list[Exposure]:
        """The exposures of a player that this process has not written today."""
        at = self._clock.now()
        if at.date() != self._day or len(self._known) > _KNOWN_MAX:
            self._day = at.date()
            self._known = set()
        return [
            Exposure(
                flag_id=flag.id,
                flag=flag.key,
                allocation=flag.allocation,
                player_id=player_id,
                day=at.date(),
                variant=decision.variant,
                randomised=decision.reason is Reason.SPLIT,
                at=at,
            )
            for flag, decision in decided
            if flag.definition.experiment is not None
            and decision.reason in {Reason.SPLIT, Reason.TARGETING_MATCH}
            and (flag.id, flag.allocation, player_id) not in self._known
        ]

    async def _commit(self, batch: Sequence[Sequence[Exposure]]) -> list[Refusal | None]:
        by_key = {
            (e.flag_id, e.allocation, e.player_id, e.day): e for command in reversed(batch) for e in reversed(command)
        }
        new = await run_again(lambda: self._commit_once(list(by_key.values())))
        self.exposed += new
        self._known |= {
            (flag_id, allocation, player) for flag_id, allocation, player, day in by_key if day == self._day
        }
        return [None for _ in batch]

    async def _commit_once(self, shown: Sequence[Exposure]) -> int:
        async with self._database.transaction() as tx:
            kept = await store.expose(tx, shown)
            told = [
                FlagExposed(
                    player_id=one.player_id,
                    flag=one.flag,
                    variant=one.variant,
                    allocation=one.allocation,
                    randomised=one.randomised,
                )
                for one in shown
                if (one.flag_id, one.allocation, one.player_id, one.day) in kept
            ]
            for start in range(0, len(told), _AT_ONCE_MAX):
                await self._outbox.append(tx, told[start : start + _AT_ONCE_MAX], at=self._clock.now())
        return len(kept)


def _given(decision: Decision) -> FlagGiven:
    return FlagGiven(variant=decision.variant, value=decision.value, reason=decision.reason)
