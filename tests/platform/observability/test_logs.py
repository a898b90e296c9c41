"""Logs: one object a line, from everywhere, and never a secret."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from overworld.kernel import tracing
from overworld.kernel.tracing import Trace
from overworld.platform.observability import LogSettings, configure_logs, info_straight
from overworld.platform.observability.redaction import redact, redacted

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"


@pytest.fixture
def written():
    """Logging as in a server, into a stream; put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_an_object_with_time_level_and_logger(written):
    configure_logs(LogSettings(), stream=written)
    structlog.get_logger("overworld.test").info("moved", metres=12)
    (line,) = _lines(written)
    assert (line["event"], line["level"], line["logger"], line["metres"]) == ("moved", "info", "overworld.test", 12)
    assert str(line["at"]).endswith("Z")


def test_libraries_write_the_same_lines(written):
    configure_logs(LogSettings(), stream=written)
    logging.getLogger("some.library").warning("odd %s", "thing")
    (line,) = _lines(written)
    assert (line["event"], line["level"], line["logger"]) == ("odd thing", "warning", "some.library")


@pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\x9b", "\N{LINE SEPARATOR}", "\N{PARAGRAPH SEPARATOR}", "\x1b"])
def test_no_text_ends_its_line_or_speaks_to_a_terminal(written, end):
    configure_logs(LogSettings(), stream=written)
    structlog.get_logger("a").info("odd", text=f"one{end}two \N{SNOWMAN}")
    (line,) = _lines(written)
    assert line["text"] == f"one{end}two \N{SNOWMAN}"
    assert end not in written.getvalue().removesuffix("\n")


def test_a_traceback_stays_in_its_line_and_is_cleaned(written):
    configure_logs(LogSettings(), stream=written)
    try:
        int(JWT)
    except ValueError:
        structlog.get_logger("a").exception("bug")
        logging.getLogger("b").exception("bug")
    ours, theirs = _lines(written)
    assert "ValueError: invalid literal" in str(ours["exception"])
    assert "ValueError: invalid literal" in str(theirs["exception"])
    assert "eyJ" not in written.getvalue()


def test_the_level_holds_for_us_and_for_libraries_and_can_be_changed(written):
    configure_logs(LogSettings(level="warning"), stream=written)
    log = structlog.get_logger("a")
    log.info("quiet")
    logging.getLogger("b").info("quiet")
    assert not _lines(written)
    configure_logs(LogSettings(level="debug"), stream=written)
    log.debug("loud")
    assert [line["event"] for line in _lines(written)] == ["loud"]


def test_for_people_there_is_text(written):
    configure_logs(LogSettings(format="console"), stream=written)
    structlog.get_logger("a").info("moved", metres=12)
    assert "moved" in written.getvalue()
    assert not written.getvalue().startswith("{")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_by_itself_it_is_text_on_a_terminal_and_json_elsewhere(written):
    terminal = _Terminal()
    for stream in (terminal, written):
        configure_logs(LogSettings(), stream=stream)
        structlog.get_logger("a").info("moved", metres=12)
    assert "moved" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert [line["metres"] for line in _lines(written)] == [12]


def test_what_cannot_be_encoded_is_written_as_text(written):
    configure_logs(LogSettings(), stream=written)
    structlog.get_logger("a").info("odd", thing=object(), many={1, 2}, deep={"a": [{"b": ValueError("x")}]})
    (line,) = _lines(written)
    assert str(line["thing"]).startswith("<object")
    assert line["deep"] == {"a": [{"b": "x"}]}


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "new_password",
        "token",
        "refresh_token",
        "Authorization",
        "cookie",
        "api_key",
        "client_secret",
        "dsn",
    ],
)
def test_fields_with_secret_names_are_hidden_at_any_depth(name):
    event = redact(None, "info", {"event": "x", name: "v", "deep": [{name: {"more": 1}}]})
    assert event == {"event": "x", name: "***", "deep": [{name: "***"}]}


@pytest.mark.parametrize("name", ["account", "trace_id", "key", "idempotency_key", "route", "author", "passed"])
def test_other_fields_are_left(name):
    assert redact(None, "info", {name: "value"}) == {name: "value"}


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (f"Authorization: Bearer {JWT}", "Authorization: Bearer ***"),
        (f"bad token {JWT}!", "bad token ***!"),
        ("bearer abcdef0123456789", "bearer ***"),
        ("key owdev_Zm9vYmFyYmF6 given", "key *** given"),
        ("key owkey_Zm9vYmFyYmF6 given", "key *** given"),
        ("key owingest_Zm9vYmFyYmF6 given", "key *** given"),
        ("postgres://ada:s3cret@db/x", "postgres://ada:***@db/x"),
        (f"{'a' * 99}://ada:s3cret@db/x", f"{'a' * 99}://ada:***@db/x"),
        ("postgresql://:s3cret@/x", "postgresql://:***@/x"),
        ('{"password": "s3cret", "a": 1}', '{"password": "***", "a": 1}'),
        ("password=s3cret&a=1", "password=***&a=1"),
        ("refresh_token='s3cret'", "refresh_token='***'"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nrest", "***\nrest"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", "***"),
    ],
)
def test_text_that_looks_like_a_secret_is_hidden(text, cleaned):
    assert redacted(text) == cleaned


@pytest.mark.parametrize("text", ["the bearer of news", "https://play.example/a:b@c", "GET /v1/tokens/balance", "eyJ"])
def test_ordinary_text_is_left(text):
    assert redacted(text) == text


@given(st.text(alphabet="abc :=\"'/@-_.", max_size=40), st.text(alphabet="abc :=\"'/@-_.", max_size=40))
def test_no_surrounding_text_lets_a_token_through(before: str, after: str):
    assert JWT not in redacted(f"{before} {JWT} {after}")


def test_nesting_without_end_is_cut():
    deep: dict[str, object] = {}
    at = deep
    for _ in range(50):
        at["a"] = at = {}
    assert "***" in json.dumps(redact(None, "info", {"deep": deep}))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that takes no byte")
def test_a_line_that_cannot_be_written_is_lost_and_nothing_else(written):
    with suppress(OSError), Path("/dev/full").open("w", encoding="utf-8") as full:
        configure_logs(LogSettings(), stream=full)
        structlog.get_logger("here").info("paid")
        configure_logs(LogSettings(), stream=written)
    structlog.get_logger("here").info("paid again")
    assert json.loads(written.getvalue())["event"] == "paid again"


def test_a_line_names_the_trace_in_which_it_was_written(written):
    """Ours and those of libraries; one that names a trace itself keeps it."""
    configure_logs(LogSettings(), stream=written)
    with tracing.at(Trace("a" * 32, "b" * 16)):
        structlog.get_logger("overworld.test").info("moved")
        logging.getLogger("some.library").warning("odd")
        logging.getLogger("some.library").warning("own", extra={"trace_id": "c" * 32})
    structlog.get_logger("overworld.test").info("outside")
    assert [line.get("trace_id") for line in _lines(written)] == ["a" * 32, "a" * 32, "c" * 32, None]


@pytest.mark.parametrize("level", ["debug", "info", "warning"])
async def test_a_line_that_goes_straight_is_the_line_that_structlog_writes(written, level):
    configure_logs(LogSettings(level=level), stream=written)
    fields = {"method": "GET", "ms": 1.25, "account": UUID(int=7), "route": "/v1/x", "trace_id": "ab", "code": None}
    structlog.get_logger("overworld.http").info("request", **fields)
    info_straight("overworld.http", "request", dict(fields))
    await asyncio.sleep(0)
    kept = [re.sub(r'"at":"[^"]+Z"', "AT", line) for line in written.getvalue().splitlines()]
    assert kept == [] if level == "warning" else len(kept) == 2 and kept[0] == kept[1]


async def test_lines_that_go_straight_leave_together_and_never_after_a_later_one(written):
    configure_logs(LogSettings(), stream=written)
    info_straight("a", "first", {})
    info_straight("a", "second", {})
    assert written.getvalue() == ""
    structlog.get_logger("a").info("third")
    assert [line["event"] for line in _lines(written)] == ["first", "second", "third"]
    info_straight("a", "fourth", {})
    await asyncio.sleep(0)
    assert len(_lines(written)) == 4


async def test_what_goes_straight_is_for_people_where_they_read_the_log(written):
    configure_logs(LogSettings(format="console"), stream=written)
    info_straight("a", "moved", {"metres": 12})
    assert "moved" in written.getvalue()
    assert not written.getvalue().startswith("{")
