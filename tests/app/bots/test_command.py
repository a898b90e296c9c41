"""`overworld bots` where it comes to nothing: wrong usage, no server, no recording, no folder."""

from __future__ import annotations

import pytest

from overworld.app.bots.seats import SeatRefused
from overworld.app.cli import main

NOWHERE = ("--server", "http://127.0.0.1:9")


def run(capsys, *arguments: object) -> tuple[int | str | None, str, str]:
    """How the command ended, and what it printed; a text is what standard error gets, with 1."""
    with pytest.raises(SystemExit) as left:
        main(["bots", *map(str, arguments)])
    printed = capsys.readouterr()
    return left.value.code, printed.out, printed.err


@pytest.mark.parametrize(
    "wrong", [("--cheaters", "200%"), ("--cheaters", "many"), ("--city", "atlantis"), ("--players", "0")]
)
def test_wrong_usage_exits_2(capsys, tmp_path, wrong):
    code, out, err = run(capsys, *wrong, "--data", tmp_path)
    assert (code, out) == (2, "")
    assert "overworld bots --help" in err


def test_without_a_server_it_says_so(capsys, tmp_path):
    code, out, _ = run(capsys, "--data", tmp_path)
    assert "no server is running" in str(code)
    assert out == ""


def test_a_server_that_does_not_answer_is_told_at_once(capsys, tmp_path):
    code, out, err = run(capsys, *NOWHERE, "--data", tmp_path)
    assert (code, out) == (1, "")
    assert err.startswith("overworld: http://127.0.0.1:9 does not answer")


def test_a_file_that_is_no_recording_is_told_before_anything_else(capsys, tmp_path):
    (tmp_path / "run.npz").write_bytes(b"no")
    code, out, _ = run(capsys, "--replay", tmp_path / "run.npz", *NOWHERE)
    assert "is no recording of bots" in str(code)
    assert out == ""


def test_a_file_that_has_no_place_is_told_before_the_run(capsys, tmp_path):
    code, _, _ = run(capsys, "--record", tmp_path / "gone" / "run.npz", *NOWHERE)
    assert "there is no folder" in str(code)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (429, b'{"title":"Too many requests","code":"http.too_many_requests"}', "OVERWORLD_LIMITS__ENABLED=false"),
        (403, b'{"title":"No","code":"accounts.closed"}', "No (accounts.closed)"),
        (502, b"<html>", "502 b'<html>'"),
    ],
)
def test_a_server_that_takes_no_bots_is_quoted_with_what_can_be_done(status, body, why):
    assert why in str(SeatRefused.of(status, body))
