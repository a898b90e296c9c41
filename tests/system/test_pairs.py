"""Every pair of durable commands beside each other, over the same rows, from two servers: nobody waits in a ring.

The lock order of docs/locks.md is what keeps this so. A command that breaks it meets its opposite here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from msgspec import Raw
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from overworld.app.compose import House, compose
from overworld.app.developer_key import NoKeys
from overworld.app.game import Game, check, found
from overworld.app.schemas import SCHEMAS
from overworld.app.settings import Settings
from overworld.domains.accounts.errors import BadRefreshToken, EmailTaken, NoSuchSession, TokenRevoked, UsernameTaken
from overworld.domains.accounts.membership.errors import (
    AlreadyMember,
    MembershipFull,
    PaidAhead,
    PriceFrozen,
    PriceNotHeld,
)
from overworld.domains.accounts.membership.messages import Apply
from overworld.domains.accounts.membership.types import MembershipRules
from overworld.domains.accounts.messages import LogIn, Refresh, Register, SignInDevice
from overworld.domains.accounts.types import AccountsSettings, Origin
from overworld.domains.gameplay.carry.errors import CannotPay, NoSuchItem, SoldOut, TopLevel
from overworld.domains.gameplay.carry.messages import UpgradeTool, UseItem
from overworld.domains.gameplay.carry.rules import starter_id
from overworld.domains.gameplay.carry.types import Drop, Effects, ItemRules, ItemType, ToolLevel, ToolRules, ToolType
from overworld.domains.gameplay.errors import AlreadyCollected, Expired, WalletFrozen
from overworld.domains.gameplay.messages import (
    ClaimCollectible,
    CollectibleCollected,
    CollectibleToPlace,
    PlaceCollectibles,
)
from overworld.domains.gameplay.quests.errors import QuestEnded, QuestNotMet, QuestUnpaid
from overworld.domains.gameplay.quests.messages import CompleteQuest, StartQuest
from overworld.domains.gameplay.quests.types import Collect, QuestRules
from overworld.domains.gameplay.rewards import Grant, Reward, require_posted
from overworld.domains.gameplay.sync.messages import OfflineAction, SyncActions, SyncBody
from overworld.domains.ledger import Ledger
from overworld.domains.ledger.errors import AccountFrozen, Insufficient
from overworld.domains.ledger.messages import SendBody, SendTokens
from overworld.domains.ledger.types import CurrencyTransferRules, TransferRules
from overworld.domains.world import store as world_store
from overworld.domains.world.types import WorldSettings
from overworld.kernel.clock import FixedClock
from overworld.kernel.events import enclose
from overworld.kernel.identity import Principal
from overworld.kernel.ids import IdSource
from overworld.kernel.money import HOUSE, AccountCode, AccountRef, Transfer, TransferCode, TransferKind
from overworld.platform.eventlog import EventLogSettings, retention
from overworld.platform.http.settings import LimitSettings
from overworld.platform.observability import Metrics
from overworld.platform.postgres import Database, idempotency, migrate
from overworld.platform.postgres.idempotency import KeyReused
from tests.audited import staff
from tests.system.player import LJUBLJANA
from tests.thinned import WHOLE, rounds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("pairs"),
]

PASSWORD = "a long enough password"
SESSIONS_MAX = 3
AT_ONCE = 6
ROUNDS = rounds(1, whole=3)
EVERYWHERE = frozenset({"world.read"})
EXPECTED = (
    AccountFrozen,
    AlreadyCollected,
    AlreadyMember,
    BadRefreshToken,
    CannotPay,
    EmailTaken,
    Expired,
    Insufficient,
    KeyReused,
    MembershipFull,
    NoSuchItem,
    NoSuchSession,
    QuestEnded,
    QuestNotMet,
    QuestUnpaid,
    PaidAhead,
    PriceFrozen,
    PriceNotHeld,
    SoldOut,
    TopLevel,
    UsernameTaken,
    WalletFrozen,
)
SETTINGS = Settings(
    limits=LimitSettings(enabled=False),
    accounts=AccountsSettings(argon2_memory_kib=8, argon2_passes=1, sessions_max=SESSIONS_MAX),
    world=WorldSettings(share_fixes=True),
)


_DROPS = (Drop(weight=1, reward=Reward(tokens={"coin": "1"})), Drop(weight=1, reward=Reward(items={"crown": 1})))
_ITEMS = ItemRules(types={"crown": ItemType(supply=30), "box": ItemType(effects=Effects(open=_DROPS))})
_PICK = ToolType(currency="coin", levels=(ToolLevel(efficiency="1"), *(ToolLevel(efficiency="2", cost="1"),) * 99))
_CLUBS = {
    "founders": MembershipRules(title="Founders", cap=2),
    "premium": MembershipRules(title="Premium", price="1", currency="coin", duration_days=1),
}

_ONE_COIN, _A_CROWN = Reward(tokens={"coin": "1"}), Reward(items={"crown": 1})
_QUESTS = {
    "often": QuestRules(title="Often", objectives=(Collect(count=1),), repeats="always", rewards=_ONE_COIN),
    "daily": QuestRules(
        title="Daily", type="daily", objectives=(Collect(count=2),), rewards=Reward(items={"crown": 1})
    ),
    "all": QuestRules(title="All", type="community", objectives=(Collect(count=20),), rewards=_ONE_COIN),
}


def _game() -> Game:
    """`ore` with a heap of collectibles in everybody's reach, many to fight over, gifts without end, and boxes."""
    game = check(found("ore"))
    limits = CurrencyTransferRules(per_transfer_max="1000000", per_day_max="1000000", per_day_count=10_000)
    return replace(
        game,
        collectibles=replace(game.collectibles, mean_per_cell=64.0, reach_m=1_000.0),
        transfers=TransferRules(currencies={"coin": limits}),
        items=_ITEMS,
        tools=ToolRules(starter="pick", types={"pick": _PICK}),
        quests=_QUESTS,
        memberships=_CLUBS,
    )


class Town:
    """Two servers on one database, three players with wallets and sessions, and the commands that touch them."""

    def __init__(self, servers: Sequence[House], database: Database, clock: FixedClock, ids: IdSource) -> None:
        self.servers = servers
        self.database = database
        self.clock = clock
        self.ids = ids
        self.chance = random.Random(5)
        self.ledger = Ledger(database=database, currencies={one.code: one for one in _game().currencies})
        self.players: list[UUID] = []
        self.tokens: list[str] = ["never one of ours, but long enough to be asked about"] * 4
        self.sessions: list[Principal] = []
        self.coins: list[str] = []
        self.placed: list[str] = []
        self._round = 0
        self._seen_at = datetime(2020, 1, 1, tzinfo=UTC)

    async def begin(self) -> None:
        """Three players, named after nobody."""
        for n in range(3):
            await self.register(self.servers[0], f"player-{n}")
        self.players = [session.account_id for session in self.sessions]

    async def next_round(self) -> None:
        """New collectibles, everybody in their reach on both servers, a few of them contested."""
        self._round += 1
        self.clock.advance(timedelta(minutes=30))
        for server in self.servers:
            await self.stand(server)
        seen = await self.servers[0].domains.gameplay.service.nearby(
            player_id=self.players[0],
            scopes=EVERYWHERE,
            lat_deg=LJUBLJANA[0],
            lng_deg=LJUBLJANA[1],
            radius_m=500.0,
            limit=8,
        )
        await self.place(self.servers[0])
        for server in self.servers:
            await server.domains.gameplay.placing.load()
        self.coins = [*(one.id for one in seen), *self.placed]

    async def claim(self, server: House) -> None:
        claim = ClaimCollectible(
            player_id=self.any(self.players), collectible_id=self.any(self.coins), key=str(self.ids())
        )
        await server.domains.gameplay.service.collect(claim)

    async def claim_under_one_key(self, server: House) -> None:
        """Twins in flight on both servers: the same key, the same collectible."""
        player_id = self.any(self.players)
        claim = ClaimCollectible(player_id=player_id, collectible_id=self.coins[0], key=f"round {self._round}")
        await server.domains.gameplay.service.collect(claim)

    async def place(self, server: House) -> None:
        """The same request on both servers, under one key in each round."""
        items = tuple(
            CollectibleToPlace(
                type="gold", lat=lat, lng=LJUBLJANA[1], closes_at=self.clock.now() + timedelta(hours=1), mode=mode
            )
            for lat in (LJUBLJANA[0], LJUBLJANA[0] + 0.001)
            for mode in ("shared", "personal")
        )
        command = PlaceCollectibles(
            placed_by=self.players[0], staff=staff(self.players[0]), items=items, key=f"placed in round {self._round}"
        )
        answer = await server.domains.gameplay.placing.place(command)
        self.placed = [one.id for one in answer.value.items]

    async def withdraw(self, server: House) -> None:
        placing, by = server.domains.gameplay.placing, self.players[0]
        await placing.withdraw(self.any(self.placed), by=by, staff=staff(by))

    async def register(self, server: House, name: str = "") -> None:
        name = name or f"name-{self._round}-{self.chance.randrange(2)}"
        email = f"{name}@example.org" if self.players == [] else f"{self._round}-{self.chance.randrange(2)}@example.org"
        command = Register(email=email, username=name, password=PASSWORD)
        self._signed_in(await server.domains.accounts.sign_in.register(command, origin=_origin()), server)

    async def log_in(self, server: House) -> None:
        command = LogIn(email=f"player-{self.chance.randrange(3)}@example.org", password=PASSWORD)
        self._signed_in(await server.domains.accounts.sign_in.log_in(command, origin=_origin()), server)

    async def device(self, server: House) -> None:
        """Known and new devices; all wish for a name that registrations want too."""
        device_id = f"device-of-somebody-{self._round}-{self.chance.randrange(3)}"
        command = SignInDevice(device_id=device_id, username=f"name-{self._round}-0")
        found_or_made = await server.domains.accounts.sign_in.sign_in_device(command, origin=_origin())
        self._signed_in(found_or_made.grant, server)

    async def refresh(self, server: House) -> None:
        token = self.any(self.tokens[-4:])
        sessions = server.domains.accounts.sessions
        self._signed_in(await sessions.refresh(Refresh(refresh_token=token), origin=_origin()), server)

    async def log_out(self, server: House) -> None:
        await server.domains.accounts.sessions.log_out(self.any(self.sessions[-6:]), everywhere=False)

    async def log_out_everywhere(self, server: House) -> None:
        await server.domains.accounts.sessions.log_out(self.any(self.sessions[-6:]), everywhere=True)

    async def end_session(self, server: House) -> None:
        session = self.any(self.sessions[-6:])
        assert session.sid is not None
        await server.domains.accounts.sessions.end(session.account_id, session.sid)

    async def post(self, server: House) -> None:
        """Value in both directions between the wallets, and from issuance, in an order of its own."""
        wallets = [AccountRef(player_id, "coin") for player_id in self.players]
        issuance = AccountRef(HOUSE, "coin", AccountCode.ISSUANCE)
        pairs = [(issuance, self.any(wallets)), *(self.chance.sample(wallets, 2) for _ in range(3))]
        transfers = [
            Transfer(
                id=self.ids(),
                debit=debit,
                credit=credit,
                amount_minor=2,
                code=TransferCode.COLLECT,
                reference=self.ids(),
            )
            for debit, credit in pairs
        ]
        async with server.database.transaction() as tx:
            await self.ledger.post(tx, transfers, at=self.clock.now())

    async def send(self, server: House) -> None:
        """From any player to any other, by name and by id, with words beside it."""
        payer, payee = self.chance.sample(range(3), 2)
        to = self.any([f"player-{payee}", str(self.players[payee])])
        body = SendBody(to=to, currency="coin", amount="1", note=self.any([None, "for you"]))
        command = SendTokens(from_id=self.players[payer], body=body, key=str(self.ids()))
        await server.domains.sending.service.send(command)

    async def send_under_one_key(self, server: House) -> None:
        """Twins in flight on both servers."""
        body = SendBody(to="player-1", currency="coin", amount="1")
        key = f"sent in round {self._round}"
        await server.domains.sending.service.send(SendTokens(from_id=self.players[0], body=body, key=key))

    async def carry(self, server: House) -> None:
        """Boxes and crowns are given, boxes opened, tools upgraded, several players' in one transaction."""
        player_id, key = self.any(self.players), str(self.ids())
        what = self.chance.randrange(3)
        if what == 0:
            await self._reward(server)
        elif what == 1:
            await server.domains.carry.service.use(UseItem(player_id=player_id, item_id="box", key=key))
        else:
            tool_id = starter_id(player_id, "pick")
            await server.domains.carry.service.change(UpgradeTool(player_id=player_id, tool_id=tool_id, key=key))

    async def _reward(self, server: House) -> None:
        reward = Reward(tokens={"coin": "1"}, items={"box": 2, "crown": 1})
        at = self.clock.now()
        grants = [
            Grant(player_id=player_id, reward=reward, reference=self.ids(), reason="test")
            for player_id in self.chance.sample(self.players, 2)
        ]
        async with server.database.transaction() as tx:
            given = await server.domains.carry.rewards.grant(tx, grants, at=at)
            require_posted(await server.domains.ledger.service.post(tx, given.transfers, at=at))

    async def come_back(self, server: House) -> None:
        """Somebody tells what was done without a network, or joins a club."""
        await (self._sync(server) if self.chance.randrange(2) else self._join(server))

    async def _join(self, server: House) -> None:
        """A club with few numbers, whose row everybody wants, and one that is paid for."""
        club = self.any(["founders", "premium"])
        key = self.any([str(self.ids()), f"joined in round {self._round}"])
        command = Apply(account_id=self.any(self.players), membership=club, key=key)
        await server.domains.membership.service.apply(command)

    async def _sync(self, server: House) -> None:
        """Three collections at once, of a device that both servers hear from."""
        now = self.clock.now()
        actions = tuple(
            OfflineAction(
                request_id=str(self.ids()), action="collect", target=self.any(self.coins), at=now, monotonic_ms=1,
                lat=LJUBLJANA[0], lng=LJUBLJANA[1],
            )
            for _ in range(3)
        )  # fmt: skip
        body = SyncBody(device="phone", boot=str(self.ids()), sent_at=now, sent_monotonic_ms=1, actions=actions)
        principal = Principal(account_id=self.any(self.players), role="player", scopes=frozenset())
        await server.domains.sync.service.sync(SyncActions(principal=principal, body=body))

    async def promise(self, server: House) -> None:
        """Something that one player owes another from now on, and that is due at once."""
        payer, payee = (AccountRef(player_id, "coin") for player_id in self.chance.sample(self.players, 2))
        promise = Transfer(
            id=self.ids(),
            debit=payer,
            credit=payee,
            amount_minor=1,
            code=TransferCode.GIFT,
            reference=self.ids(),
            kind=TransferKind.PENDING,
            expires_at=self.clock.now(),
        )
        async with server.database.transaction() as tx:
            await server.domains.ledger.service.post(tx, [promise], at=self.clock.now())

    async def expire(self, server: House) -> None:
        await server.domains.ledger.expiry.look()

    async def freeze(self, server: House) -> None:
        """All accounts of a player, for a moment."""
        player_id = self.any(self.players)
        await server.domains.ledger.service.freeze(player_id)
        await server.domains.ledger.service.freeze(player_id, frozen=False)

    async def stand(self, server: House) -> None:
        """Each player reports again, on a time line of its own, and the other server is told."""
        for player_id in self.chance.sample(self.players, 3):
            self._seen_at += timedelta(seconds=1)
            at = self._seen_at.isoformat()
            data = f'{{"lat":{LJUBLJANA[0]},"lng":{LJUBLJANA[1]},"accuracy_m":5,"timestamp":"{at}"}}'
            await server.domains.world.service.report(player_id, Raw(data.encode()), own_timeline=True)
        assert server.domains.world.sharing is not None
        await server.domains.world.sharing.write()

    async def forget_fixes(self, server: House) -> None:
        async with server.database.transaction() as tx:
            await world_store.delete_fixes(tx, before_us=self.clock.now_us() + 1)

    async def tell_movement(self, server: House) -> None:
        await server.domains.world.events.write()

    async def quest(self, server: House) -> None:
        """Begins a quest, counts for all players, completes one or ends what is over."""
        quests, player_id = server.domains.quests, self.any(self.players)
        match self.chance.randrange(4):
            case 0:
                await quests.starting.start(StartQuest(player_id=player_id, quest="often"))
            case 1:
                name = self.any(sorted(_QUESTS))
                await quests.completing.complete(CompleteQuest(player_id=player_id, quest=name, key=str(self.ids())))
            case 2:
                await quests.ending.tell_met()
                await quests.ending.fail_due(closed_by=self.clock.now())
            case _:
                happened = [self._collection(one) for one in self.chance.sample(self.players, 3) for _ in range(2)]
                await quests.folding.fold([enclose(one, id=self.ids(), at=self.clock.now()) for one in happened])

    def _collection(self, player_id: UUID) -> CollectibleCollected:
        lat_deg, lng_deg = LJUBLJANA
        return CollectibleCollected(
            player_id=player_id,
            collectible_id="one of the quests",
            type="gold",
            currency="coin",
            amount_minor=1,
            experience=0,
            cell="47652d614",
            lat_deg=lat_deg,
            lng_deg=lng_deg,
        )

    async def forget_answers(self, server: House) -> None:
        async with server.database.transaction() as tx:
            await idempotency.forget_before(tx, self.clock.now() + timedelta(seconds=1), rows_max=5)

    async def maintain_log(self, server: House) -> None:
        """Another day each time, so that partitions are made and dropped, today's among them."""
        day = self.clock.now() + timedelta(days=self.chance.randrange(4))
        await retention.maintain(server.database, now=day, settings=EventLogSettings(retention_days=1, days_ahead=2))

    async def migrate(self, server: House) -> None:
        assert await migrate(server.database, SCHEMAS) == []

    async def broken(self) -> list[str]:
        """What does not add up."""
        async with self.database.read() as tx:
            found_broken = await self.ledger.invariants(tx)
            found_broken += [str(row) for row in await tx.fetch(_UNPAID)]
            found_broken += [str(row) for row in await tx.fetch(_CROWDED, SESSIONS_MAX)]
            found_broken += [str(row) for row in await tx.fetch(_TWO_LIVE)]
        return found_broken

    async def deadlocks(self) -> int:
        """How many PostgreSQL has ended; every connection is made to say what it knows."""
        for server in self.servers:
            async with AsyncExitStack() as held:
                for _ in range(server.database.use().open):
                    tx = await held.enter_async_context(server.database.read())
                    await tx.execute("SELECT pg_stat_force_next_flush()")
        async with self.database.read() as tx:
            counted: int = await tx.fetchval(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            )
        return counted

    def any(self, choices: Sequence[Any]) -> Any:
        return self.chance.choice(choices)

    def _signed_in(self, grant: Any, server: House) -> None:
        """Remembers a session, unless others have ended it already: by signing out, or by signing in too often."""
        self.tokens.append(grant.refresh_token)
        with suppress(TokenRevoked):
            self.sessions.append(server.domains.accounts.verifier.verify(grant.access_token))


COMMANDS: dict[str, Callable[[Town, House], Awaitable[None]]] = {
    command.__name__: command
    for command in (
        Town.claim, Town.claim_under_one_key, Town.place, Town.withdraw, Town.register, Town.log_in, Town.device,
        Town.refresh, Town.log_out, Town.log_out_everywhere, Town.end_session, Town.post, Town.send,
        Town.carry, Town.come_back, Town.send_under_one_key, Town.promise, Town.expire, Town.freeze, Town.stand,
        Town.forget_fixes, Town.quest, Town.tell_movement, Town.forget_answers, Town.maintain_log, Town.migrate,
    )
}  # fmt: skip

# Usually each command meets itself and a third of the others.
PAIRS = [
    (left, right)
    for (i, left), (j, right) in combinations_with_replacement(enumerate(COMMANDS), 2)
    if WHOLE or i == j or (i + j) % 3 == 0
]

_UNPAID = """
SELECT player.id, experience, max(memo >> 10) AS told FROM gameplay.player
LEFT JOIN (ledger.transfer JOIN ledger.account ON account.id = credit_id AND transfer.code = 1) ON owner_id = player.id
GROUP BY player.id HAVING coalesce(max(memo >> 10), 0) <> experience"""

_CROWDED = """
SELECT account_id, count(*) AS sessions FROM accounts.session
WHERE revoked_at IS NULL GROUP BY account_id HAVING count(*) > $1"""

_TWO_LIVE = """
SELECT session_id, count(*) AS live FROM accounts.refresh_token
WHERE state = 'live' GROUP BY session_id HAVING count(*) > 2"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(databases) -> AsyncIterator[Town]:
    clock = FixedClock(datetime(2026, 6, 1, 12, tzinfo=UTC))
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(databases.opened(*SCHEMAS))
        name = await _shortened_deadlock_timeout(database)
        servers = []
        for _ in range(2):
            own = await Database.open(databases.dsn_of(name))
            stack.push_async_callback(own.close)
            house = await compose(
                settings=SETTINGS,
                game=_game(),
                database=own,
                clock=clock,
                keys=NoKeys(),
                metrics=Metrics(CollectorRegistry()),
            )
            await house.domains.accounts.load()
            stack.push_async_callback(house.domains.accounts.close)
            stack.push_async_callback(house.domains.gameplay.service.close)
            stack.push_async_callback(house.domains.sending.service.close)
            stack.push_async_callback(house.domains.carry.service.close)
            await house.domains.quests.catalogue.adopt(_QUESTS, at=clock.now())
            stack.push_async_callback(house.domains.quests.completing.close)
            stack.push_async_callback(house.domains.membership.service.close)
            stack.push_async_callback(house.domains.sync.service.close)
            servers.append(house)
        opened = Town(servers, database, clock, IdSource(clock.now_us, random.Random(3).randbytes))
        await opened.begin()
        yield opened


@pytest.mark.parametrize(("left", "right"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
async def test_two_commands_beside_each_other_never_wait_in_a_ring(town, left, right):
    """Six of each at once, mixed over both servers; they refuse only as documented and leave everything in order."""
    before = await town.deadlocks()
    for _ in range(ROUNDS):
        await town.next_round()
        works = [
            COMMANDS[name](town, town.servers[(i + half) % 2])
            for i in range(AT_ONCE)
            for half, name in enumerate((left, right))
        ]
        outcomes = await asyncio.gather(*works, return_exceptions=True)
        assert [outcome for outcome in outcomes if outcome is not None and not isinstance(outcome, EXPECTED)] == []
    assert await town.deadlocks() == before
    assert await town.broken() == []


async def _shortened_deadlock_timeout(database: Database) -> str:
    """The database's name; connections opened from now on notice a ring after 20 ms instead of a second."""
    async with database.read() as tx:
        name: str = await tx.fetchval("SELECT current_database()")
        await tx.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'")
    return name


def _origin() -> Origin:
    return Origin("192.0.2.1", "tests/1")
