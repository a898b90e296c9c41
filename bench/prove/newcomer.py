"""A stranger's first hour in fast motion: clone, one command, a browser, Ctrl-C; as root and as an ordinary user."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from socket import create_server
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psutil
from msgspec import Struct
from playwright.async_api import TimeoutError as PlaywrightTimeout

from bench.browser import launched, visiting
from bench.prove.outcome import Outcome, conclude, say

ROOT = Path(__file__).parents[2]
_ORDINARY = "nobody"
_FOLDER = "a folder of mine"
_MAP_S_MAX = 120.0
_STOP_S_MAX = 10.0
_AGAIN_S_MAX = 30.0
_TESTS_S_MAX = 1_800.0
_POLL_S = 0.1
_WALKERS = 200
_NEW_MACHINE = ("PIP_", "UV_", "SSL_", "REQUESTS_", "http", "HTTP", "no_proxy", "NO_PROXY")


def newcomer(*, tests: bool = False) -> int:
    """A fresh clone serves a living map within two minutes and stops cleanly; wrong folders and ports are told apart.

    Everything runs in a folder with a space in its name, with an empty home, without what this checkout has installed
    and, as far as the search path goes, without Node. Run by root it is done twice: as root and as `nobody`.

    Parameters
    ----------
    tests
        Also run `script/test` in each clone, as long as it takes.
    """
    return conclude("newcomer", asyncio.run(prove(tests=tests)), seed=0)


async def prove(*, tests: bool) -> Outcome:
    """Goes through the hour once for each kind of user that this one can be."""
    figures: dict[str, Any] = {}
    faults: list[str] = []
    for user in ["root", _ORDINARY] if os.geteuid() == 0 else [pwd.getpwuid(os.geteuid()).pw_name]:
        with tempfile.TemporaryDirectory(prefix="overworld-newcomer-") as folder:
            hour = Hour(_clone(Path(folder), user), user=user, figures=figures, faults=faults)
            await hour.run(tests=tests)
    return Outcome(figures, faults)


class Clone(Struct, frozen=True):
    """A checkout of what is committed here, and how to run something in it as its user."""

    folder: Path
    prefix: tuple[str, ...]
    environment: Mapping[str, str]


class Hour:
    """What one kind of user does; what takes how long goes into `figures`, what goes wrong into `faults`."""

    def __init__(self, clone: Clone, *, user: str, figures: dict[str, Any], faults: list[str]) -> None:
        self._clone = clone
        self._user = user
        self._figures = figures
        self._faults = faults
        self._log = clone.folder.parent / "server.log"

    async def run(self, *, tests: bool) -> None:
        """The whole hour."""
        say(f"{self._user}: a clone in {self._clone.folder}")
        await self._first_start()
        await self._starts_again()
        await self._ports_taken()
        await self._folder_closed()
        if tests:
            await self._tests()

    async def _first_start(self) -> None:
        started_s = monotonic()
        async with self._serving() as server:
            address = await self._address(server, within_s=_MAP_S_MAX)
            if address is None:
                return
            self._tell("serve_ready_s", monotonic() - started_s)
            await self._watch(address, within_s=_MAP_S_MAX - (monotonic() - started_s))
            self._tell("map_moves_s", monotonic() - started_s)
            await self._interrupt(server)

    async def _watch(self, address: str, *, within_s: float) -> None:
        """Looks at the map until players move on it and a coin is collected."""
        async with launched() as browser, visiting(browser, address) as visit:
            try:
                first = await visit.shows("seen.players.length > 0", timeout_s=within_s)
                stood = msgspec.json.encode({one["id"]: [one["x"], one["y"]] for one in first["players"]}).decode()
                moves = "(([x, y]) => Math.hypot(p.x - x, p.y - y) > 1)"
                await visit.shows(f"seen.players.some((p) => p.id in {stood} && {moves}({stood}[p.id]))")
                await visit.shows("seen.totals.collected > 0", timeout_s=within_s)
                seen = await visit.shows(f"seen.totals.players >= {_WALKERS}", timeout_s=within_s)
            except PlaywrightTimeout as error:
                self._faults.append(f"{self._user}: the map does not live: {error}")
                return
            self._tell("players_seen", len(seen["players"]))
            self._expect(visit.hosts == {urlsplit(address).netloc}, f"the map asked other hosts: {visit.hosts}")
            self._expect(not visit.complaints, f"the map complains: {visit.complaints}")

    async def _starts_again(self) -> None:
        started_s = monotonic()
        async with self._serving() as server:
            if await self._address(server, within_s=_AGAIN_S_MAX) is not None:
                self._tell("serve_again_s", monotonic() - started_s)
                await self._interrupt(server)

    async def _ports_taken(self) -> None:
        with closing(create_server(("127.0.0.1", 0))) as taken:
            port = str(taken.getsockname()[1])
            said = await self._run("script/serve", "--http-port", port, *_ANY_PORTS[2:])
        self._expect(said.code == 1 and port in said.text and "--http-port" in said.text, f"a taken port: {said}")
        self._expect("Traceback" not in said.text, f"a taken port gives a traceback: {said}")

    async def _folder_closed(self) -> None:
        """For root nothing is closed: a file in the folder's place is as unusable."""
        closed = self._clone.folder.parent / "closed"
        if self._user == "root":
            closed.write_text("")
        else:
            closed.mkdir()
            closed.chmod(0o555)
        said = await self._run("script/serve", "--data", str(closed / "data"))
        self._expect(said.code == 1 and str(closed) in said.text, f"a closed folder: {said}")
        self._expect("Traceback" not in said.text, f"a closed folder gives a traceback: {said}")

    async def _tests(self) -> None:
        started_s = monotonic()
        said = await self._run("script/test", timeout_s=_TESTS_S_MAX)
        self._tell("tests_s", monotonic() - started_s)
        self._expect(said.code == 0, f"script/test: {said.text[-2_000:]}")

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """`script/serve --demo` in a process group of its own, as a terminal would start it; gone at the end."""
        with self._log.open("ab") as log:
            server = await self._start(
                "script/serve", "--demo", *_ANY_PORTS, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield server
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            await server.wait()

    async def _address(self, server: asyncio.subprocess.Process, *, within_s: float) -> str | None:
        """Where the map is, as the server says it."""
        until_s = monotonic() + within_s
        while monotonic() < until_s and server.returncode is None:
            for line in self._log.read_text(errors="replace").splitlines()[::-1]:
                if line.split()[:1] == ["map"]:
                    return line.split()[1]
            await asyncio.sleep(_POLL_S)
        self._faults.append(f"{self._user}: no server within {within_s} s:\n{self._log_end()}")
        return None

    async def _interrupt(self, server: asyncio.subprocess.Process) -> None:
        """Ctrl-C: the whole process group hears it, as from a terminal."""
        family = psutil.Process(server.pid).children(recursive=True)
        os.killpg(server.pid, signal.SIGINT)
        asked_s = monotonic()
        try:
            async with asyncio.timeout(3 * _STOP_S_MAX):
                code = await server.wait()
        except TimeoutError:
            self._faults.append(f"{self._user}: still running {3 * _STOP_S_MAX} s after Ctrl-C")
            return
        took_s = monotonic() - asked_s
        self._tell("stop_s", took_s)
        self._expect(code == 0 and took_s <= _STOP_S_MAX, f"Ctrl-C: exit code {code} after {took_s:.1f} s")
        left = [f"{process.pid} {process.name()}" for process in family if process.is_running()]
        self._expect(not left, f"left behind: {left}")
        text = self._log.read_text(errors="replace")
        self._expect("Traceback" not in text, f"a traceback in the log:\n{text[-3_000:]}")
        self._log.unlink()

    async def _run(self, *command: str, timeout_s: float = 60.0) -> Said:
        process = await self._start(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            async with asyncio.timeout(timeout_s):
                out, _ = await process.communicate()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
        return Said(process.returncode or 0, out.decode(errors="replace"))

    async def _start(self, *command: str, **options: Any) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._clone.prefix,
            *command,
            cwd=self._clone.folder,
            env=dict(self._clone.environment),
            stdin=subprocess.DEVNULL,
            **options,
        )

    def _log_end(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    def _tell(self, name: str, value: float) -> None:
        self._figures.setdefault(f"{self._user}_{name}", round(value, 1))

    def _expect(self, held: bool, otherwise: str) -> None:
        if not held:
            self._faults.append(f"{self._user}: {otherwise}")


class Said(Struct, frozen=True):
    """How a command ended and what it said."""

    code: int
    text: str


_ANY_PORTS = ("--http-port", "0", "--realtime-port", "0", "--operations-port", "0")


def _clone(folder: Path, user: str) -> Clone:
    """A clone that belongs to the user, and an environment with an empty home and no tools but the system's."""
    folder.chmod(0o755)
    checkout, home = folder / _FOLDER / "overworld", folder / "home"
    home.mkdir()
    git = shutil.which("git") or "git"
    subprocess.run([git, "clone", "--quiet", f"file://{ROOT}", str(checkout)], check=True)  # noqa: S603 - our own path
    kept = {name: value for name, value in os.environ.items() if name.startswith(_NEW_MACHINE)}
    environment = kept | {"HOME": str(home), "PATH": _system_path(folder), "LANG": "C.UTF-8", "TMPDIR": str(folder)}
    if user == pwd.getpwuid(os.geteuid()).pw_name:
        return Clone(checkout, (), environment)
    about = pwd.getpwnam(user)
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, about.pw_uid, about.pw_gid, follow_symlinks=False)
    setpriv = shutil.which("setpriv") or "setpriv"
    return Clone(
        checkout, (setpriv, f"--reuid={about.pw_uid}", f"--regid={about.pw_gid}", "--clear-groups"), environment
    )


def _system_path(folder: Path) -> str:
    """A search path with what every Debian has, and no Node: links to the system's commands but those of Node."""
    commands = folder / "commands"
    commands.mkdir()
    found = {command.name: command for place in ("/bin", "/usr/bin") for command in Path(place).iterdir()}
    for name in found.keys() - {"node", "nodejs", "npm", "npx", "uv"}:
        (commands / name).symlink_to(found[name])
    return str(commands)
