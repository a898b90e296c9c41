"""The quests that this server knows: those of its game, those that staff made, and older ones still in hand."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import msgspec

from overworld.domains.gameplay.quests import store
from overworld.domains.gameplay.quests.messages import QuestCreated
from overworld.domains.gameplay.quests.rules import Definition, Matcher, defined
from overworld.domains.gameplay.quests.types import QuestRules
from overworld.kernel.money import Currency
from overworld.kernel.ports import Tx
from overworld.platform.postgres import Database

_log = logging.getLogger(__name__)
_decode = msgspec.json.Decoder(QuestRules).decode


class Catalogue:
    """Every definition by its number. `adopt` a game's first, and again when it was reloaded."""

    def __init__(self, *, database: Database, currencies: Mapping[str, Currency]) -> None:
        self._database = database
        self._currencies = currencies
        self._known: dict[int, Definition | None] = {}
        self._of_game: dict[str, int] = {}
        self._of_staff: dict[str, int] = {}
        self._in_force: dict[str, Definition] = {}
        self.players: Mapping[str, frozenset[str]] = {}
        """The topics that may count for any of them, and the fields in which such events name players."""
        self.starters: Mapping[str, tuple[tuple[Definition, Matcher], ...]] = {}
        """What begins by itself, by the topics that begin it."""

    @property
    def in_force(self) -> Mapping[str, Definition]:
        """What can be begun, by name: the game's, and those of staff whose name the game has not taken."""
        return self._in_force

    @property
    def topics(self) -> frozenset[str]:
        """What has to be read from the log."""
        return frozenset(self.players) | {QuestCreated.topic}

    def known(self, number: int) -> Definition | None:
        """The definition of a number; None for one of another version of the game that this one cannot count.

        Raises: KeyError when it came after the last look.
        """
        return self._known[number]

    def has(self, number: int) -> bool:
        """Whether a number was there at the last look."""
        return number in self._known

    async def adopt(self, quests: Mapping[str, QuestRules], *, at: datetime) -> None:
        """Takes over the quests of a game's definition. Two statements and a look."""
        written = [as_written(name, rules) for name, rules in sorted(quests.items())]
        async with self._database.transaction() as tx:
            numbers = await store.write(tx, written, made_by=None, at=at) if written else []
            self._of_game = dict(zip((name for name, _, _ in written), numbers, strict=True))
            await self._look(tx)

    async def look(self) -> None:
        """Learns of what was written since, here or on another server. One statement."""
        async with self._database.read() as tx:
            await self._look(tx)

    async def made(self, tx: Tx, name: str, rules: QuestRules, *, by: UUID, at: datetime) -> int:
        """Writes a quest of staff; gives its number. Take a `look` after the commit. Raises: ValueError, KeyError."""
        defined(name, rules, number=0, currencies=self._currencies)
        [number] = await store.write(tx, [as_written(name, rules)], made_by=by, at=at)
        return number

    async def _look(self, tx: Tx) -> None:
        rows = await store.written(tx, beside=self._known)
        newest: dict[str, datetime] = {}
        for row in rows:
            self._known[row.number] = self._made(row)
            if row.by_staff and row.made_at >= newest.get(row.name, row.made_at):
                newest[row.name] = row.made_at
                self._of_staff[row.name] = row.number
        numbers = self._of_staff | self._of_game
        in_force = {name: self._known[number] for name, number in sorted(numbers.items())}
        self._in_force = {name: one for name, one in in_force.items() if one is not None}
        self._sort()

    def _made(self, row: store.Written) -> Definition | None:
        try:
            rules = _decode(row.rules)
            return defined(row.name, rules, number=row.number, currencies=self._currencies, by_staff=row.by_staff)
        except (KeyError, ValueError) as error:
            _log.warning("quest %s (%d) cannot be counted by this game: %r", row.name, row.number, error)
            return None

    def _sort(self) -> None:
        players: defaultdict[str, set[str]] = defaultdict(set)
        for one in self._known.values():
            for matcher in one.matchers if one else ():
                players[matcher.topic].add(matcher.player)
        starters: defaultdict[str, list[tuple[Definition, Matcher]]] = defaultdict(list)
        for one in self._in_force.values():
            for matcher in one.matchers if one.rules.is_auto else ():
                starters[matcher.topic].append((one, matcher))
        self.players = {topic: frozenset(names) for topic, names in players.items()}
        self.starters = {topic: tuple(those) for topic, those in starters.items()}


def as_written(name: str, rules: QuestRules) -> tuple[str, bytes, bytes]:
    """A definition as it is kept: its name, digest and text."""
    text = msgspec.json.encode(rules, order="deterministic")
    return name, sha256(text).digest(), text
