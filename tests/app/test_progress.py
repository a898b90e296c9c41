"""What people see while they wait: only on a terminal, only when it takes long."""

from __future__ import annotations

import sys
import threading

import pytest

from overworld.app import progress


class Terminal:
    """Standard error as a terminal; tells when something was written to it."""

    def __init__(self) -> None:
        self.written = ""
        self.seen = threading.Event()

    def write(self, text: str) -> int:
        self.written += text
        self.seen.set()
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch, *, slow_s: float = 0.0) -> Terminal:
    """Puts a terminal in place of standard error; no fixture, because pytest takes it back between the two."""
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setattr(progress, "_SLOW_S", slow_s)
    return made


def test_a_step_that_takes_long_says_what_it_is(monkeypatch):
    terminal = terminal_of(monkeypatch)
    with progress.step("Starting"):
        assert terminal.seen.wait(10)
    assert terminal.written == "Starting ...\n"


def test_a_quick_step_says_nothing_and_leaves_no_clock_running(monkeypatch):
    terminal = terminal_of(monkeypatch, slow_s=60.0)
    with progress.step("Starting"):
        pass
    assert terminal.written == ""
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert all(timer.finished.is_set() for timer in timers)


def test_a_pipe_sees_neither_steps_nor_spinners(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_SLOW_S", 0.0)
    with progress.step("Starting"), progress.spinning("Working"):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_spinner_turns_on_the_terminal_and_leaves_standard_output_alone(monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    terminal = terminal_of(monkeypatch)
    with progress.spinning("Working"):
        assert terminal.seen.wait(10)
        sys.stdout.write("a result\n")
    assert "Working" in terminal.written
    assert capsys.readouterr().out == "a result\n"


def test_what_goes_wrong_within_is_not_hidden(monkeypatch):
    terminal_of(monkeypatch)
    with pytest.raises(ZeroDivisionError), progress.spinning("Working"):
        raise ZeroDivisionError
