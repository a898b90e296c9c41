"""What players and staff ask about standings, what staff decide, and gates that open by themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

from overworld.domains.trust import desk_store, scoring, store
from overworld.domains.trust.desk_store import DecisionRow, SuspectRow
from overworld.domains.trust.errors import AlreadyAppealed, BadDecision, NoSuchPlayer, NothingToAppeal
from overworld.domains.trust.messages import (
    Appeal,
    AppealSeen,
    Decide,
    DecideBody,
    MarkSeen,
    MyStanding,
    ReasonSeen,
    TrustAppealed,
    TrustDecided,
    TrustOfPlayer,
)
from overworld.domains.trust.ports import Directory, Progress
from overworld.domains.trust.showing import appeal_seen, decision_seen, evidence_seen
from overworld.domains.trust.standing import ends_at, settle
from overworld.domains.trust.standings import Standings
from overworld.domains.trust.store import Decided, Row
from overworld.domains.trust.types import PlayerState, TrustRules, TrustSettings
from overworld.domains.trust.words import MEANINGS, REASONS
from overworld.kernel.audit import Staff
from overworld.kernel.clock import Clock, from_us, to_us
from overworld.kernel.events import Event
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox, Tx
from overworld.kernel.standing import Gate, Standing
from overworld.platform.postgres import Database, run_again

R = TypeVar("R")

SHOWN_FROM = 0.02
"""A mark of less is no reason that anybody is told."""

_HISTORY_MAX = 50


class Trust:
    """The door of trust. What is changed, is changed under the lock of the player's row."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        outbox: Outbox,
        audit: AuditTrail,
        directory: Directory,
        progress: Progress,
        standings: Standings,
        rules: TrustRules,
        settings: TrustSettings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._audit = audit
        self._directory = directory
        self._progress = progress
        self._standings = standings
        self._rules = rules
        self._settings = settings

    async def standings(self, player_ids: Sequence[UUID]) -> Sequence[Standing]:
        """The standings, aligned. One round trip at most, none for players known in this process."""
        return await self._standings.standings(player_ids)

    async def mine(self, player_id: UUID) -> MyStanding:
        """A player's standing in plain words. Three round trips."""
        async with self._database.read() as tx:
            return await self._shown(tx, await store.read(tx, player_id))

    async def _shown(self, tx: Tx, row: Row) -> MyStanding:
        at = self._clock.now()
        appeals = await desk_store.appeals(tx, row.id, limit=1)
        is_normal = row.gate is Gate.NORMAL
        latest = appeals[0] if appeals else None
        return MyStanding(
            gate=row.gate,
            meaning=MEANINGS[row.gate],
            reasons=[] if is_normal else self._reasons(row, at),
            until=ends_at(row, at, self._rules),
            decided=row.decided is not None,
            note=None if row.decided is None else row.decided.note,
            may_appeal=not is_normal and (latest is None or latest.answered_at is not None),
            appeal=None if latest is None else appeal_seen(latest),
            at=at,
            judged_until=await self._progress.judged_until(tx, at),
        )

    def _reasons(self, row: Row, at: datetime) -> list[ReasonSeen]:
        """What still weighs, the heaviest first."""
        marks = sorted(self._marks(row, at), key=lambda mark: (-mark.level, mark.kind))
        return [
            ReasonSeen(kind=mark.kind, text=REASONS[mark.kind], at=mark.seen_at)
            for mark in marks
            if mark.level >= SHOWN_FROM
        ]

    def _marks(self, row: Row, at: datetime) -> list[MarkSeen]:
        return [
            MarkSeen(
                kind=kind,
                level=round(scoring.level_at(kind, mark, to_us(at), self._rules), 4),
                sightings=mark.count,
                seen_at=from_us(mark.at_us),
            )
            for kind, mark in sorted(row.state.marks.items())
        ]

    async def appeal(self, command: Appeal) -> AppealSeen:
        """Asks somebody to look. Raises: NothingToAppeal; AlreadyAppealed."""

        async def run(tx: Tx, row: Row, at: datetime) -> AppealSeen:
            if row.gate is Gate.NORMAL:
                raise NothingToAppeal
            appeal_id = self._ids()
            if not await desk_store.add_appeal(tx, appeal_id, row.id, text=command.text, gate=row.gate, at=at):
                raise AlreadyAppealed
            event = TrustAppealed(player_id=row.id, appeal_id=appeal_id, gate=row.gate)
            await self._outbox.append(tx, [event], at=at)
            return AppealSeen(id=appeal_id, text=command.text, at=at)

        return await self._under_lock(command.player_id, run)

    async def of_player(
        self, player_id: UUID, *, staff: Staff, before: UUID | None, limit: int
    ) -> tuple[TrustOfPlayer, UUID | None]:
        """Everything about a player, with a page of the evidence; and where the next one begins. Staff leave a trace.

        Raises: NoSuchPlayer.
        """
        await self._require(player_id)
        at = self._clock.now()
        async with self._database.transaction() as tx:
            row = await store.read(tx, player_id)
            found = await store.evidence(tx, player_id, before=before, limit=limit + 1)
            decided = await desk_store.decisions(tx, player_id, limit=_HISTORY_MAX)
            appeals = await desk_store.appeals(tx, player_id, limit=_HISTORY_MAX)
            await self._audit.record(tx, [staff.did("trust.read", player_id)])
        seen = TrustOfPlayer(
            player_id=player_id,
            score=scoring.score_at(row.state, to_us(at), self._rules),
            gate=row.gate,
            gate_since=row.gate_since,
            earned_gate=row.state.gate,
            until=ends_at(row, at, self._rules),
            marks=self._marks(row, at),
            decisions=[decision_seen(one) for one in decided],
            appeals=[appeal_seen(one) for one in appeals],
            evidence=[evidence_seen(one) for one in found[:limit]],
        )
        return seen, found[limit - 1].id if len(found) > limit else None

    async def queue(
        self, *, staff: Staff, gate: Gate | None, appealed: bool, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[SuspectRow]:
        """Who waits for somebody to look, longest first. Staff leave a trace."""
        async with self._database.transaction() as tx:
            found = await desk_store.queue(tx, gate=gate, appealed=appealed, after=after, limit=limit)
            await self._audit.record(tx, [staff.did("trust.list", "any" if gate is None else gate.value)])
        return found

    async def decide(self, command: Decide, *, staff: Staff) -> MyStanding:
        """Does what staff decided, and answers an open appeal by it. Gives what the player reads now.

        Raises: BadDecision; NoSuchPlayer.
        """
        body = command.body
        _check(body, self._clock.now())
        await self._require(command.player_id)

        async def run(tx: Tx, row: Row, at: datetime) -> MyStanding:
            before = (row.gate, row.score)
            self._take(row, body, at)
            events: list[Event] = [_decided(command)]
            if changed := settle(row, at, self._rules):
                events.append(changed)
            kept = DecisionRow(
                id=self._ids(),
                player_id=row.id,
                decision=body.decision,
                gate=body.gate,
                until=body.until,
                note=body.note,
                by_id=command.by_id,
                at=at,
            )
            await store.write(tx, [row])
            await desk_store.decide(tx, kept)
            did = staff.did(
                f"trust.{body.decision}", row.id, before=before, after=(row.gate, row.score), note=body.note
            )
            await self._audit.record(tx, [did])
            await self._outbox.append(tx, events, at=at)
            return await self._shown(tx, row)

        return await self._under_lock(command.player_id, run)

    def _take(self, row: Row, body: DecideBody, at: datetime) -> None:
        """Changes the row as was decided. Dismissed evidence stays in its table and counts no more."""
        if body.decision == "clear":
            until_us = to_us(at + timedelta(days=self._settings.grace_days))
            spared = dict.fromkeys(row.state.marks, until_us)
            row.state = PlayerState(windows=row.state.windows, spared=row.state.spared | spared)
            row.decided = None
        elif body.decision == "set" and body.gate is not None and body.until is not None:
            row.decided = Decided(body.gate, body.until, body.note)

    async def recover(self, *, rows_max: int) -> int:
        """Opens gates that are due; gives how many players were looked at. Several servers may run it at once."""
        at = self._clock.now()
        async with self._database.transaction() as tx:
            rows = await store.lock_due(tx, at, rows_max=rows_max)
            told = [settle(row, at, self._rules) for row in rows]
            await store.write(tx, rows)
            await self._outbox.append(tx, [event for event in told if event is not None], at=at)
        return len(rows)

    async def forget(self, *, rows_max: int) -> int:
        """Drops evidence, stretches and sign-ins that are kept no longer; how many of the most numerous."""
        now = self._clock.now()
        ages = {
            "evidence": self._settings.evidence_kept_days,
            "shingle": self._settings.tracks_kept_days,
            "device": self._settings.devices_kept_days,
        }
        dropped = 0
        for table, days in ages.items():
            async with self._database.transaction() as tx:
                before = now - timedelta(days=days)
                dropped = max(dropped, await store.forget(tx, table, before, rows_max=rows_max))
        return dropped

    async def counts(self) -> dict[Gate, int]:
        """How many players stand at each gate but the normal one."""
        async with self._database.read() as tx:
            return await store.counts(tx)

    async def _require(self, player_id: UUID) -> None:
        """Raises: NoSuchPlayer."""
        if (await self._directory.found([str(player_id)]))[0] is None:
            raise NoSuchPlayer

    async def _under_lock(self, player_id: UUID, run: Callable[[Tx, Row, datetime], Awaitable[R]]) -> R:
        """Runs something with a player's row, locked and as of now."""
        return await run_again(partial(self._locked, player_id, run))

    async def _locked(self, player_id: UUID, run: Callable[[Tx, Row, datetime], Awaitable[R]]) -> R:
        async with self._database.transaction() as tx:
            row = (await store.lock(tx, [player_id]))[player_id]
            return await run(tx, row, self._clock.now())


def _check(body: DecideBody, now: datetime) -> None:
    """Raises: BadDecision."""
    if body.decision == "set":
        if body.gate is None or body.until is None or body.until <= now:
            raise BadDecision("`set` needs `gate`, and `until` in the future.")
    elif body.gate is not None or body.until is not None:
        raise BadDecision(f"`{body.decision}` takes neither `gate` nor `until`.")


def _decided(command: Decide) -> TrustDecided:
    body = command.body
    return TrustDecided(
        player_id=command.player_id, decision=body.decision, gate=body.gate, until=body.until, by=command.by_id
    )
