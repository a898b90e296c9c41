"""The version in force: begun here or on another server, put in force everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec
import structlog
from msgspec import Struct

from overworld.app.game import Game, GameErrors, GameFile, assembled, check
from overworld.app.hooks.loading import HookFaults, load
from overworld.app.versions import store
from overworld.app.versions.changes import Gone, changes, removed
from overworld.app.versions.errors import BadDefinition, NeedsRestart, StillHeld
from overworld.app.versions.messages import Change, Effect, GameReloaded, Reloaded
from overworld.app.versions.store import Row
from overworld.kernel.audit import Staff
from overworld.kernel.clock import Clock, from_us, rfc3339, to_us
from overworld.kernel.events import Envelope
from overworld.kernel.ports import AuditTrail, Outbox, Tx
from overworld.kernel.refusals import Fault
from overworld.platform.postgres import Database

TOPICS = frozenset({GameReloaded.topic})
SETTLES = timedelta(seconds=5)
"""How long before a window begins the others have to know what spawns in it."""
_KEPT_MAX = 16
_AGAIN_S = 0.2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AT_THE_START = Staff(account_id=None, address="start")
_BY_SIGNAL = Staff(account_id=None, address="signal")


class Version(Struct, frozen=True, kw_only=True):
    """A definition and since when it spawns; `number` 0 before it was looked up."""

    number: int
    game: Game
    spawns_from: datetime


class Current:
    """What is in force in this process; `put` replaces it whole."""

    def __init__(self, game: Game) -> None:
        self.version = Version(number=0, game=game, spawns_from=_EPOCH)

    @property
    def game(self) -> Game:
        """The definition in force."""
        return self.version.game

    def digest(self) -> str:
        """What every event says it happened under."""
        return self.version.game.digest


class Holdings(Protocol):
    """Who would lose something if something vanished."""

    async def __call__(self, tx: Tx, gone: Gone, /) -> dict[str, int]:
        """How many hold or owe some of it, by name; those names alone of which anybody does."""
        ...


class Versions:
    """Begins versions and follows those that others begin.

    `followers` put a version in force, and may not fail; `adopters` write something for it, and are asked again when
    they fail.
    """

    def __init__(
        self,
        *,
        current: Current,
        database: Database,
        clock: Clock,
        outbox: Outbox,
        audit: AuditTrail,
        held: Holdings,
        owed: Holdings,
        followers: Sequence[Callable[[Version], None]],
        adopters: Sequence[Callable[[Version], Awaitable[None]]] = (),
    ) -> None:
        self._current = current
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._audit = audit
        self._held = held
        self._owed = owed
        self._followers = followers
        self._adopters = adopters
        self._adopted = 0
        self._turn = asyncio.Lock()
        self.behind = 0
        """1 while another server runs a version that this one cannot put in force."""

    @property
    def number(self) -> int:
        """The number of the version in force."""
        return self._current.version.number

    async def begin(self) -> None:
        """Puts in force what this server was started with, as the version after the last one when it is another.

        Call it once, before the ports open. Raises: StillHeld; Fault.
        """
        wanted = self._current.game
        async with self._database.transaction() as tx:
            await store.lock(tx)
            kept = await store.latest(tx, count=_KEPT_MAX)
            row = kept[0] if kept else None
            if row is None or row.digest != wanted.digest:
                before = _decoded(row, like=wanted) if row else None
                row = await self._begun(tx, wanted, before=before, last=row, staff=_AT_THE_START)
                kept = [row, *kept]
        for one in reversed(kept):
            game = wanted if one is row else _decoded(one, like=wanted)
            if game is not None and _same_windows(game, wanted):
                self._put(Version(number=one.number, game=game, spawns_from=one.spawns_from))
        await self._adopt()

    async def reload(self, staff: Staff) -> Reloaded:
        """Reads the definition again and puts it in force, here now and elsewhere as soon as it is heard of.

        Raises: BadDefinition, NeedsRestart, StillHeld; Fault.
        """
        async with self._turn:
            try:
                wanted = await asyncio.to_thread(check, self._current.game.file)
            except GameErrors as wrong:
                raise BadDefinition(f"{wrong.file}", errors=[str(error) for error in wrong.errors]) from wrong
            await self._follow()
            before = self._current.version
            found = changes(before.game, wanted)
            if not found:
                await self._adopt()
                return _told(before, found)
            _require_no_restart(found)
            async with self._database.transaction() as tx:
                await store.lock(tx)
                [last] = await store.latest(tx)
                row = await self._begun(tx, wanted, before=before.game, last=last, staff=staff)
            begun = Version(number=row.number, game=wanted, spawns_from=row.spawns_from)
            self._put(begun)
            await self._adopt()
        structlog.get_logger("overworld.game").warning(
            "definition reloaded", number=row.number, version=wanted.digest[:12], keys=[one.key for one in found]
        )
        return _told(begun, found)

    async def follow(self) -> None:
        """Puts in force what another server began, or says that it cannot. One round trip. Raises: Fault."""
        async with self._turn:
            await self._follow()

    async def _follow(self) -> None:
        log = structlog.get_logger("overworld.game")
        async with self._database.read() as tx:
            kept = await store.latest(tx)
        if not kept or kept[0].number <= self.number:
            await self._adopt()
            return
        row, here = kept[0], self._current.game
        game = await asyncio.to_thread(_decoded, row, like=here)
        why = _why_not(game, row, here)
        if game is None or why:
            self.behind = 1
            log.error("another server runs a version that this one cannot put in force", number=row.number, why=why)
            return
        self._put(Version(number=row.number, game=game, spawns_from=row.spawns_from))
        await self._adopt()
        log.warning("definition of another server in force", number=row.number, version=row.digest[:12])

    async def _begun(self, tx: Tx, wanted: Game, *, before: Game | None, last: Row | None, staff: Staff) -> Row:
        """Keeps the next version, and tells everybody when there was one before."""
        at = self._clock.now()
        gone = removed(before.written, wanted.written) if before else None
        await self._require_unheld(tx, gone, before=before, starting=staff is _AT_THE_START)
        at_once = last is None or before is None or bool(gone and gone.currencies) or not _same_windows(before, wanted)
        row = Row(
            number=last.number + 1 if last else 1,
            name=wanted.name,
            digest=wanted.digest,
            definition=msgspec.json.encode(wanted.written),
            hooks_digest=wanted.hooks.digest,
            begun_at=at,
            spawns_from=_EPOCH if at_once else _next_window(wanted, at),
        )
        await store.add(tx, row)
        if last is not None:
            event = GameReloaded(name=row.name, number=row.number, digest=row.digest, spawns_from=row.spawns_from)
            did = staff.did("game.reload", row.name, before=last.digest, after=row.digest, note=f"version {row.number}")
            await self._audit.record(tx, [did])
            await self._outbox.append(tx, [event], at=at)
        return row

    async def _require_unheld(self, tx: Tx, gone: Gone | None, *, before: Game | None, starting: bool) -> None:
        if gone is None or not gone.keys or before is None:
            return
        held, owed = await self._held(tx, gone), await self._owed(tx, gone)
        if not starting:
            # What has spawned pays by the version before until its window ends.
            for declared in before.collectibles.types.values():
                if declared.currency in gone.currencies and declared.weight:
                    owed[declared.currency] = owed.get(declared.currency, 0) + 1
        if held or owed:
            names = ", ".join(sorted({*held, *owed}))
            problem = f"players hold or will be paid what the definition no longer has: {names}"
            if starting:
                problem += "; a data folder or database is for one game: give another game another one with --data"
            raise StillHeld(problem, held=held, owed=owed)

    async def _adopt(self) -> None:
        version = self._current.version
        if self._adopted == version.number:
            return
        for adopter in self._adopters:
            await adopter(version)
        self._adopted = version.number

    def _put(self, version: Version) -> None:
        for follower in self._followers:
            follower(version)
        self._current.version = version
        self.behind = 0


def reload_soon(versions: Versions) -> Callable[[], None]:
    """A reload for who cannot wait, as a signal: what comes of it stands in the log."""
    tasks: set[asyncio.Task[None]] = set()

    async def run() -> None:
        log = structlog.get_logger("overworld.game")
        try:
            await versions.reload(_BY_SIGNAL)
        except (BadDefinition, NeedsRestart, StillHeld, Fault) as refusal:
            log.warning("definition not reloaded", code=refusal.code, why=str(refusal), **refusal.public_fields())

    def soon() -> None:
        task = asyncio.get_running_loop().create_task(run(), name="reload-game")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return soon


def versions_tail(versions: Versions) -> Callable[[Sequence[Envelope]], Awaitable[None]]:
    """A handler for the log's tail in each process; it takes any event, twice and in any order. It does not give up."""

    async def on_events(events: Sequence[Envelope]) -> None:
        while any(event.topic in TOPICS for event in events):
            try:
                await versions.follow()
            except Fault as fault:
                structlog.get_logger("overworld.game").warning("cannot read the versions", fault=str(fault))
                await asyncio.sleep(_AGAIN_S)
            else:
                return

    return on_events


def _require_no_restart(found: Sequence[Change]) -> None:
    keys = [one.key for one in found if one.effect is Effect.RESTART]
    if keys:
        raise NeedsRestart(f"restart the servers to change {', '.join(keys)}", keys=keys)


def _decoded(row: Row, *, like: Game) -> Game | None:
    """A version as it was kept, with the hooks of this machine; None when this build cannot read it."""
    try:
        written = msgspec.json.decode(row.definition, type=GameFile)
    except msgspec.DecodeError:
        return None
    hooks = like.hooks
    if row.hooks_digest != hooks.digest:
        try:
            hooks = load(like.file.parent)
        except HookFaults:
            return None
    return assembled(written, file=like.file, hooks=hooks)


def _why_not(game: Game | None, row: Row, here: Game) -> str:
    if game is None:
        return "this build cannot read it, or rules.py on this machine is wrong"
    if game.hooks.digest != row.hooks_digest:
        return "rules.py on this machine is another one"
    keys = [one.key for one in changes(here, game) if one.effect is Effect.RESTART]
    return f"it needs a restart: {', '.join(keys)}" if keys else ""


def _same_windows(one: Game, other: Game) -> bool:
    a, b = one.collectibles, other.collectibles
    return (a.window_s, a.cell_level) == (b.window_s, b.cell_level)


def _next_window(game: Game, at: datetime) -> datetime:
    window_us = game.collectibles.window_s * 1_000_000
    return from_us((to_us(at + SETTLES) // window_us + 1) * window_us)


def _told(version: Version, found: list[Change]) -> Reloaded:
    return Reloaded(
        game=version.game.name,
        number=version.number,
        version=version.game.digest,
        spawns_from=rfc3339(version.spawns_from),
        changes=found,
    )
