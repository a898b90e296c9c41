"""Real server processes for proofs, benchmarks and system tests: started, killed and stopped on purpose."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from types import TracebackType

import httpx

from overworld.app import addresses
from overworld.app.addresses import Addresses

_POLL_S = 0.02


class ServerProcess:
    """`overworld serve` as a process of its own, on free ports. Use it as a context manager: it never outlives it.

    With a DSN it shares that database; without one it starts its own in `data`. Rate limits are off unless
    `environment` says otherwise.
    """

    def __init__(
        self, data: Path, *, dsn: str | None = None, game: str = "ore", environment: dict[str, str] | None = None
    ) -> None:
        self.data = data
        self._command = [sys.executable, "-m", "overworld", "serve", "--data", str(data), "--game", game]
        self._command += ["--http-port", "0", "--realtime-port", "0", "--operations-port", "0"]
        if dsn is not None:
            self._command += ["--database", dsn, "--migrate"]
        self._environment = os.environ | {"OVERWORLD_LIMITS__ENABLED": "false"} | (environment or {})
        self._process: asyncio.subprocess.Process | None = None
        self.addresses: Addresses | None = None

    @property
    def http(self) -> str:
        """The address of the HTTP port, such as `http://127.0.0.1:41873`."""
        assert self.addresses is not None, "the server was not started"
        return self.addresses.http

    @property
    def log(self) -> Path:
        """What the server printed, over all its starts."""
        return self.data / "server.log"

    async def start(self, *, timeout_s: float = 60.0) -> ServerProcess:
        """Starts the process and returns when it is ready. Raises: RuntimeError with the log's end when it is not."""
        self.data.mkdir(parents=True, exist_ok=True)
        addresses.forget(self.data)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )
        try:
            async with asyncio.timeout(timeout_s):
                await self._until_ready()
        except TimeoutError as error:
            await self.kill()
            raise RuntimeError(f"the server was not ready in {timeout_s} s:\n{self._log_end()}") from error
        return self

    async def _until_ready(self) -> None:
        assert self._process is not None
        async with httpx.AsyncClient() as client:
            while True:
                if self._process.returncode is not None:
                    raise RuntimeError(f"the server exited with {self._process.returncode}:\n{self._log_end()}")
                try:
                    self.addresses = addresses.read(self.data)
                    if (await client.get(f"{self.addresses.operations}/readyz")).status_code == httpx.codes.OK:
                        return
                except (OSError, httpx.TransportError):
                    self.addresses = None
                await asyncio.sleep(_POLL_S)

    async def kill(self) -> None:
        """`kill -9`: no warning, no clean-up."""
        await self._end(signal.SIGKILL)

    async def stop(self, *, timeout_s: float = 20.0) -> int:
        """SIGTERM and a clean drain; gives the exit code. Raises: TimeoutError when it does not end."""
        async with asyncio.timeout(timeout_s):
            return await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> int:
        process = self._process
        assert process is not None, "the server was not started"
        if process.returncode is None:
            process.send_signal(how)
        return await process.wait()

    def _log_end(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])

    async def __aenter__(self) -> ServerProcess:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.stop()
