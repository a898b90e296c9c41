"""Servers of tests, forked from a process that has imported and loaded what they need: a third of the processor time.

    python -m tests.nursery FD      the process, for the socket FD; `Nursery` starts it

It has one thread and no open file of its own, imports with no setting of a server in sight, and ends with the test
process, however that ends. Between it and each server stands a process that waits for the server's end and tells it.
A server that is forked is what it would be in an interpreter of its own, but for its command line and for numbers that
are made while Python starts, such as the seed of hashes. Tests of starting have one of their own (`afresh`).
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec

from bench.servers import AFRESH, OVERWORLD, Program

ROOT = Path(__file__).parents[1]
_ORDER_BYTES_MAX = 1 << 17
_FILES = 3
_PID, _CODE = b"pid", b"code"
_OF_THE_SERVER = ("OVERWORLD_", "PYTEST_CURRENT_TEST")


class Order(msgspec.Struct, frozen=True):
    """What a server is started with, beside its files."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str
    own_group: bool


class Nursery:
    """Starts programs as `AFRESH` does, and forks those it can. Use it as a context manager.

    Forked is `overworld` with the environment that was there at the beginning, but for the product's own settings: what
    other variables say may have been read already. Databases are copied from one that the product has made and brought
    up to date in `folder`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = _without_settings(os.environ)
        self._orders: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    async def start(
        self, command: Sequence[str], *, environment: Mapping[str, str], out: IO[bytes], err: IO[bytes], own_group: bool
    ) -> Program:
        """Raises: OSError, RuntimeError when the nursery has died."""
        begins_alike = tuple(command[: len(OVERWORLD)]) == OVERWORLD
        if not begins_alike or _without_settings(environment) != self._environment:
            return await AFRESH.start(command, environment=environment, out=out, err=err, own_group=own_group)
        order = Order(list(command[len(OVERWORLD) :]), dict(environment), str(Path.cwd()), own_group)
        told, telling = os.pipe()
        socket.send_fds(self._open(), [msgspec.json.encode(order)], [out.fileno(), err.fileno(), telling])
        os.close(telling)
        os.set_blocking(told, False)
        return await Forked.born(FileIO(told))

    async def furnish(self, data: Path) -> None:
        """Raises: CalledProcessError when no database can be made."""
        if (data / "postgres").exists():
            return
        copying = await asyncio.create_subprocess_exec("cp", "--archive", self._database(), data / "postgres.copy")
        assert await copying.wait() == 0
        (data / "postgres.copy").rename(data / "postgres")

    def _database(self) -> Path:
        made = self._folder / "postgres"
        if not made.exists():
            command = [*OVERWORLD, "migrate", "up", "--data", str(self._folder)]
            subprocess.run(  # noqa: S603 - our own
                command, cwd=self._folder, env=self._environment, check=True, capture_output=True
            )
        return made

    def _open(self) -> socket.socket:
        if self._orders is None:
            self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                # OpenBLAS would start threads, and whoever forks must have one.
                self._process = subprocess.Popen(  # noqa: S603 - our own
                    [sys.executable, "-m", "tests.nursery", str(theirs.fileno())],
                    cwd=ROOT,
                    env=self._environment | {"OPENBLAS_NUM_THREADS": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
        return self._orders

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._orders is not None and self._process is not None:
            self._orders.close()
            self._process.wait()


class Forked:
    """A program that the nursery has forked. `pid` is its own."""

    def __init__(self, lines: FileIO) -> None:
        self._lines = lines
        self._told: dict[bytes, int] = {}

    @classmethod
    async def born(cls, lines: FileIO) -> Forked:
        """The program that the lines will tell of, when it is what was ordered. Raises: RuntimeError when it fails."""
        made = cls(lines)
        await made._until(_PID)
        return made

    @property
    def pid(self) -> int:
        """Its process."""
        return self._told[_PID]

    @property
    def returncode(self) -> int | None:
        """The exit code, that of a signal below 0; None while it runs."""
        if _CODE not in self._told:
            self._read()
        return self._told.get(_CODE)

    async def wait(self) -> int:
        """The exit code, when it has ended."""
        await self._until(_CODE)
        self._lines.close()
        return self._told[_CODE]

    async def _until(self, what: bytes) -> None:
        loop = asyncio.get_running_loop()
        while what not in self._told:
            mine, readable = os.dup(self._lines.fileno()), asyncio.Event()  # several may wait, each with its own
            loop.add_reader(mine, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(mine)
                os.close(mine)
            if what not in self._told:
                self._read()

    def _read(self) -> None:
        lines = self._lines.read()
        if lines is None:
            return
        for line in lines.splitlines():
            what, number = line.split()
            self._told[what] = int(number)
        if not lines or _PID not in self._told:
            raise RuntimeError("the nursery has died, or a program that it forked before it was one")


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(_OF_THE_SERVER)}


def _wait_for_ended(_signal: int, _frame: object) -> None:
    """For those who waited for programs, so that the processor time of all counts as the tests'."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _forked(orders: socket.socket) -> bool:
    """Takes orders until there are no more; True in every server that was ordered, which returns at once."""
    while True:
        read, files, _, _ = socket.recv_fds(orders, _ORDER_BYTES_MAX, _FILES)
        if not read:
            return False
        if os.fork() == 0:
            orders.close()
            _watched(msgspec.json.decode(read, type=Order), *files)
            return True
        for file in files:
            os.close(file)


def _watched(order: Order, out: int, err: int, telling: int) -> None:
    """Forks once more, returns in the server, and ends with it here."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        _become(order, out, err)
        os.write(telling, b"%b %d\n" % (_PID, os.getpid()))
        os.close(telling)
        return
    os.close(out)
    os.close(err)
    os.dup2(0, 2)  # whoever reads what the tests print does not wait for us
    _, status = os.waitpid(pid, 0)
    os.write(telling, b"%b %d\n" % (_CODE, os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _become(order: Order, out: int, err: int) -> None:
    """Makes this process what a new one with that order is."""
    if order.own_group:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for file, number in ((out, 1), (err, 2)):
        os.dup2(file, number)
        os.close(file)
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.path[0] = order.folder
    sys.argv[1:] = order.arguments
    gc.enable()


def _load() -> None:
    """What every server imports and loads. Neither pyarrow nor a pool of threads may be among it."""
    from overworld.app import cli, serve
    from overworld.domains.trust.model import Model
    from overworld.domains.world import warming
    from overworld.domains.world.types import WorldSettings

    assert cli and serve
    warming.warm(WorldSettings())
    Model.warm()
    threads = len([*Path("/proc/self/task").iterdir()])
    assert threads == 1, f"{threads} threads: a process with several must not be forked"


def main() -> None:
    """Loads, then forks until the test process closes its end of the socket; a server runs here too, at the last."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests
    signal.signal(signal.SIGCHLD, _wait_for_ended)
    gc.disable()
    _load()
    gc.freeze()
    if _forked(socket.socket(fileno=int(sys.argv[1]))):
        from overworld.app.cli import main as overworld

        overworld()


if __name__ == "__main__":
    main()
