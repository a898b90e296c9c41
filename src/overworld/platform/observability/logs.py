"""Logs: one JSON object a line on standard error, from our code and from the libraries alike."""

from __future__ import annotations

import asyncio
import atexit
import logging
import re
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import IO, Any

import msgspec
import structlog
from structlog.types import EventDict, Processor

from overworld.kernel.tracing import here
from overworld.platform.observability.redaction import redact
from overworld.platform.observability.settings import LogSettings

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
# JSON lets them stand as they are; some readers begin a new line there, and some terminals obey them.
_BREAKS = re.compile("[\x80-\x9f\u2028\u2029]")
_LINES_AT_ONCE_MAX = 256
_NOISY = ("uvicorn.access", "asyncio", "httpx", "httpcore", "numba")


def configure_logs(settings: LogSettings, *, stream: IO[str] | None = None) -> None:
    """Sets the process's logging; called once at start, and again to change the level.

    Lines carry `at`, `level`, `logger`, `event`, their fields and, where there is one, the `trace_id`; what looks like
    a secret is hidden in all of them.
    """
    level = _LEVELS[settings.level]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.ExtraAdder(allow=("trace_id",)),
        _with_trace,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        redact,
    ]
    target = stream or sys.stderr
    for_people = settings.format == "console" or (settings.format == "auto" and target.isatty())
    render: Processor = structlog.dev.ConsoleRenderer(colors=target.isatty()) if for_people else _json
    _straight.flush()
    _straight.stream = target if level <= logging.INFO else None
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_LineLoggers(target),
        cache_logger_on_first_use=False,
    )
    _adopt_standard_logging(level=level, shared=shared, render=render, stream=target)


class _LineLogger:
    """Writes finished lines to one stream."""

    def __init__(self, name: str, stream: IO[str]) -> None:
        self.name = name
        self._stream = stream

    def msg(self, line: str) -> None:
        _straight.flush()
        _write(self._stream, line)

    debug = info = warning = error = critical = exception = msg


class _LineLoggers:
    """Makes the logger of each name that is asked for."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __call__(self, name: str = "overworld") -> _LineLogger:
        return _LineLogger(name, self._stream)


def _write(stream: IO[str], lines: str) -> None:
    # A full disk or a pipe that nobody reads takes the line, not the request that it tells of.
    with suppress(OSError):
        stream.write(lines + "\n")
        stream.flush()


class _Straight:
    """Where `info_straight` writes, if anywhere; set when the logs are configured."""

    def __init__(self) -> None:
        self.stream: IO[str] | None = None
        self._lines: list[str] = []

    def take(self, line: str) -> None:
        """Writes a line together with the others of this turn of the event loop."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.flush)
        self._lines.append(line)
        if len(self._lines) >= _LINES_AT_ONCE_MAX:
            self.flush()

    def flush(self) -> None:
        """Writes what waits, before others write or the process ends."""
        if self._lines:
            lines, self._lines = self._lines, []
            if self.stream is not None:
                _write(self.stream, "\n".join(lines))


_straight = _Straight()
atexit.register(_straight.flush)


def info_straight(logger: str, event: str, fields: dict[str, Any]) -> None:
    """A line at info, the same that structlog would write, in a fifth of the time: for what is logged at every request.

    The fields are numbers, ids and names of ours: nothing is looked for in them that would have to be hidden. Call it
    in the event loop: the lines of one turn are written together.
    """
    if structlog.get_config()["processors"][-1:] != [_json]:  # for people, or as a test has it
        structlog.get_logger(logger).info(event, **fields)
    elif _straight.stream is not None:
        fields |= {"event": event, "level": "info", "logger": logger, "at": datetime.now(UTC)}
        _straight.take(_json(None, "info", fields))


def _with_trace(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Names the trace in which the line was written, unless whoever wrote it did."""
    if "trace_id" not in event and (place := here()) is not None:
        event["trace_id"] = place.trace_id
    return event


def _json(_logger: object, _method: str, event: EventDict) -> str:
    line = msgspec.json.encode(event).decode()
    return line if line.isascii() else _BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def _adopt_standard_logging(*, level: int, shared: list[Processor], render: Processor, stream: IO[str]) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
