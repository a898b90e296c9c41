"""The life of a server process: up in order, down in the opposite one, and everything acknowledged kept."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from overworld.app import addresses, background, columns, compose, mail, migrate, telemetry
from overworld.app.addresses import Addresses
from overworld.app.code_pages import give_back_code
from overworld.app.compose import House
from overworld.app.demo.child import walkers
from overworld.app.developer_key import DeveloperKey, NoKeys
from overworld.app.game import Game, check, found
from overworld.app.open_files import allow_open_files
from overworld.app.progress import step
from overworld.app.reload import Reload
from overworld.app.settings import Settings
from overworld.app.settings_sources import Resolved
from overworld.app.signals import end_after, reload_on_signal, stop_on_signal
from overworld.app.traces import traced
from overworld.app.versions.service import reload_soon
from overworld.domains.realtime.errors import PortTaken
from overworld.domains.realtime.tls import ServerTls, TlsUnusable
from overworld.domains.realtime.types import RealtimeSettings
from overworld.kernel.clock import SystemClock
from overworld.kernel.refusals import Refusal
from overworld.platform.http import KeyScopes
from overworld.platform.http.server import CannotListen, Serving, look_at, serving
from overworld.platform.http.settings import HttpSettings
from overworld.platform.observability import Metrics, OperationsApp, configure_logs
from overworld.platform.postgres import Database, EmbeddedPostgres
from overworld.platform.postgres.folder_lock import FolderLock


class DataFolderUnusable(Refusal):
    """The data folder cannot be used.

    It holds the database, the developer key and caches; the server has to be able to write there.
    """

    code = "platform.data_folder"
    status = 503


class PortUnusable(Refusal):
    """A port cannot be listened on."""

    code = "platform.port"
    status = 503


class TlsRefused(Refusal):
    """The socket's certificate or its key cannot be used."""

    code = "platform.tls"
    status = 503


def serve(read: Callable[[], Resolved[Settings]]) -> None:
    """Serves until SIGTERM or SIGINT, then drains; SIGHUP calls `read` again.

    Raises: BadSettings; Refusal, GameErrors when it cannot start.
    """
    resolved = read()
    configure_logs(resolved.tree.log)
    game = check(found(resolved.tree.game))
    try:
        uvloop.run(_serve(resolved, game, read=read))
    except CannotListen as error:
        raise PortUnusable(str(error)) from error


async def _serve(resolved: Resolved[Settings], game: Game, *, read: Callable[[], Resolved[Settings]]) -> None:
    settings = resolved.tree
    stop, tls = stop_on_signal(), _tls(settings.realtime)
    allow_open_files(connections_max=settings.realtime.connections_max)
    async with AsyncExitStack() as stack:
        keys = _prepare(settings)
        _look_ahead(settings)
        database = await stack.enter_async_context(_database(settings))
        clock, metrics = SystemClock(), Metrics(CollectorRegistry())
        await stack.enter_async_context(traced(settings.tracing, metrics=metrics))
        house = await compose.compose(
            settings=settings,
            game=game,
            database=database,
            clock=clock,
            keys=keys,
            metrics=metrics,
        )
        await stack.enter_async_context(house.limits.running())
        await stack.enter_async_context(_running(house, settings, game))
        if stop.is_set():  # while it started: nobody is let in
            end_after(settings.stop_max_s)
            return
        house.collector.take_over()
        house.loops.run("collector", house.collector.run)
        where = await stack.enter_async_context(_listening(house, settings, tls))
        await stack.enter_async_context(telemetry.processing(house, settings))
        definition = reload_soon(house.versions)
        reload_on_signal(Reload(resolved, read=read, http=house.http, tls=tls, definition=definition), stop=stop)
        await stack.enter_async_context(walkers(settings.demo, data=settings.data))
        give_back_code()
        _welcome(where, settings, game)
        await stop.wait()
        end_after(settings.stop_max_s)
        house.health.drain()
        structlog.get_logger("overworld.server").info("draining")


def _tls(settings: RealtimeSettings) -> ServerTls | None:
    if not settings.tls_certificate:
        return None
    try:
        return ServerTls(certificate=Path(settings.tls_certificate), key=Path(settings.tls_key))
    except TlsUnusable as error:
        raise TlsRefused(str(error)) from error


def _prepare(settings: Settings) -> KeyScopes:
    """Makes the data folder and the developer key; a production server honours none."""
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        return NoKeys() if settings.mode == "production" else DeveloperKey.ensure(settings.data)
    except OSError as error:
        raise _unusable(settings.data.absolute(), error) from error


def _unusable(data: Path, error: OSError) -> DataFolderUnusable:
    why = "it is no folder" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
    return DataFolderUnusable(f"cannot use the data folder {data}: {why}; name another with --data")


def _look_ahead(settings: Settings) -> None:
    """Refuses addresses that are taken or not ours before a database is started, which takes seconds.

    That another server has the folder says more than that it has the ports, so the folder's lock comes first.
    """
    http, realtime, operations = settings.http, settings.realtime, settings.operations
    with _locked(settings.data.absolute()):
        look_at(http.host, http.port, name="http", shared=http.reuse_port)
        look_at(realtime.host, realtime.port, name="realtime")
        look_at(operations.host, operations.port, name="operations")


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    async with AsyncExitStack() as stack:
        dsn = settings.database.dsn
        if dsn:
            stack.enter_context(_locked(settings.data.absolute()))
        else:
            embedded = EmbeddedPostgres(settings.data, settings=settings.database)
            with step("Starting PostgreSQL"):
                dsn = await asyncio.to_thread(embedded.start)
            stack.push_async_callback(asyncio.to_thread, embedded.stop)
            watching = asyncio.create_task(embedded.keep_running(), name="postgres")
            stack.callback(watching.cancel)
        database = await Database.open(dsn, settings=settings.database)
        stack.push_async_callback(database.close)
        with step("Bringing the database up to date"):
            await migrate.bring_up(database, allowed=settings.migrate or not settings.database.dsn)
        yield database


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    """Keeps other servers off the data folder, as the embedded PostgreSQL does by itself."""
    lock = FolderLock(data)
    try:
        lock.take()
    except OSError as error:
        raise _unusable(data, error) from error
    try:
        yield
    finally:
        lock.release()


@asynccontextmanager
async def _running(house: House, settings: Settings, game: Game) -> AsyncIterator[None]:
    """Everything that runs behind the ports: the log and its readers, the world's passes, the loops."""
    domains = house.domains
    async with AsyncExitStack() as stack:
        await house.log.start()
        stack.push_async_callback(house.log.close)
        stack.push_async_callback(house.backbone.close)
        stack.push_async_callback(house.poster.close)
        stack.push_async_callback(domains.external.fetcher.close)
        stack.push_async_callback(house.columns.close)
        stack.push_async_callback(house.loops.stop)
        for name, topics, handle in compose.readers(house, game=game, room_level=settings.world.room_level):
            tail = await house.log.tail(topics=topics, handle=handle, name=name)
            house.loops.run(name, tail.run)
        await house.versions.begin()
        await background.run(house)
        mail.run(house.loops, house.domains.accounts.mail, settings)
        await domains.accounts.load()
        await domains.world.load()
        await domains.gameplay.placing.load()
        stack.push_async_callback(domains.accounts.close)
        stack.callback(domains.profiles.avatars.close)
        with step("Preparing the kernels; the very first start compiles them, some fifteen seconds on two free cores"):
            await domains.world.start()
            await domains.trust.folding.warm()
        stack.push_async_callback(domains.world.stop)
        stack.push_async_callback(domains.telemetry.intake.close)
        stack.push_async_callback(domains.gameplay.service.close)
        stack.push_async_callback(domains.sync.service.close)
        stack.push_async_callback(domains.sending.service.close)
        stack.push_async_callback(domains.carry.service.close)
        stack.push_async_callback(domains.quests.completing.close)
        stack.push_async_callback(domains.membership.service.close)
        stack.push_async_callback(domains.experiments.evaluating.close)
        columns.run(house.loops, room=house.columns, settings=settings, database=house.database, clock=house.clock)
        yield


@asynccontextmanager
async def _listening(house: House, settings: Settings, tls: ServerTls | None) -> AsyncIterator[Addresses]:
    """The three ports. Leaving ends streams, drains HTTP, then the socket; operations answers until the end."""
    async with AsyncExitStack() as stack:
        operations = OperationsApp(health=house.health, metrics=house.metrics)
        watched = await stack.enter_async_context(
            serving(operations, settings=_operations_settings(settings), name="operations")
        )
        await _listen_realtime(house, settings, tls)
        stack.push_async_callback(house.domains.gateway.drain, settings.realtime.drain_s)
        public = await stack.enter_async_context(serving(house.http, settings=settings.http))
        stack.callback(house.graphql.streams.close)
        where = _addresses(house, settings, public=public, watched=watched)
        _write(where, settings.data)
        stack.callback(addresses.forget, settings.data)
        yield where


def _write(where: Addresses, data: Path) -> None:
    try:
        where.write(data)
    except OSError as error:
        file = data.absolute() / addresses.FILE_NAME
        raise DataFolderUnusable(f"cannot write {file}: {error.strerror}") from error


async def _listen_realtime(house: House, settings: Settings, tls: ServerTls | None) -> None:
    host, port = settings.realtime.host, settings.realtime.port
    try:
        await house.domains.gateway.start(host, port, tls=tls.context if tls else None)
    except PortTaken as error:
        raise PortUnusable(str(error)) from error
    except OSError as error:
        raise PortUnusable(f"{host}:{port} for realtime cannot be listened on: {error.strerror or error}") from error


def _operations_settings(settings: Settings) -> HttpSettings:
    return HttpSettings(host=settings.operations.host, port=settings.operations.port)


def _addresses(house: House, settings: Settings, *, public: Serving, watched: Serving) -> Addresses:
    return Addresses(
        pid=os.getpid(),
        http=public.url,
        realtime=compose.socket_address(settings, house.domains.gateway),
        operations=watched.url,
    )


def _welcome(where: Addresses, settings: Settings, game: Game) -> None:
    """Says on standard output where to look; logs go to standard error."""
    lines = [
        f"Overworld serves {game.title} on Earth.",
        f"  HTTP        {where.http}   try it at {where.http}/docs",
        f"  map         {where.http}/",
        f"  socket      {where.realtime}",
        f"  operations  {where.operations}   /health /metrics",
        f"  data        {settings.data.absolute()}",
    ]
    if settings.demo.enabled:
        demo = settings.demo
        lines.append(f"{demo.walkers} simulated players walk around {demo.lat}, {demo.lng} and collect.")
    if settings.mode != "production":
        lines.append(f"Walk a real track: script/overworld replay tests/data/gpx/*.gpx{_data_flag(settings.data)}")
    if not settings.limits.enabled:
        lines.append("WARNING: rate limits and lock-outs are OFF (limits.enabled = false). For load tests only.")
    _say(*lines)


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _data_flag(data: Path) -> str:
    return "" if data == Path("data") else f" --data {shlex.quote(str(data))}"
