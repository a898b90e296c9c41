"""A Redis server as a process of its own, for tests and benchmarks: started, stopped, frozen and killed on purpose."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self

import psutil
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from bench.servers import free_ports

_NEED = Path(__file__).parents[1] / "script" / "need"
_START_S = 20.0
_POLL_S = 0.02


def why_not() -> str:
    """Why there can be no Redis here, after installing it where this user may; nothing when there is one."""
    if shutil.which("redis-server"):
        return ""
    need = subprocess.run([_NEED, "redis-server"], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    return "" if need.returncode == 0 else f"no Redis: {need.stderr.strip()}"


def is_there() -> bool:
    """Whether Redis can be run; when not, says that the benchmark is skipped."""
    if reason := why_not():
        sys.stderr.write(f"skipped: this benchmark needs redis-server: {reason}\n")
    return not reason


class RedisProcess:
    """`redis-server` on one free port, keeping nothing on disk. Use it as a context manager: it never outlives it.

    It can be stopped and started again at the same address, and then knows nothing of what it knew.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_ports()[0]
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def family(self) -> list[psutil.Process]:
        """Its process, as long as it runs."""
        running = self._process is not None and self._process.poll() is None
        return [psutil.Process(self._process.pid)] if running and self._process else []

    def start(self) -> None:
        """Starts it and returns when it answers. Raises: RuntimeError when it does not."""
        self._folder.mkdir(parents=True, exist_ok=True)
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        command += ["--save", "", "--appendonly", "no", *self._options]
        self._process = subprocess.Popen(  # noqa: S603 - our own
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            self._until_it_answers()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends it at once; what it knew is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """It keeps its connections and answers nothing, as one whose machine is cut off."""
        for process in self.family:
            process.suspend()

    def thaw(self) -> None:
        """It goes on."""
        for process in self.family:
            process.resume()

    def _until_it_answers(self) -> None:
        last_s = monotonic() + _START_S
        with Redis.from_url(self.url, retry=Retry(NoBackoff(), 0)) as client:
            while not _answers(client):
                if not self.family or monotonic() > last_s:
                    raise RuntimeError("redis-server does not run")
                sleep(_POLL_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except (RedisError, OSError):
        return False
