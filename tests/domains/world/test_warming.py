"""Kernels are compiled before anybody waits for them, by helpers too at the very first start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from overworld.domains.world import warming
from overworld.domains.world.types import WorldSettings
from overworld.domains.world.warming import GROUPS, shares, warm


@pytest.fixture
def compiled(monkeypatch):
    """The groups that are compiled here, in order; nothing is."""
    names: list[str] = []
    for name in GROUPS:
        monkeypatch.setitem(GROUPS, name, lambda _settings, name=name: names.append(name))
    return names


@pytest.fixture
def started(monkeypatch):
    """The groups that helpers were started for; they end at once, with a fault."""
    commands: list[list[str]] = []

    def start(command, **options):
        commands.append(command[3:])
        return popen([sys.executable, "-c", "raise SystemExit(1)"], **options)

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    return commands


@pytest.mark.parametrize("cores", [1, 2, 3, 64])
def test_every_group_is_compiled_by_one_of_as_many_processes_as_there_are_cores(cores):
    split = shares(cores)

    assert len(split) == min(cores, len(GROUPS))
    assert [name for share in split for name in share] == list(GROUPS)


def test_the_very_first_start_has_helpers_and_loads_what_they_compiled(monkeypatch, tmp_path, compiled, started):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))

    warm(WorldSettings())

    assert started == [["around", "fences"]]
    assert compiled == ["live", "around", "fences"]


def test_later_starts_have_none(monkeypatch, tmp_path, compiled, started):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    warm(WorldSettings())
    warm(WorldSettings())

    assert len(started) == 1
    assert compiled == 2 * ["live", "around", "fences"]


@pytest.mark.parametrize("folder", [None, "file/kernels"])
def test_without_a_folder_to_keep_kernels_in_everything_is_compiled_here(
    monkeypatch, tmp_path, compiled, started, folder
):
    (tmp_path / "file").write_text("")
    if folder is None:
        monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    else:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / folder))
    monkeypatch.chdir(tmp_path)

    warm(WorldSettings())

    assert not started
    assert compiled == ["live", "around", "fences"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_helper_compiles_its_groups(monkeypatch):
    """The module runs as it is started: with the names of groups, and of none here."""
    done = subprocess.run([sys.executable, "-m", warming.__name__], check=False, capture_output=True)  # noqa: S603 - itself

    assert done.returncode == 0
    assert not done.stderr


@pytest.mark.parametrize(
    "test",
    [
        "test_service.py::test_no_kernel_compiles_after_the_start",
        "fences/test_kernels.py::test_the_stage_compiles_nothing_once_it_is_warm",
    ],
)
def test_none_compiles_after_the_start_of_a_process_where_nothing_else_ran(test):
    """Beside other tests, one of them may have compiled what the start forgot."""
    test = str(Path(__file__).parent / test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", test]
    alone = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)  # noqa: S603 - itself
    assert alone.returncode == 0, alone.stdout
