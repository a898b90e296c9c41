"""The doctor: every check made to fail for real, what is advised, and that looking changes nothing."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from overworld.app.addresses import Addresses
from overworld.app.cli import main
from overworld.app.doctor import build, folder, machine
from overworld.app.doctor.findings import Level, lines, ok, problem, warning
from overworld.app.settings import Settings
from overworld.domains.realtime.types import RealtimeSettings
from overworld.platform.http.settings import HttpSettings
from overworld.platform.postgres.settings import DatabaseSettings

ANY_PORTS = ("--http-port", "0", "--realtime-port", "0", "--operations-port", "0")


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("OVERWORLD_GAME", "OVERWORLD_CONFIG", "OVERWORLD_MODE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(capsys, *arguments: str | Path) -> tuple[int, dict[str, dict[str, Any]]]:
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--json", *map(str, arguments)])
    told = json.loads(capsys.readouterr().out)
    return int(left.value.code or 0), {check["check"]: check for check in told["checks"]}


def test_a_fresh_folder_is_fine_and_stays_untouched(capsys, bare_machine):
    code, told = run(capsys, *ANY_PORTS)
    assert code == 0, told
    assert {name for name, check in told.items() if check["level"] == "problem"} == set()
    assert list(bare_machine.iterdir()) == []
    assert {"python", "packages", "clock", "settings", "game", "data folder", "disk", "server"} <= set(told)
    assert {"port http", "port realtime", "port operations"} <= set(told)
    assert {"developer key", "open files", "memory", "kernels", "postgresql", "database"} <= set(told)


def test_wrong_settings_are_findings(capsys, monkeypatch):
    monkeypatch.setenv("OVERWORLD_MODE", "prod")
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--http-port", "70000"])
    shown = capsys.readouterr().out
    assert left.value.code == 1
    assert 'problem  settings  environment: OVERWORLD_MODE: "prod" is not allowed' in shown
    assert "problem  settings  flags: --http-port: 70000 is not allowed" in shown
    assert shown.rstrip().endswith("2 problems, 1 warning")


def test_a_password_is_never_printed(capsys):
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--database", "postgresql://me:hunter2@127.0.0.1:1/game", *ANY_PORTS])
    shown = capsys.readouterr()
    assert left.value.code == 1
    assert "hunter2" not in shown.out + shown.err
    assert "postgresql://me:********@127.0.0.1:1/game: cannot connect" in shown.out


def test_a_bad_game_is_a_problem(capsys, bare_machine):
    (bare_machine / "game.toml").write_text("[game\n")
    code, told = run(capsys, "--game", ".", *ANY_PORTS)
    assert (code, told["game"]["level"]) == (1, "problem")
    assert told["game"]["advice"] == "overworld game check ."


def test_a_taken_port_is_a_problem_that_names_its_holder(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code, told = run(capsys, *ANY_PORTS[2:], "--http-port", port)
    check = told["port http"]
    assert (code, check["level"]) == (1, "problem")
    assert f"{port} on 127.0.0.1 is taken by process {os.getpid()}" in check["found"]
    assert "--http-port" in check["advice"]


def test_a_port_that_our_own_server_holds_is_fine(bare_machine):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        Addresses(pid=os.getpid(), http=f"http://127.0.0.1:{port}", realtime="", operations="").write(bare_machine)
        server, ours = folder.running(bare_machine)
        settings = Settings(http=HttpSettings(port=port), realtime=RealtimeSettings(port=0))
        found = {finding.check: finding for finding in machine.ports(settings, ours)}
    assert server.level is Level.OK
    assert found["port http"] == ok("port http", f"{port} is held by our own server, process {os.getpid()}")
    assert found["port realtime"] == ok("port realtime", "any free port")


def test_an_address_of_another_machine_is_no_port_of_ours():
    settings = Settings(http=HttpSettings(host="192.0.2.1", port=7400))
    finding = next(iter(machine.ports(settings, None)))
    assert (finding.level, "192.0.2.1:7400 cannot be listened on" in finding.found) == (Level.PROBLEM, True)


def test_what_a_killed_server_left_is_told_from_one_that_runs(bare_machine):
    """The number of a process is given again; a file that is older than the process is not its own."""
    gone = Addresses(pid=os.getpid(), http="http://127.0.0.1:1", realtime="", operations="")
    gone.write(bare_machine)
    long_ago = psutil.Process().create_time() - 3600
    os.utime(bare_machine / "server.json", (long_ago, long_ago))
    finding, ours = folder.running(bare_machine)
    assert (finding.level, ours) == (Level.WARNING, None)
    assert "left over" in finding.found


@pytest.mark.parametrize(("content", "level"), [(None, Level.PROBLEM), ("{", Level.WARNING), ("{}", Level.WARNING)])
def test_a_server_file_that_is_none_is_told(bare_machine, content, level):
    file = bare_machine / "server.json"
    if content is None:
        file.mkdir()
    else:
        file.write_text(content)
    finding, ours = folder.running(bare_machine)
    assert (finding.level, ours, "remove it" in finding.advice) == (level, None, True)


KEYS = {
    "fine": ("owdev_" + "A" * 43, 0o600, Level.OK),
    "readable for others": ("owdev_" + "A" * 43, 0o644, Level.PROBLEM),
    "empty": ("", 0o600, Level.PROBLEM),
}


@pytest.mark.parametrize("name", KEYS)
def test_the_developer_key_is_for_its_owner_only(bare_machine, name):
    content, mode, level = KEYS[name]
    file = bare_machine / "developer.key"
    file.write_text(content)
    file.chmod(mode)
    (finding,) = folder.key(Settings(data=bare_machine))
    assert finding.level is level
    assert "AAAA" not in str(finding)
    if mode == 0o644:
        assert finding.advice == f"chmod 600 {file}"


def test_a_data_folder_that_is_a_file_or_lies_in_one_is_a_problem(bare_machine):
    (bare_machine / "file").write_text("")
    for data in (bare_machine / "file", bare_machine / "file" / "inside"):
        assert folder.folder(data).level is Level.PROBLEM
    assert folder.folder(bare_machine / "new" / "inside").level is Level.OK


def test_a_data_folder_that_cannot_be_written_names_its_owner(bare_machine):
    closed = Path("/proc/1")  # not even for root
    finding = folder.folder(closed / "data")
    assert (finding.level, "--data" in finding.advice) == (Level.PROBLEM, True)


def test_a_database_of_another_version_is_a_problem(capsys, bare_machine):
    made = bare_machine / "data" / "postgres"
    made.mkdir(parents=True)
    (made / "PG_VERSION").write_text("15\n")
    code, told = run(capsys, *ANY_PORTS)
    assert (code, told["postgresql"]["level"]) == (1, "problem")
    assert "was made by version 15" in told["postgresql"]["found"]


def test_a_clock_before_the_build_is_a_problem():
    assert machine.clock(machine.NOT_BEFORE - timedelta(seconds=1)).level is Level.PROBLEM
    assert machine.clock(datetime.now(UTC)).level is Level.OK


def test_limits_that_are_too_low_for_what_is_set_are_told():
    many = Settings(
        realtime=RealtimeSettings(connections_max=1_000_000), database=DatabaseSettings(shared_buffers_mb=65_536)
    )
    few = Settings(realtime=RealtimeSettings(connections_max=1), database=DatabaseSettings(shared_buffers_mb=16))
    assert machine.open_files(few).level is Level.OK
    assert machine.open_files(many).level is Level.WARNING
    assert machine.memory(few).level is Level.OK
    assert machine.memory(many).level is Level.WARNING


def test_packages_are_compared_with_the_lock_file(bare_machine, monkeypatch):
    assert build.packages().level is Level.OK
    lock = bare_machine / "requirements.lock"
    for line, level in {
        "msgspec==0.0.1 ; x": Level.WARNING,
        "no-such-thing==1": Level.PROBLEM,
        f"msgspec==0.0.1\nmsgspec=={msgspec.__version__}": Level.OK,
    }.items():
        lock.write_text(line)
        monkeypatch.setattr(build, "_LOCK", lock)
        assert build.packages().level is level, line


def test_kernels_that_are_not_compiled_are_no_problem(bare_machine):
    finding = build.kernels(bare_machine, {"NUMBA_CACHE_DIR": str(bare_machine / "none")})
    assert (finding.level, "not compiled yet" in finding.found) == (Level.OK, True)


def test_each_finding_has_its_line_and_below_it_what_to_do():
    assert lines([ok("a", "fine"), warning("bcd", "low", "raise it"), problem("e", "gone", "get it")]) == [
        "ok       a    fine",
        "warning  bcd  low",
        "              -> raise it",
        "problem  e    gone",
        "              -> get it",
    ]


@pytest.mark.slow
async def test_a_database_by_dsn_is_asked_for_its_version_migrations_and_clock(open_database, databases):
    from overworld.app.doctor.database import connected
    from overworld.app.schemas import SCHEMAS
    from overworld.kernel.clock import FixedClock, SystemClock

    async with open_database() as database:
        async with database.read() as tx:
            dsn = databases.dsn_of(await tx.fetchval("SELECT current_database()"))
        settings = Settings(database=DatabaseSettings(dsn=dsn))
        empty = {finding.check: finding async for finding in connected(settings, clock=SystemClock())}
        fast = FixedClock(datetime.now(UTC) + timedelta(minutes=1))
        apart = {finding.check: finding async for finding in connected(settings, clock=fast)}
        assert (await database_version(database)) >= 15
    assert empty["database"].level is Level.OK
    assert (empty["migrations"].level, "overworld migrate up" in empty["migrations"].advice) == (Level.PROBLEM, True)
    written = sum(len(list(schema.folder.glob("*.sql"))) for schema in SCHEMAS)
    assert f"lacks {written}" in empty["migrations"].found
    assert (empty["clocks"].level, apart["clocks"].level) == (Level.OK, Level.PROBLEM)


async def database_version(database) -> int:
    async with database.read() as tx:
        return int(await tx.fetchval("SELECT current_setting('server_version_num')")) // 10_000


@pytest.mark.slow
async def test_a_database_ahead_of_the_build_is_a_problem(open_database, databases):
    from overworld.app.doctor.database import connected
    from overworld.app.schemas import SCHEMAS
    from overworld.kernel.clock import SystemClock

    async with open_database(*SCHEMAS) as database:
        async with database.read() as tx:
            dsn = databases.dsn_of(await tx.fetchval("SELECT current_database()"))
            await tx.execute(
                "INSERT INTO migrations.applied (schema, number, name, checksum) VALUES ('world', 9, 'new', 'x')"
            )
        settings = Settings(database=DatabaseSettings(dsn=dsn))
        found = {finding.check: finding async for finding in connected(settings, clock=SystemClock())}
    assert (found["migrations"].level, "newer build" in found["migrations"].advice) == (Level.PROBLEM, True)


def test_a_data_folder_that_cannot_even_be_looked_at_is_a_problem_among_others(capsys):
    code, told = run(capsys, "--data", "a" * 5_000, *ANY_PORTS)
    assert code == 1
    assert "File name too long" in told["server"]["found"]
