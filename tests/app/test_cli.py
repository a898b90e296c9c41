"""The command line: exit codes, what is printed, and that a look at the help loads no server."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from overworld.app.cli import main
from overworld.app.game import SHIPPED

ANY_PORTS = ("--http-port", "0", "--realtime-port", "0", "--operations-port", "0")


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    printed = capsys.readouterr()
    return int(left.value.code or 0), printed.out, printed.err


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("OVERWORLD_GAME", "OVERWORLD_CONFIG", "OVERWORLD_MODE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_config_show_prints_a_settings_file_with_the_source_of_each_line(capsys):
    code, out, err = run(capsys, "config", "show", "--http-port", "7500", "--game", "heart")
    assert (code, err) == (0, "")
    printed = tomllib.loads(out)
    assert (printed["http"]["port"], printed["game"], printed["mode"]) == (7500, "heart", "development")
    assert next(line for line in out.splitlines() if line.startswith("game")).endswith("# flags")


def test_what_config_show_prints_is_read_back_to_the_same_settings(capsys, bare_machine):
    _, first, _ = run(capsys, "config", "show", "--realtime-port", "7501")
    (bare_machine / "overworld.toml").write_text(first)
    code, second, _ = run(capsys, "config", "show")
    assert code == 0
    assert tomllib.loads(second) == tomllib.loads(first)


def test_config_show_masks_the_password_of_the_database(capsys):
    _, out, _ = run(capsys, "config", "show", "--database", "postgresql://me:hunter2@db.example/game")
    assert "hunter2" not in out
    assert "postgresql://me:********@db.example/game" in out


@pytest.mark.parametrize("command", [["config", "show"], ["serve"], ["migrate", "plan"]])
def test_wrong_settings_are_listed_on_standard_error_and_exit_2(capsys, monkeypatch, command):
    monkeypatch.setenv("OVERWORLD_MODE", "prod")
    code, out, err = run(capsys, *command, "--http-port", "70000")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        'overworld: environment: OVERWORLD_MODE: "prod" is not allowed; it takes one of development, production',
        "overworld: flags: --http-port: 70000 is not allowed; it takes a whole number from 0 to 65535",
    ]


def test_a_game_that_is_wrong_is_refused_with_all_its_errors(capsys, bare_machine):
    (bare_machine / "game.toml").write_text('[game]\nname = "Mine"\n[colectibles]\n')
    with pytest.raises(SystemExit) as left:
        main(["game", "check", str(bare_machine)])
    assert str(left.value.code).startswith(f"{bare_machine}/game.toml: ")
    assert "colectibles" in str(left.value.code)


def test_the_shipped_game_is_fine(capsys):
    code, out, _ = run(capsys, "game", "check", "ore")
    assert code == 0
    assert "/games/ore/game.toml: fine" in out


HINTS = {
    "servee": ('Did you mean "serve"?', "`overworld --help`"),
    "bogus": ("Available commands: serve, ", "`overworld --help`"),
    "game chek": ('Did you mean "check"?', "`overworld game --help`"),
    "serve --http-port many": ('unable to convert "many" into int', "`overworld serve --help`"),
    "serve --htp-port 1": ("Did you mean --http-port?", "`overworld serve --help`"),
    "serve --http-port": ("requires an argument", "`overworld serve --help`"),
    "replay": ("FILES requires an argument", "`overworld replay --help`"),
    "replay x.gpx --speed 0": ("--speed", "`overworld replay --help`"),
    "events lag --warn-s -1": ("--warn-s", "`overworld events lag --help`"),
    "migrate up now": ("now", "`overworld migrate up --help`"),
}


@pytest.mark.parametrize("arguments", HINTS)
def test_a_command_line_that_makes_no_sense_exits_2_with_a_hint_and_where_to_read(capsys, arguments):
    code, out, err = run(capsys, *arguments.split())
    assert (code, out) == (2, "")
    told, *more = err.splitlines()
    assert told.startswith("overworld: ")
    assert HINTS[arguments][0] in told
    assert more == [f"{HINTS[arguments][1]} says how it is used."]


@pytest.mark.slow
def test_a_game_tests_itself_with_the_exit_code_of_the_worst(capsys, bare_machine):
    (bare_machine / "game.toml").write_text((SHIPPED / "ore" / "game.toml").read_text())
    code, out, err = run(capsys, "game", "test", ".")
    assert (code, out) == (2, "")
    assert err.startswith("overworld: ore has no tests")
    (bare_machine / "tests").mkdir()
    given = "[level.x]\nwhen.experience = 50\n"
    for name, text, wanted, line in (
        ("a", f"{given}then.level = 2\n", 0, "a.toml: 1 scenario as expected"),
        ("b", f"{given}then.level = 3\n", 1, "    expected level 3, got 2"),
        ("c", "[level.x]\nthen.level = 1\n", 2, "  line 1: level.x.when: is missing; allowed: a table"),
    ):
        (bare_machine / "tests" / f"{name}.toml").write_text(text)
        code, out, err = run(capsys, "game", "test", ".")
        assert (code, err) == (wanted, "")
        assert line in out.splitlines()


@pytest.mark.parametrize("command", [["config", "show"], ["serve"], ["migrate", "plan"], ["events", "lag"]])
def test_a_path_that_is_no_text_is_refused(capsys, command):
    """A file system allows it; no DSN and no settings file could say it."""
    code, out, err = run(capsys, *command, "--data", "\udcff")
    assert (code, out) == (2, "")
    assert err.startswith("overworld: flags: --data: ")
    assert err.endswith(" is not allowed; it takes a path\n")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["serve", "--help"], ["config", "show"], ["game", "check"]])
def test_looking_at_help_settings_and_definitions_loads_no_server(tmp_path, arguments):
    """A shell completes and explains commands all day; what is behind them takes two seconds to import."""
    look = f"""
import sys
from overworld.app.cli import main
try:
    main({arguments})
except SystemExit as left:
    assert not left.code, left.code
heavy = {{"numba", "litestar", "asyncpg", "picows", "numpy"}} & set(sys.modules)
sys.exit(f"loads {{heavy}}" if heavy else 0)
"""
    command = [sys.executable, "-c", look]
    ran = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60)  # noqa: S603
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["config", "show"], ["--help"]])
def test_output_that_has_no_place_is_told_in_one_line(tmp_path, arguments):
    command = [sys.executable, "-m", "overworld", *arguments]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(  # noqa: S603
            command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert ran.returncode == 1
    assert ran.stderr == "overworld: what was to be written has no place: No space left on device\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["config", "show"], ["game", "check", "ore"], ["--help"], ["doctor", *ANY_PORTS]]
)
def test_a_reader_who_has_had_enough_is_no_error(tmp_path, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "overworld", *arguments]
    ran = subprocess.run(command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)  # noqa: S603
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (0, b"")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["config", "show"], 0), (["game", "check", "ore"], 0), (["--help"], 0), (["serve", "-x"], 2)],
)
def test_closed_standard_streams_change_no_exit_code(tmp_path, arguments, code):
    command = ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-m", "overworld", *arguments]
    assert subprocess.run(command, cwd=tmp_path, check=False, timeout=60).returncode == code  # noqa: S603


def test_a_new_game_is_fine_and_does_what_its_tests_say(capsys, bare_machine):
    assert run(capsys, "game", "new", "rock-pool")[0] == 0
    code, out, _ = run(capsys, "game", "check", "rock-pool")
    assert code == 0 and "fine; Rock Pool, version" in out and "hooks on_claim" in out
    code, out, _ = run(capsys, "game", "test", "./rock-pool")
    assert (code, out.splitlines()[-1]) == (0, "Rock Pool: 4 scenarios as expected")


def test_a_new_game_overwrites_nothing_and_has_a_name(capsys, bare_machine):
    target = bare_machine / "there"
    assert run(capsys, "game", "new", "pool", "--directory", str(target))[0] == 0
    (target / "game.toml").write_text("mine")
    with pytest.raises(SystemExit, match="is there already"):
        main(["game", "new", "pool", "--directory", str(target)])
    assert (target / "game.toml").read_text() == "mine"
    with pytest.raises(SystemExit, match="is no name for a game"):
        main(["game", "new", "My Game"])
    with pytest.raises(SystemExit, match="ore is a game that is shipped"):
        main(["game", "new", "ore"])
    assert not (bare_machine / "ore").exists(), "`game check ore` would check the one that is shipped"


def test_a_difference_says_when_it_would_be_in_force(capsys, bare_machine):
    for name in ("old", "new"):
        run(capsys, "game", "new", "pool", "--directory", name)
    file = bare_machine / "new" / "game.toml"
    changed = file.read_text().replace("daily_cap = 300", "daily_cap = 400").replace("= 12.0", "= 9.0")
    file.write_text(changed.replace('title = "Pool"', 'title = "The Pool"').replace("pearl", "gem"))
    (bare_machine / "new" / "rules.py").unlink()
    code, out, _ = run(capsys, "game", "diff", "old", "new")
    told = out.splitlines()
    assert code == 0
    assert "~ collectibles.daily_cap: 300 -> 400 (at once)" in told
    assert "~ collectibles.mean_per_cell: 12.0 -> 9.0 (next window)" in told
    assert '~ game.title: "Pool" -> "The Pool" (restart)' in told
    assert "! currencies.pearl: refused as long as anybody holds or will be paid some" in told
    assert any(line.startswith("- rules.py: ") for line in told)
    code, out, _ = run(capsys, "game", "diff", "old", "old")
    assert (code, out.splitlines()[0][-9:]) == (0, "no change")
