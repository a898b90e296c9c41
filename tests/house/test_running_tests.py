"""script/test, beside a set-up and a fetcher that write down what they are asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SETUP = """#!/bin/sh
printf '%s\\n' "$*" >>"$LOG"
case "$*" in
    *--cov-report=json:*) report=${*##*--cov-report=json:}; echo {} >"${report%% *}" ;;
    *--last-failed*) exit "${AGAIN:-0}" ;;
esac
exit "${CODE:-0}"
"""
NEED = """#!/bin/sh
printf 'need %s\\n' "$*" >>"$LOG"
exit 3
"""


class Project:
    """A folder with script/test and what it calls."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.temporary = root / "tmp"
        for folder in (root / "script", root / "tests", self.temporary):
            folder.mkdir()
        shutil.copy(REPOSITORY / "script/test", root / "script/test")
        for name, text in (("setup", SETUP), ("need", NEED)):
            (root / "script" / name).write_text(text)
            (root / "script" / name).chmod(0o755)
        self.log = root / "log"

    def run(self, *arguments: str, **environment: str) -> tuple[int, list[str]]:
        self.log.unlink(missing_ok=True)
        ran = subprocess.run(  # noqa: S603
            [self.root / "script/test", *arguments],
            env=os.environ | {"LOG": str(self.log), "TMPDIR": str(self.temporary)} | environment,
            check=False,
            capture_output=True,
        )
        return ran.returncode, self.log.read_text().splitlines()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_the_whole_suite_asks_for_what_some_tests_need_and_goes_on_without(project):
    code, (need, tests) = project.run("-k", "money")
    assert code == 0
    assert need == "need chromium promtool=prometheus wrk"
    assert tests.startswith("develop python -m pytest ")
    assert tests.endswith(" -k money")


@pytest.mark.parametrize("path", ["tests", "tests::test_money"])
def test_a_part_of_the_suite_asks_for_nothing(project, path):
    _, (tests,) = project.run("-n", "0", path)
    assert tests.endswith(f" -n 0 {path}")


def test_coverage_is_counted_in_a_folder_of_the_run_and_told_after_it_even_when_a_test_failed(project):
    code, (counted, told) = project.run("--coverage", "tests", CODE="1")
    assert code == 1
    report = counted.split("--cov-report=json:")[1].removesuffix(" tests")
    assert Path(report).is_relative_to(project.temporary)
    assert told == f"develop python -m script.covered {report}"
    assert list(project.temporary.iterdir()) == []


def test_without_coverage_nothing_is_counted(project):
    _, (tests,) = project.run("tests", CODE="0")
    assert "--cov" not in tests


def test_nobody_who_names_no_folder_is_left_without_one(project):
    _, (counted, _) = project.run("--coverage", "tests", TMPDIR="")
    report = Path(counted.split("--cov-report=json:")[1].removesuffix(" tests"))
    assert report.parents[1] in {Path("/dev/shm"), Path("/tmp")}  # noqa: S108 - memory, or where systems keep such files
    assert not report.parent.exists()


def _fail(project: Project, count: int) -> None:
    """Leaves what pytest does after so many tests failed."""
    cache = project.root / ".pytest_cache/v/cache"
    cache.mkdir(parents=True)
    (cache / "lastfailed").write_text(
        json.dumps({f"tests/test_{each}.py::test": True for each in range(count)}, indent=2)
    )


@pytest.mark.parametrize(("again", "code"), [("0", 0), ("1", 1)])
def test_a_few_that_failed_are_tried_once_more_where_that_is_asked_for(project, again, code):
    _fail(project, 3)
    ended, (first, second) = project.run("--second-try", "tests", CODE="1", AGAIN=again)
    assert first.endswith(" tests")
    assert second.startswith("develop python -m pytest --last-failed ")
    assert ended == code


def test_more_than_a_few_are_a_failure_at_once(project):
    _fail(project, 4)
    code, runs = project.run("--second-try", "tests", CODE="1")
    assert (code, len(runs)) == (1, 1)


@pytest.mark.parametrize(("asked", "code"), [([], 1), (["--second-try"], 2)])
def test_without_asking_or_when_pytest_itself_broke_there_is_no_second_try(project, asked, code):
    _fail(project, 1)
    ended, runs = project.run(*asked, "tests", CODE=str(code))
    assert (ended, len(runs)) == (code, 1)
