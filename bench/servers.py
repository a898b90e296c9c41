"""Real server processes for proofs, benchmarks and system tests: started, killed and stopped on purpose."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Protocol

import httpx
import psutil
from msgspec import Struct

from overworld.app import addresses, developer_key
from overworld.app.addresses import Addresses
from overworld.client.http import trusted
from overworld.platform.postgres import running_dsn

_POLL_S = 0.02
OVERWORLD = (sys.executable, "-m", "overworld")


class Ran(Struct, frozen=True):
    """How a command of the product ended."""

    code: int
    out: str
    err: str


class Program(Protocol):
    """A process that was started, as far as it is used here."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int: ...


class Starts(Protocol):
    """A way to start programs."""

    async def start(
        self, command: Sequence[str], *, environment: Mapping[str, str], out: IO[bytes], err: IO[bytes], own_group: bool
    ) -> Program:
        """Starts a program in this folder, without input. `own_group` makes it the first of a process group."""

    async def furnish(self, data: Path) -> None:
        """Prepares a data folder for a server that will make a database of its own there, if it has none."""


class Afresh:
    """Each program in a new process, each database made by its server."""

    async def start(
        self, command: Sequence[str], *, environment: Mapping[str, str], out: IO[bytes], err: IO[bytes], own_group: bool
    ) -> Program:
        """The program, when it runs."""
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=environment,
            start_new_session=own_group,
        )

    async def furnish(self, data: Path) -> None:
        """Leaves it as it is."""


AFRESH = Afresh()
usual: Starts = AFRESH
"""How all is started that need not be afresh; tests put a shorter way here (tests/nursery.py)."""


async def overworld(
    *arguments: str | Path, environment: dict[str, str] | None = None, timeout_s: float = 60.0, afresh: bool = False
) -> Ran:
    """Runs `overworld` as a process of its own and waits for its end; `afresh` as of ServerProcess.

    Raises: TimeoutError, after killing it.
    """
    with TemporaryFile() as out, TemporaryFile() as err:
        process = await (AFRESH if afresh else usual).start(
            [*OVERWORLD, *map(str, arguments)],
            environment=os.environ | (environment or {}),
            out=out,
            err=err,
            own_group=False,
        )
        try:
            async with asyncio.timeout(timeout_s):
                code = await process.wait()
        finally:
            if process.returncode is None:
                os.kill(process.pid, signal.SIGKILL)
                await process.wait()
        return Ran(code, _text(out), _text(err))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


class ServerProcess:
    """`overworld serve` as a process of its own. Use it as a context manager: it never outlives it.

    With a DSN it shares that database; without one it starts its own in `data`. Rate limits are off unless
    `environment` says otherwise. It takes any free ports, and others at each start; `ports` (HTTP, realtime,
    operations) fixes them. `program` is another command line that has `serve` too. With `own_group` a signal to its
    process group, as Ctrl-C is one, reaches nobody else. With `afresh` Python starts for it in any case, where tests
    start others in a shorter way.
    """

    def __init__(
        self,
        data: Path,
        *,
        dsn: str | None = None,
        migrate: bool = True,
        game: str = "ore",
        ports: tuple[int, int, int] = (0, 0, 0),
        environment: dict[str, str] | None = None,
        own_group: bool = False,
        afresh: bool = False,
        program: Sequence[str] = OVERWORLD,
    ) -> None:
        self.data = data
        self._starts = AFRESH if afresh else usual
        self._own_group = own_group
        self._dsn = dsn
        self._command = [*program, "serve", "--data", str(data), "--game", game]
        for name, port in zip(("http", "realtime", "operations"), ports, strict=True):
            self._command += [f"--{name}-port", str(port)]
        if dsn is not None:
            self._command += ["--database", dsn, *(["--migrate"] if migrate else [])]
        self._environment = os.environ | {"OVERWORLD_LIMITS__ENABLED": "false"} | (environment or {})
        self._process: Program | None = None
        self.addresses: Addresses | None = None

    @property
    def http(self) -> str:
        """The address of the HTTP port, such as `http://127.0.0.1:41873`."""
        return self._listening.http

    @property
    def realtime(self) -> str:
        """The address of the socket, such as `ws://127.0.0.1:38112/v1/realtime`."""
        return self._listening.realtime

    @property
    def operations(self) -> str:
        """The address of the operations port."""
        return self._listening.operations

    @property
    def dsn(self) -> str:
        """Where its database is reached: the one it was given, or its own, while that runs."""
        found = self._dsn or running_dsn(self.data)
        assert found is not None, "the server runs no PostgreSQL"
        return found

    @property
    def key(self) -> str:
        """The developer key of the data folder."""
        return developer_key.read(self.data)

    @property
    def log(self) -> Path:
        """What the server printed, over all its starts."""
        return self.data / "server.log"

    @property
    def family(self) -> list[psutil.Process]:
        """The server's process and everything it has started, its PostgreSQL included; empty when it is gone."""
        if self._process is None or self._process.returncode is not None:
            return []
        server = psutil.Process(self._process.pid)
        return [server, *server.children(recursive=True)]

    @property
    def _listening(self) -> Addresses:
        assert self.addresses is not None, "the server was not started"
        return self.addresses

    async def start(self, *, timeout_s: float = 180.0) -> ServerProcess:
        """Starts the process and returns when it is ready. Raises: RuntimeError with the log's end when it is not."""
        self.data.mkdir(parents=True, exist_ok=True)
        addresses.forget(self.data)
        if self._dsn is None:
            await self._starts.furnish(self.data)
        with self.log.open("ab") as log:
            self._process = await self._starts.start(
                self._command, environment=self._environment, out=log, err=log, own_group=self._own_group
            )
        try:
            async with asyncio.timeout(timeout_s):
                await self._until_ready(self._process)
        except TimeoutError as error:
            raise RuntimeError(f"the server was not ready in {timeout_s} s:\n{self.log_end()}") from error
        finally:
            if self.addresses is None:
                await self.kill()
        return self

    async def _until_ready(self, process: Program) -> None:
        self.addresses = None
        async with httpx.AsyncClient(verify=trusted()) as client:
            while True:
                if process.returncode is not None:
                    raise RuntimeError(f"the server exited with {process.returncode}:\n{self.log_end()}")
                with suppress(OSError, httpx.TransportError):  # it may not have come that far
                    found = addresses.read(self.data)
                    if (await client.get(f"{found.operations}/readyz")).status_code == httpx.codes.OK:
                        self.addresses = found
                        return
                await asyncio.sleep(_POLL_S)

    async def kill(self, *, with_database: bool = False) -> None:
        """`kill -9`: no warning, no clean-up; its own PostgreSQL with it, at the same moment, when so asked."""
        for process in self.family[1:] if with_database else []:
            _kill(process)
        await self._end(signal.SIGKILL)

    async def kill_database(self, *, timeout_s: float = 60.0) -> None:
        """`kill -9` of the PostgreSQL that the server runs; the server lives and has to bring it up again.

        One that was killed before is waited for. Raises: TimeoutError when it does not come up.
        """
        pid_file = self.data / "postgres" / "postmaster.pid"
        async with asyncio.timeout(timeout_s):
            while True:
                with suppress(OSError, IndexError, ValueError, psutil.NoSuchProcess):
                    _kill(psutil.Process(int(pid_file.read_text().split()[0])))
                    return
                await asyncio.sleep(_POLL_S)

    async def stop(self, how: signal.Signals = signal.SIGTERM, *, timeout_s: float = 20.0) -> int:
        """A signal and a clean drain; gives the exit code. Raises: TimeoutError when it does not end."""
        async with asyncio.timeout(timeout_s):
            return await self._end(how)

    async def interrupt(self, *, timeout_s: float = 20.0) -> int:
        """Ctrl-C: SIGINT to the whole group of a server with `own_group`; gives the exit code. Raises: TimeoutError."""
        assert self._own_group, "the signal would end us too"
        assert self._process is not None, "the server was not started"
        os.killpg(self._process.pid, signal.SIGINT)
        async with asyncio.timeout(timeout_s):
            return await self._process.wait()

    def log_end(self) -> str:
        """The last lines that the server printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])

    async def _end(self, how: signal.Signals) -> int:
        process = self._process
        assert process is not None, "the server was not started"
        if process.returncode is None:
            with suppress(ProcessLookupError):  # it may have ended by itself just now
                os.kill(process.pid, how)
        return await process.wait()

    async def __aenter__(self) -> ServerProcess:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.family:
                await self.stop()
        finally:
            await self.kill()


def free_ports() -> tuple[int, int, int]:
    """Three ports that are free now, for a server that has to come back at the same ones.

    They lie below those that systems hand out by themselves: a client that knocks while the server is away could be
    given that very port as its own, and then would be in the server's way.
    """
    found: list[int] = []
    for port in random.sample(range(20_000, 32_000), 1_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == 3:
            return found[0], found[1], found[2]
    raise RuntimeError("no port is free")


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
