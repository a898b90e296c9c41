"""What every test may ask for: a fresh migrated database, a fixed clock, ids."""

from __future__ import annotations

import gc
import os
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import is_hypothesis_test, settings
from xdist.scheduler import LoadScopeScheduling

from bench import own_kafka, own_redis, servers
from bench.own_kafka import Door, KafkaProcess, NoBroker
from bench.own_redis import RedisProcess
from overworld.app.kernel_cache import keep_kernels
from overworld.kernel.clock import FixedClock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Limit, Taken
from overworld.platform.postgres import Database, DatabaseSettings, EmbeddedPostgres, Schema, migrate
from overworld.platform.postgres.migrations import read_steps
from overworld.platform.redis.buckets import Buckets
from overworld.platform.redis.limiter import RedisLimiter
from overworld.platform.redis.settings import RedisSettings
from tests.certificates import make_pair
from tests.nursery import Nursery
from tests.thinned import rounds

keep_kernels(Path("data"))

# How long an example takes depends on what else runs on the machine; in CI that is so by itself.
settings.register_profile(
    "ours",
    settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    max_examples=rounds(50, whole=100),
)
settings.load_profile("ours")

SHARING_SERVERS = (
    "tests/app/live/test_live.py",
    "tests/app/bots/test_bots.py",
    "tests/app/replay/test_replay.py",
    "tests/docs/test_add_a_domain.py",
    "tests/docs/test_examples.py",
    "tests/system/",
    "tests/web/test_live_map.py",
)
SHARING_A_BROKER = ("tests/platform/eventlog/contract/", "tests/platform/kafka/")
SHARING_ONE_SERVER = "tests/security/"
_UNCOUNTED = pytest.StashKey[bool]()
OF_OTHER_PROCESSES = ("tests/bench/", "tests/security/", "tests/system/", "tests/web/")


class _ByServers(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Spreads tests one by one over the workers; the files that start servers for all their tests stay whole.

    So do the folder whose files share one server, and those that need a Kafka broker: it takes longest to start.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(SHARING_ONE_SERVER):
            return SHARING_ONE_SERVER
        if nodeid.startswith(SHARING_A_BROKER):
            return "kafka"
        return nodeid.partition("::")[0] if nodeid.startswith(SHARING_SERVERS) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _ByServers(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lines are not counted where that only costs, two fifths of the time of a test.

    That is where other processes are tried, in what goes through like cases (those of a test after its first, and
    tests of examples that are made at random), and in tests that are slow already.
    """
    begun = set()
    for item in items:
        function = (item.parent, getattr(item, "originalname", item.name))
        by_chance = is_hypothesis_test(getattr(item, "obj", None))
        if (
            function in begun
            or by_chance
            or item.get_closest_marker("slow")
            or item.nodeid.startswith(OF_OTHER_PROCESSES)
        ):
            item.stash[_UNCOUNTED] = True
        begun.add(function)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected stays to the end, some 650,000 objects, so it is not looked through for garbage.

    Again and again, that takes a third of the time to collect it, and half a second whenever all that is old is looked
    through later.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """From the fixtures to their end; with pytest-cov's `no_cover` beside it lines would be counted for ever after."""
    counting = getattr(item.config.pluginmanager.get_plugin("_cov"), "cov_controller", None)
    if counting is None or _UNCOUNTED not in item.stash:
        return (yield)
    counting.pause()
    try:
        return (yield)
    finally:
        counting.resume()


@pytest.fixture(scope="session", autouse=True)
def nursery() -> Iterator[None]:
    """Servers and commands are forked from one process that has loaded what they need, where the system can."""
    if sys.platform != "linux":
        yield
        return
    with tempfile.TemporaryDirectory(prefix="ow-nursery-") as folder, pytest.MonkeyPatch.context() as patch:
        Path(folder).chmod(0o755)  # under root the database's server runs as another user
        with Nursery(Path(folder)) as nursery:
            patch.setattr(servers, "usual", nursery)
            yield


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """A PostgreSQL server of this test process alone; its durability is off."""
    with tempfile.TemporaryDirectory(prefix="ow-pg-") as folder:
        Path(folder).chmod(0o755)  # under root the server runs as another user
        server = EmbeddedPostgres(Path(folder), settings=DatabaseSettings(shared_buffers_mb=64), durable=False)
        yield server.start()
        server.stop()


@pytest.fixture(scope="session")
def redis_here() -> None:
    """Installs Redis when that is possible; else the test is skipped, and fails in CI."""
    if reason := own_redis.why_not():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def redis_url(redis_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server of this test process alone; tests keep apart by the prefix of their keys."""
    with RedisProcess(tmp_path_factory.mktemp("redis")) as process:
        yield process.url


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaProcess]:
    """A Kafka broker of this test process alone; tests keep apart by the prefix of their topics.

    Fetches it when that is possible; else the test is skipped, and fails in CI.
    """
    try:
        jars = own_kafka.jars()
    except NoBroker as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("kafka")
    pair = make_pair(folder)
    pem = folder / "both.pem"
    pem.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    door = Door(pem, username="overworld", password="only for tests")
    with KafkaProcess(folder / "broker", jars=jars, door=door) as process:
        yield process


@pytest.fixture
def redis_settings(redis_url: str) -> RedisSettings:
    """That Redis, with a prefix that nobody else has."""
    return RedisSettings(url=redis_url, prefix=f"{uuid4().hex}:", timeout_s=5, look_every_s=0.05)


class NoLimiter:
    """For tests in which Redis counts everything: counting alone would hide that it does not."""

    async def take(self, key: str, limit: Limit, *, cost: int = 1) -> Taken:
        raise AssertionError(f"{key} was counted alone")


@pytest.fixture
async def redis_limiter(redis_settings: RedisSettings, clock: FixedClock) -> AsyncIterator[RedisLimiter]:
    """The limiter of that Redis, on the test's clock; it never counts alone."""
    buckets = Buckets(redis_settings, now_us=clock.now_us)
    limiter = RedisLimiter(buckets, own=NoLimiter(), look_every_s=redis_settings.look_every_s)
    yield limiter
    await limiter.close()


@pytest.fixture(scope="session")
def empty_database(postgres_dsn: str) -> Callable[[], AbstractAsyncContextManager[str]]:
    """Makes an empty database, gives its DSN, and drops it: `async with empty_database() as dsn`."""

    @asynccontextmanager
    async def made() -> AsyncIterator[str]:
        name = f"system_{uuid4().hex}"
        admin = await asyncpg.connect(postgres_dsn)
        try:
            await admin.execute(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
            yield postgres_dsn.replace("/postgres?", f"/{name}?")
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        finally:
            await admin.close()

    return made


@pytest.fixture(scope="session")
def databases(postgres_dsn: str) -> Databases:
    """Makes databases on this process's server; migrates each set of schemas once and copies it from then on."""
    return Databases(postgres_dsn)


type_of_open = Callable[..., AbstractAsyncContextManager[Database]]


@pytest.fixture
def open_database(databases: Databases) -> type_of_open:
    """Opens a fresh database with the given schemas migrated: `async with open_database(SCHEMA, ...) as database`."""
    return databases.opened


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands still at noon of 1 June 2026."""
    return FixedClock(datetime(2026, 6, 1, 12, tzinfo=UTC))


@pytest.fixture
def ids(clock: FixedClock) -> IdSource:
    """Ids in the order they are made, the same in every run."""
    return IdSource(clock.now_us, random.Random(7).randbytes)


class Databases:
    """Databases of one server, made by copying a template: 40 ms instead of a migration each."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._templates: dict[tuple[str, ...], str] = {}
        self._made = 0

    def dsn_of(self, name: str) -> str:
        """Where a database of this server is reached."""
        return self._dsn.replace("/postgres?", f"/{name}?")

    @asynccontextmanager
    async def opened(self, *schemas: Schema) -> AsyncIterator[Database]:
        """A fresh database with the schemas, dropped when the block ends."""
        admin = await asyncpg.connect(self._dsn)
        try:
            name = await self._copy(admin, await self._template(admin, schemas))
            database = await Database.open(self.dsn_of(name))
            try:
                yield database
            finally:
                await database.close()
                await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        finally:
            await admin.close()

    async def _template(self, admin: asyncpg.Connection, schemas: tuple[Schema, ...]) -> str:
        key = tuple(f"{step} {step.checksum}" for schema in schemas for step in read_steps(schema))
        if not key:
            return "template1"
        if key not in self._templates:
            name = await self._copy(admin, "template1")
            database = await Database.open(self.dsn_of(name))
            try:
                await migrate(database, schemas)
            finally:
                await database.close()
            self._templates[key] = name
        return self._templates[key]

    async def _copy(self, admin: asyncpg.Connection, template: str) -> str:
        self._made += 1
        name = f"t_{self._made}"
        # Copying the files takes half of what copying them through the log of the server does.
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name
