"""A definition changes while players play: at once or with the window, on every server, or not at all."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import structlog

from overworld.app.game import Game, check
from overworld.app.hooks.work import Counted
from overworld.app.schemas import SCHEMAS
from overworld.app.versions.errors import BadDefinition, NeedsRestart, StillHeld
from overworld.app.versions.messages import Change, Effect, GameReloaded
from overworld.app.versions.service import Current, Versions, versions_tail
from overworld.app.versions.wiring import build
from overworld.domains.gameplay import ClaimCollectible
from overworld.domains.gameplay import wiring as gameplay_wiring
from overworld.domains.gameplay.carry import wiring as carry_wiring
from overworld.domains.gameplay.quests import wiring as quests_wiring
from overworld.domains.gameplay.types import GameplaySettings
from overworld.domains.ledger import wiring as ledger_wiring
from overworld.domains.world.fences.service import Fences
from overworld.geo import cells
from overworld.kernel.money import HOUSE, AccountCode, AccountRef, Transfer, TransferCode
from overworld.kernel.refusals import Refusal
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.eventlog.store import read
from overworld.platform.eventlog.types import START
from tests.audited import KeptTrail, staff
from tests.domains.gameplay.field import Fixes, OpenSight, Reputations

ANNA = UUID(int=1)
STAFF = staff(UUID(int=2))
HOME = cells.cell_of(46.05, 14.5, 15)
GAME = """\
[game]
name = "pond"
title = "The Pond"
[currencies.pearl]
scale = 0
[currencies.stone]
scale = 2
[collectibles]
mean_per_cell = 10.0
daily_cap = 5
near_land = false
[collectibles.types.shell]
weight = 3
value = "2"
currency = "pearl"
[progression]
experience_per_unit = 1
levels = [10]
"""
ANOTHER_SHELL = GAME.replace("types.shell", "types.conch").replace('value = "2"', 'value = "7"')


class Server:
    """The parts of a server that a definition decides, on a database and a folder that others may share."""

    def __init__(self, versions: Versions, current: Current, *, gameplay, quests, ledger, fixes: Fixes, clock) -> None:
        self.versions = versions
        self.current = current
        self.gameplay = gameplay
        self.quests = quests
        self.ledger = ledger
        self.fixes = fixes
        self.clock = clock

    async def lying(self, *, at=None):
        return await self.gameplay.service.lying_in([HOME], at=at or self.clock.now())

    async def collect(self, spawn, key="1"):
        self.fixes.at[ANNA] = (spawn.lat_deg, spawn.lng_deg, self.clock.now_us())
        command = ClaimCollectible(player_id=ANNA, collectible_id=spawn.id, key=key)
        return (await self.gameplay.service.collect(command)).value


class Pond:
    """A database, and servers on it."""

    def __init__(self, database, clock, ids, folder: Path) -> None:
        self.database = database
        self.clock = clock
        self.ids = ids
        self.folder = folder
        self.audit = KeptTrail()
        self.write(GAME)

    def write(self, text: str, *, rules: str | None = None) -> None:
        (self.folder / "game.toml").write_text(text)
        if rules is not None:
            (self.folder / "rules.py").write_text(rules)

    async def server(self) -> Server:
        game: Game = check(self.folder)
        current, fixes = Current(game), Fixes()
        outbox = PostgresOutbox(ids=self.ids, game=current.digest)
        ledger = ledger_wiring.build(
            database=self.database, clock=self.clock, currencies={one.code: one for one in game.currencies}
        )
        gameplay = await gameplay_wiring.build(
            database=self.database,
            clock=self.clock,
            ids=self.ids,
            outbox=outbox,
            ledger=ledger.service,
            last_fix=fixes,
            sight=OpenSight(),
            trust=Reputations(),
            audit=self.audit,
            collectibles=game.collectibles,
            progression=game.progression,
            currencies=game.currencies,
            settings=GameplaySettings(spawn_key="a secret of the tests"),
        )
        sending = ledger_wiring.build_sending(
            database=self.database,
            clock=self.clock,
            ledger=ledger.service,
            outbox=outbox,
            directory=None,  # type: ignore[arg-type]  # nobody sends anything here
            trust=Reputations(),
            progress=gameplay.service,
            currencies=ledger.service.currencies,
            rules=game.transfers,
        )
        carry = await carry_wiring.build(
            database=self.database,
            clock=self.clock,
            ids=self.ids,
            outbox=outbox,
            ledger=ledger.service,
            kit=game.kit,
            trust=Reputations(),
            secret="a secret of the tests",
        )
        quests = quests_wiring.build(
            database=self.database,
            clock=self.clock,
            outbox=outbox,
            ledger=ledger.service,
            rewards=carry.rewards,
            last_fix=fixes,
            audit=self.audit,
            currencies=ledger.service.currencies,
            trust=Reputations(),
            fix_age_max_s=60,
        )
        versions = build(
            current=current,
            database=self.database,
            clock=self.clock,
            outbox=outbox,
            ledger=ledger,
            sending=sending,
            gameplay=gameplay,
            carry=carry,
            quests=quests,
            audit=self.audit,
            fences=Fences(
                database=self.database, clock=self.clock, ids=self.ids, outbox=outbox, audit=self.audit, fences_max=10
            ),
            counted=Counted(),
        )
        await versions.begin()
        return Server(
            versions, current, gameplay=gameplay, quests=quests, ledger=ledger.service, fixes=fixes, clock=self.clock
        )

    async def give(self, currency: str, amount_minor: int) -> None:
        server = await self.server()
        issued = Transfer(
            id=self.ids(),
            debit=AccountRef(HOUSE, currency, AccountCode.ISSUANCE),
            credit=AccountRef(ANNA, currency),
            amount_minor=amount_minor,
            code=TransferCode.MINT,
            reference=self.ids(),
        )
        async with self.database.transaction() as tx:
            await server.ledger.post(tx, [issued], at=self.clock.now())

    async def news(self):
        async with self.database.read() as tx:
            batches = await read(tx, after=START, topics=frozenset({GameReloaded.topic}), batches_max=100)
        return [envelope for batch in batches for envelope in batch.events]


@pytest.fixture
async def pond(open_database, clock, ids, tmp_path):
    async with open_database(*SCHEMAS) as database:
        yield Pond(database, clock, ids, tmp_path)
    structlog.reset_defaults()


async def test_a_reload_is_the_next_version_and_says_what_changed(pond):
    server = await pond.server()
    assert server.versions.number == 1
    pond.write(GAME.replace("daily_cap = 5", "daily_cap = 6"))
    told = await server.versions.reload(STAFF)
    [change] = told.changes
    assert change == Change(key="collectibles.daily_cap", before="5", after="6", effect=Effect.AT_ONCE)
    assert (told.number, told.version) == (2, check(pond.folder).digest) == (server.versions.number, told.version)
    again = await server.versions.reload(STAFF)
    assert (again.number, again.changes) == (2, [])
    assert pond.audit.did == [("game.reload", server.current.game.name)], "what changes nothing is nothing done"


async def test_what_spawns_changes_with_the_window_and_what_lay_there_is_paid_as_it_was(pond):
    server = await pond.server()
    before = await server.lying()
    pond.write(ANOTHER_SHELL)
    told = await server.versions.reload(STAFF)
    assert told.spawns_from == "2026-06-01T12:30:00Z"
    assert await server.lying() == before and {spawn.kind.type for spawn in before} == {"shell"}
    assert (await server.collect(before[0])).amount == "2"
    pond.clock.advance(timedelta(minutes=30))
    after = await server.lying()
    assert after and {spawn.kind.type for spawn in after} == {"conch"}


async def test_news_just_before_a_window_leaves_the_others_time_to_hear(pond, clock):
    server = await pond.server()
    clock.advance(timedelta(minutes=29, seconds=57))
    pond.write(ANOTHER_SHELL)
    told = await server.versions.reload(STAFF)
    assert told.spawns_from == "2026-06-01T13:00:00Z"


async def test_the_daily_cap_and_a_hook_are_in_force_at_once(pond):
    server = await pond.server()
    lying = await server.lying()
    pond.write(GAME, rules="def on_claim(claims):\n    return {'multiplier_bp': [30_000] * len(claims)}\n")
    await server.versions.reload(STAFF)
    assert (await server.collect(lying[0])).amount == "6"
    pond.write(GAME.replace("daily_cap = 5", "daily_cap = 1"))
    await server.versions.reload(STAFF)
    with pytest.raises(Refusal) as capped:
        await server.collect(lying[1], key="2")
    assert capped.value.code == "gameplay.cap_reached"


async def test_events_say_under_which_definition_they_happened(pond):
    server = await pond.server()
    first = server.current.digest()
    pond.write(ANOTHER_SHELL)
    await server.versions.reload(STAFF)
    [news] = await pond.news()
    event = news.decode()
    assert isinstance(event, GameReloaded) and (event.number, event.digest) == (2, server.current.digest())
    assert server.current.digest() != first


async def test_other_servers_follow_the_news(pond):
    one, two = await pond.server(), await pond.server()
    pond.write(ANOTHER_SHELL)
    await one.versions.reload(STAFF)
    news = await pond.news()
    await versions_tail(two.versions)(news)
    assert two.current.digest() == one.current.digest() and (two.versions.number, two.versions.behind) == (2, 0)
    later = pond.clock.now() + timedelta(minutes=40)
    assert await two.lying(at=later) == await one.lying(at=later)
    assert await two.lying() == await one.lying()
    await versions_tail(two.versions)(news)
    assert two.versions.number == 2, "news may come twice"


async def test_a_server_that_cannot_follow_says_so_and_goes_on(pond, capsys):
    two = await pond.server()
    pond.write(GAME.replace("daily_cap = 5", "daily_cap = 5\nwindow_s = 600"))
    restarted = await pond.server()
    assert restarted.versions.number == 2
    await versions_tail(two.versions)(await pond.news())
    assert (two.versions.number, two.versions.behind) == (1, 1)
    assert "collectibles.window_s" in capsys.readouterr().out
    assert await two.lying()


async def test_the_hooks_of_another_server_are_not_taken_from_the_database(pond, tmp_path):
    two = await pond.server()
    pond.write(GAME, rules="def on_claim(claims):\n    return {}\n")
    await (await pond.server()).versions.follow()
    (pond.folder / "rules.py").write_text("def on_claim(claims):\n    return {'refused': ['no'] * len(claims)}\n")
    await two.versions.follow()
    assert (two.versions.number, two.versions.behind) == (1, 1)


async def test_a_start_with_another_definition_is_a_version_too_and_keeps_what_lies_there(pond):
    before = await (await pond.server()).lying()
    pond.write(ANOTHER_SHELL)
    restarted = await pond.server()
    assert restarted.versions.number == 2
    assert await restarted.lying() == before
    assert {s.kind.type for s in await restarted.lying(at=pond.clock.now() + timedelta(minutes=31))} == {"conch"}
    same = await pond.server()
    assert (same.versions.number, await same.lying()) == (2, before)


async def test_a_wrong_definition_changes_nothing(pond):
    server = await pond.server()
    digest, lying = server.current.digest(), await server.lying()
    pond.write(GAME.replace("weight = 3", "weight = -3"))
    with pytest.raises(BadDefinition) as refused:
        await server.versions.reload(STAFF)
    assert "collectibles.types.shell.weight" in refused.value.public_fields()["errors"][0]
    assert (server.current.digest(), await server.lying(), server.versions.number) == (digest, lying, 1)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("daily_cap = 5", "daily_cap = 5\nwindow_s = 600", "collectibles.window_s"),
        ("daily_cap = 5", "daily_cap = 5\ncell_level = 14", "collectibles.cell_level"),
        ('title = "The Pond"', 'title = "A Lake"', "game.title"),
        ("[progression]", "[movement]\naccuracy_max_m = 50\n[progression]", "movement.accuracy_max_m"),
        ("[progression]", '[routes]\ncollectibles = "shells"\n[progression]', "routes.collectibles"),
    ],
)
async def test_what_no_running_server_can_change_is_refused_whole(pond, old, new, key):
    server = await pond.server()
    pond.write(GAME.replace(old, new).replace("levels = [10]", "levels = [20]"))
    with pytest.raises(NeedsRestart) as refused:
        await server.versions.reload(STAFF)
    assert refused.value.public_fields() == {"keys": [key]} and server.versions.number == 1


@pytest.mark.parametrize("other", ["", "[currencies.stone]\nscale = 3\n"])
async def test_a_currency_that_somebody_holds_does_not_vanish_and_keeps_its_scale(pond, other):
    server = await pond.server()
    await pond.give("stone", 150)
    pond.write(GAME.replace("[currencies.stone]\nscale = 2\n", other))
    with pytest.raises(StillHeld) as refused:
        await server.versions.reload(STAFF)
    assert refused.value.public_fields() == {"held": {"stone": 1}, "owed": {}}
    with pytest.raises(StillHeld, match="another one with --data"):
        await pond.server()


async def test_one_that_nobody_holds_may_vanish(pond):
    server = await pond.server()
    pond.write(GAME.replace("[currencies.stone]\nscale = 2\n", ""))
    assert (await server.versions.reload(STAFF)).number == 2
    assert [one.code for one in server.current.game.currencies] == ["pearl"]


async def test_an_item_or_a_tool_that_somebody_has_does_not_vanish(pond):
    things = """[items.types.cookie]
[items.types.cake]
[tools.types.net]
currency = "pearl"
levels = [{ efficiency = "1.5" }]
"""
    pond.write(GAME + things)
    server = await pond.server()
    async with pond.database.transaction() as tx:
        await tx.execute(
            "INSERT INTO gameplay.item (player_id, type, id, count, since)"
            " SELECT gen_random_uuid(), type, $1, count, now() FROM (VALUES ('cookie', 2), ('cookie', 1), ('cake', 0))"
            " AS held (type, count)",
            UUID(int=0),
        )
        await tx.execute(
            "INSERT INTO gameplay.tool (player_id, id, type, level, since) VALUES ($1, $1, 'net', 1, now())", ANNA
        )
    pond.write(GAME)
    with pytest.raises(StillHeld) as refused:
        await server.versions.reload(STAFF)
    assert refused.value.public_fields() == {"held": {"cookie": 2, "net": 1}, "owed": {}}
    pond.write(GAME + things.replace("[items.types.cake]\n", ""))
    assert (await server.versions.reload(STAFF)).number == 2, "of the cakes nothing is left"


async def test_quests_of_a_new_version_can_be_begun(pond):
    quest = '[quests.shells]\ntitle = "Shells"\nobjectives = [{ kind = "collect", count = 3 }]\n'
    server, other = await pond.server(), await pond.server()
    pond.write(GAME + quest)
    await server.versions.reload(STAFF)
    await other.versions.follow()
    assert [set(one.quests.catalogue.in_force) for one in (server, other)] == [{"shells"}, {"shells"}]


async def test_one_that_what_lies_there_pays_does_not(pond):
    server = await pond.server()
    pond.write(GAME.replace("[currencies.pearl]\nscale = 0\n", "").replace('"pearl"', '"stone"'))
    with pytest.raises(StillHeld) as refused:
        await server.versions.reload(STAFF)
    assert refused.value.public_fields() == {"held": {}, "owed": {"pearl": 1}}
    await server.collect((await server.lying())[0])


async def test_two_servers_that_begin_versions_at_once_count_on(pond):
    one, two = await pond.server(), await pond.server()
    pond.write(GAME.replace("daily_cap = 5", "daily_cap = 6"))
    await one.versions.reload(STAFF)
    pond.write(GAME.replace("daily_cap = 5", "daily_cap = 7"))
    assert (await two.versions.reload(STAFF)).number == 3
    await one.versions.follow()
    assert one.current.digest() == two.current.digest() and one.versions.number == 3
