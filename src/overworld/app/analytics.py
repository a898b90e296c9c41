"""Fits the doors of other domains to what analytics asks for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from uuid import UUID

import numpy as np

from overworld.app.platform import Platform
from overworld.domains.analytics import wiring
from overworld.domains.analytics.errors import NoBoard
from overworld.domains.analytics.messages import RankedBoard, RankedPlace
from overworld.domains.analytics.wiring import AnalyticsParts
from overworld.domains.gameplay.boards.errors import NoBoard as GameNoBoard
from overworld.domains.gameplay.boards.messages import LeaderboardPlace
from overworld.domains.gameplay.boards.rules import boards_of
from overworld.domains.gameplay.boards.service import Asked, Boards
from overworld.domains.gameplay.service import Gameplay
from overworld.domains.ledger.service import Ledger
from overworld.domains.telemetry import store as telemetry_store
from overworld.domains.telemetry.processing.pseudonyms import Pseudonyms
from overworld.domains.telemetry.sampling import Sampling
from overworld.geo.columns import F64, U64
from overworld.kernel.audit import AuditEntry
from overworld.kernel.ports import AuditTrail
from overworld.platform.postgres import Database

_SECRET_BYTES = 32


def build(platform: Platform, *, gameplay: Gameplay, boards: Boards, ledger: Ledger) -> AnalyticsParts:
    """Analytics of this server."""
    names = Names(platform.database)
    return wiring.build(
        columns=platform.columns,
        clock=platform.clock,
        pseudonyms=names,
        levels=Levels(gameplay),
        wallets=Wallets(ledger, names),
        looks=Looks(platform.database, platform.audit.trail),
        boards=GameBoards(boards, names=_world_boards(platform)),
        supply=ledger,
        room_level=platform.settings.world.room_level,
        frame_every_s=platform.settings.graphql.frame_every_s,
        sampled=Sampling.of(platform.settings.telemetry.sampling).names,
    )


def _world_boards(platform: Platform) -> list[str]:
    boards = boards_of(platform.game.leaderboards, platform.game.currencies)
    return [name for name, board in boards.items() if not board.by_region]


class Names:
    """Under which names players stand in the store: by the secret with which telemetry makes them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pseudonyms: Pseudonyms | None = None

    async def of_id(self, player: UUID) -> bytes:
        """The pseudonym of a player."""
        return (await self.made()).of_id(player)

    async def made(self) -> Pseudonyms:
        """What makes them."""
        if self._pseudonyms is None:
            async with self._database.transaction() as tx:
                self._pseudonyms = Pseudonyms(await telemetry_store.secret(tx, os.urandom(_SECRET_BYTES)))
        return self._pseudonyms


class Looks:
    """Who of the staff looked at whom, as the audit log keeps it."""

    def __init__(self, database: Database, audit: AuditTrail) -> None:
        self._database = database
        self._audit = audit

    async def record(self, entry: AuditEntry) -> None:
        """Keeps the entry."""
        async with self._database.transaction() as tx:
            await self._audit.record(tx, [entry])


class Wallets:
    """What players hold, as the ledger says, under the names that the store knows."""

    def __init__(self, ledger: Ledger, names: Names) -> None:
        self._ledger = ledger
        self._names = names

    def currencies(self) -> Collection[str]:
        """The currencies of the game."""
        return self._ledger.currencies

    async def held(self, currency: str) -> tuple[U64, F64]:
        """The first halves of all pseudonyms with a wallet, ascending, and what each holds; aligned, (n,)."""
        wallets = await self._ledger.wallets(currency)
        pseudonyms = await self._names.made()
        return await asyncio.to_thread(_named, wallets, pseudonyms)


def _named(wallets: Sequence[tuple[bytes, float]], pseudonyms: Pseudonyms) -> tuple[U64, F64]:
    who = np.frombuffer(pseudonyms.halves(owner for owner, _ in wallets), ">u8").astype(np.uint64)
    order = np.argsort(who)
    return who[order], np.array([held for _, held in wallets], np.float64)[order]


class Levels:
    """How far players have come."""

    def __init__(self, gameplay: Gameplay) -> None:
        self._gameplay = gameplay

    async def level_of(self, player_id: UUID) -> int:
        """The level of a player."""
        [progress] = await self._gameplay.progress([player_id])
        return progress.level


class GameBoards:
    """The game's leaderboards, as analytics tells them."""

    def __init__(self, boards: Boards, *, names: Sequence[str]) -> None:
        self._boards = boards
        self._names = names

    def names(self) -> Sequence[str]:
        """The boards that the game declares."""
        return self._names

    async def board(self, name: str, *, player_id: UUID, limit: int, start: int = 0) -> RankedBoard:
        """Places of a board from `start` (0 is the best) on, and the player's own. Raises: NoBoard; Fault, Busy."""
        try:
            page, _ = await self._boards.page(Asked(player_id=player_id, board=name, start=start, limit=limit))
        except GameNoBoard as unknown:
            raise NoBoard(board=name) from unknown
        return RankedBoard(
            board=page.board,
            counts=page.counts,
            players=page.players,
            me=None if page.me is None else _place(page.me),
            items=[_place(place) for place in page.items],
        )


def _place(place: LeaderboardPlace) -> RankedPlace:
    return RankedPlace(rank=place.rank, player_id=place.player_id, score=place.score)
