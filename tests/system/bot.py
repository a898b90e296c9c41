"""A player that is a program: it walks, collects, carries, completes and competes, through the public doors alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from types import TracebackType
from typing import Self

from overworld.client import (
    Collected,
    CollectibleSeen,
    Event,
    Fix,
    InventoryChanged,
    Item,
    LeaderboardUpdated,
    LevelReached,
    Page,
    Player,
    Quest,
    QuestCompleted,
    QuestDone,
    QuestProgress,
    Refused,
    Tool,
)
from overworld.geo.sphere import destination_deg, distance_between_m

_SIGHT_M = 400.0
_GONE = frozenset({"gameplay.already_collected", "gameplay.expired", "gameplay.not_found"})
_NOT_NOW = frozenset({"gameplay.not_usable", "gameplay.level_too_low", "gameplay.not_worn"})
_SHARE_OF_SPEED = 0.9
_THERE_M = 0.5
_ROUNDED_M = 0.1  # places are told in steps of a centimetre: what is so near the edge of the reach may lie beyond it
_TOLD_M = 30.0  # a way counts when it is told, every 25 m


class Diary:
    """What the bot was told on its own channel, and a way to wait until it was told enough."""

    def __init__(self) -> None:
        self.levels: list[LevelReached] = []
        self.places: dict[str, LeaderboardUpdated] = {}
        self.met: set[str] = set()
        self.completed: set[str] = set()
        self.tools: set[str] = set()
        self._news = asyncio.Condition()

    async def keep(self, player: Player) -> None:
        """Writes down every event until the player leaves."""
        async for event in player.events:
            self._write(event)
            async with self._news:
                self._news.notify_all()

    async def until(self, happened: Callable[[], bool], *, within_s: float = 10.0) -> None:
        """Waits for events until something is so. Raises: TimeoutError."""
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(happened)

    def _write(self, event: Event) -> None:
        match event:
            case InventoryChanged(data=changed):
                self.tools.update(changed.tools)
            case LevelReached():
                self.levels.append(event)
            case LeaderboardUpdated(data=standing):
                self.places[standing.board] = event
            case QuestProgress(data=progress) if progress.met:
                self.met.add(progress.id)
            case QuestCompleted(data=run):
                self.completed.add(run.id)


class Bot:
    """Plays from its first sign-in on; `seed` decides its name and its choices. Use it as a context manager.

    `speed_m_s` is the fastest that the game lets anybody move, `reach_m` from how far things are collected. The bot
    keeps to both. What it earned and paid is in `earned` and `paid`, in units of the currency.
    """

    def __init__(self, server: str, *, seed: int, place: tuple[float, float], speed_m_s: float, reach_m: float) -> None:
        self._random = Random(seed)
        self.diary = Diary()
        self.collected: list[Collected] = []
        self.done: list[QuestDone] = []
        self.earned = self.paid = Decimal(0)
        name = f"bot-{seed}"
        self.player = Player(
            server,
            sign_in=lambda api: api.register(email=f"{name}@example.org", username=name, password=f"{name} walks far"),
            messages_per_s=1_000.0,
        )
        self._place = place
        self._speed_m_s = speed_m_s * _SHARE_OF_SPEED
        self._reach_m = reach_m
        self._walked_s = asyncio.get_running_loop().time()
        self._tried: set[str] = set()
        self._keys = 0

    async def __aenter__(self) -> Self:
        await self.player.__aenter__()
        self._writing = asyncio.create_task(self.diary.keep(self.player))
        granted = await self.player.listen({f"user:{self.player.api.session.user.id}"})
        assert len(granted) == 1
        await self._report()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.player.__aexit__(kind, error, trace)
        await self._writing

    @property
    def level(self) -> int:
        """The level that the last claim or quest told of."""
        return max([1, *(one.level for one in self.collected), *(one.obtained.level for one in self.done)])

    async def round(self) -> None:
        """Collects what is in reach, in any order, then walks to something that lies farther off."""
        lying = [coin for coin in await self._nearby() if coin.id not in self._tried]
        assert lying, "nothing lies around"
        near = [coin for coin in lying if self._away_m(coin) < self._reach_m - _ROUNDED_M]
        for coin in self._random.sample(near, len(near)):
            await self._collect(coin)
        if len(near) < len(lying):
            coin = self._random.choice(lying[len(near) :])
            await self._walk_to(coin.lat, coin.lng)

    async def pursue(self, wanted: AbstractSet[str]) -> None:
        """Begins, works on and completes what it can of the quests that it wants."""
        for quest in await self.player.api.quests():
            if quest.id not in wanted or quest.state not in ("available", "active"):
                continue
            if quest.state == "available":
                await self.player.api.begin(quest.id)
            elif quest.met:
                await self._complete(quest.id)
            else:
                await self._work_on(quest)

    async def take_best_tool(self) -> Tool:
        """Takes the tool in hand that multiplies most. Raises: Refused when the bot's level is too low for it."""
        best = max(await self.player.api.tools(), key=lambda tool: Decimal(tool.efficiency))
        if not best.equipped:
            best = (await self.player.api.equip(best.id, key=self._key())).tool
            await self.diary.until(lambda: best.id in self.diary.tools)
        return best

    async def balance(self) -> Decimal:
        """What it holds, by its wallet."""
        lines = await self.player.api.call("GET", "/v1/tokens/balance", reply=Page[dict[str, str]])
        return Decimal(lines.items[0]["posted"])

    async def _improve(self, tool: Tool) -> None:
        """Tries to lift a tool to its next level, if the bot can pay for it."""
        if tool.upgrade is None or Decimal(tool.upgrade.amount) > self.earned - self.paid:
            return
        changed = await self.player.api.upgrade(tool.id, level=tool.level + 1, key=self._key())
        assert changed.paid is not None
        self.paid += Decimal(changed.paid.amount)

    async def _work_on(self, quest: Quest) -> None:
        """Does what collecting alone does not do for a quest: walks, uses items or improves tools if it asks for it."""
        left = {one.kind: one.goal - one.progress for one in quest.objectives if one.progress < one.goal}
        if "walk" in left:
            bearing_deg = self._random.uniform(0.0, 360.0)
            await self._walk_to(*destination_deg(*self._place, bearing_deg, left["walk"] + _TOLD_M))
        if "use" in left:
            for item in (await self.player.api.inventory()).items:
                await self._use(item)
        if "upgrade" in left:
            for tool in await self.player.api.tools():
                await self._improve(tool)

    async def _complete(self, quest: str) -> None:
        """Takes the rewards of a quest once it is known to be met."""
        await self.diary.until(lambda: quest in self.diary.met)
        done = await self.player.api.complete(quest, key=self._key())
        self.done.append(done)
        self.earned += sum(Decimal(payment.amount) for payment in done.obtained.tokens)
        await self.diary.until(lambda: quest in self.diary.completed)

    async def _nearby(self) -> list[CollectibleSeen]:
        lat, lng = self._place
        params: dict[str, str | int | float] = {"lat": lat, "lng": lng, "radius_m": _SIGHT_M, "limit": 100}
        path = "/v1/game/collectibles/nearby"
        return (await self.player.api.call("GET", path, params=params, reply=Page[CollectibleSeen])).items

    async def _collect(self, coin: CollectibleSeen) -> None:
        self._tried.add(coin.id)
        try:
            got = await self.player.collect(coin.id)
        except Refused as refused:
            assert refused.code in _GONE, refused
            return
        self.collected.append(got)
        self.earned += Decimal(got.amount)

    async def _use(self, item: Item) -> None:
        try:
            used = await self.player.api.use(item.id, key=self._key())
        except Refused as refused:
            assert refused.code in _NOT_NOW, refused
            return
        self.earned += sum(Decimal(payment.amount) for payment in used.obtained.tokens)

    async def _walk_to(self, to_lat: float, to_lng: float) -> None:
        """Walks as fast as the game lets it; each step takes the time it takes."""
        while (away_m := distance_between_m(*self._place, to_lat, to_lng)) > _THERE_M:
            now_s = asyncio.get_running_loop().time()
            part = min((now_s - self._walked_s) * self._speed_m_s / away_m, 1.0)
            lat, lng = self._place
            self._place = (lat + (to_lat - lat) * part, lng + (to_lng - lng) * part)
            await self._report()

    async def _report(self) -> None:
        self._walked_s = asyncio.get_running_loop().time()
        fix = Fix(lat=self._place[0], lng=self._place[1], accuracy_m=5.0, timestamp=datetime.now(UTC))
        verdict = await self.player.report(fix)
        assert verdict.accepted, verdict

    def _away_m(self, coin: CollectibleSeen) -> float:
        return float(distance_between_m(*self._place, coin.lat, coin.lng))

    def _key(self) -> str:
        self._keys += 1
        return f"bot-{self._keys}"
