"""What a server does when it is told to stop, to stop at once, or to read its settings again."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest

_SERVER = """
import asyncio, uvloop
from overworld.app.signals import reload_on_signal, stop_on_signal

async def serve():
    stop = stop_on_signal()
    reload_on_signal(lambda: print("reloaded", flush=True), stop=stop)
    print("ready", flush=True)
    await stop.wait()
    print("draining", flush=True)
    await asyncio.Event().wait()

uvloop.run(serve())
"""


class Server:
    """A process that waits for signals and says what it does about them."""

    def __init__(self, **options) -> None:
        command = [sys.executable, "-c", _SERVER]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)  # noqa: S603
        assert self.says() == "ready"

    def says(self) -> str:
        assert self.process.stdout is not None
        return str(self.process.stdout.readline()).strip()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(stdin=subprocess.DEVNULL)
    yield server
    server.process.kill()
    server.process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_for_an_orderly_end_and_the_second_does_not_wait_for_it(server, first, second):
    server.send(first)
    assert server.says() == "draining"
    server.send(second)
    assert server.process.wait(10) == -second


@pytest.mark.slow
def test_a_hangup_reads_the_settings_again_as_often_as_it_comes(server):
    for _ in range(2):
        server.send(signal.SIGHUP)
        assert server.says() == "reloaded"


@pytest.mark.slow
def test_on_a_terminal_ctrl_c_is_heard_at_once_and_the_next_one_explained():
    """An end may wait for a start that compiles for a minute."""
    ours, terminal = pty.openpty()
    server = Server(stdin=subprocess.DEVNULL, stderr=terminal)
    try:
        server.send(signal.SIGINT)
        assert server.says() == "draining"
        assert b"Stopping in good order; Ctrl-C once more ends at once." in os.read(ours, 1024)
    finally:
        server.process.kill()
        server.process.communicate()
        os.close(terminal)
        os.close(ours)


@pytest.mark.slow
def test_a_terminal_that_is_closed_ends_the_server():
    """It would else go on where nobody sees it, and keep its ports and its data folder."""
    ours, terminal = pty.openpty()
    server = Server(
        stdin=terminal,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    try:
        server.send(signal.SIGHUP)
        assert server.says() == "reloaded"
        os.close(terminal)
        os.close(ours)
        assert server.says() == "draining"
    finally:
        server.process.kill()
        server.process.communicate()
