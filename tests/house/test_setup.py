"""script/setup installs when something changed and only then, with a uv that writes down what it is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
KERNEL_CACHE = "src/overworld/app/kernel_cache.py"
FAKE_UV = """#!/bin/sh
[ "$1" = --version ] && exit 0
printf '%s|%s\\n' "${UV_CACHE_DIR:-}" "$*" >>"$UV_LOG"
[ ! -e "$UV_LOG.broken" ] || exit 1
if [ "$1" = venv ]; then
    for folder; do :; done
    mkdir -p "$folder/bin"
    ln -s "$REAL_PYTHON" "$folder/bin/python"
fi
"""


class Project:
    """A copy of the script in a folder whose name holds a space, with locks of its own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "over world"
        (self.root / "script").mkdir(parents=True)
        shutil.copy(REPOSITORY / "script" / "setup", self.root / "script" / "setup")
        (self.root / "src" / "overworld" / "app").mkdir(parents=True)
        shutil.copy(REPOSITORY / KERNEL_CACHE, self.root / KERNEL_CACHE)
        self.log = folder / "uv.log"
        self.home = folder / "home"
        self.home.mkdir()
        tools = folder / "tools"
        tools.mkdir()
        (tools / "uv").write_text(FAKE_UV)
        (tools / "uv").chmod(0o755)
        self.environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "UV_LOG": str(self.log),
            "REAL_PYTHON": sys.executable,
            "UV_PYTHON": sys.executable,
        }
        for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock"):
            self.write(name, "first")

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603
            [self.root / "script" / "setup", *arguments],
            cwd="/",
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        process = self.start(*arguments, **environment)
        out, _ = process.communicate(timeout=30)
        return process.returncode, out

    def asked(self) -> list[str]:
        """What uv was asked since the last look: its first two words, and the lock it read."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        words = [line.split("|", 1)[1].split() for line in lines]
        return [" ".join([*line[:2], Path(line[-1]).name]) if line[1] == "sync" else line[0] for line in words]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


FRESH = ["venv", "pip sync requirements.lock", "pip"]
FRESH_DEVELOP = ["venv", "pip sync requirements-dev.lock", "pip"]


def test_a_fresh_folder_is_set_up_and_a_warm_one_left_alone(project):
    assert project.run("serve") == (0, "")
    assert project.asked() == FRESH
    assert project.run("serve") == (0, "")
    assert project.run() == (0, "")
    assert project.asked() == []


@pytest.mark.parametrize(
    ("changed", "asked"),
    [("requirements.lock", ["pip sync requirements.lock", "pip"]), ("pyproject.toml", ["pip"])],
)
def test_a_change_is_installed_once_and_a_lock_only_when_it_changed(project, changed, asked):
    project.run("serve")
    project.asked()
    project.write(changed, "second")
    project.run("serve")
    assert project.asked() == asked
    project.run("serve")
    assert project.asked() == []


def test_a_development_environment_serves_and_stays_one(project):
    project.run("develop")
    assert project.asked() == FRESH_DEVELOP
    project.run("serve")
    assert project.asked() == []
    project.write("requirements-dev.lock", "second")
    project.run("serve")
    assert project.asked() == ["pip sync requirements-dev.lock", "pip"]


def test_an_environment_for_serving_grows_when_development_asks(project):
    project.run("serve")
    project.asked()
    project.run("develop")
    assert project.asked() == ["pip sync requirements-dev.lock", "pip"]


def test_a_folder_that_was_moved_gets_a_new_environment(project):
    project.run("serve")
    project.asked()
    project.root = project.root.rename(project.root.with_name("elsewhere"))
    project.run("serve")
    assert project.asked() == FRESH


def test_an_installation_that_failed_is_tried_again(project):
    project.run("serve")
    project.write("requirements.lock", "second")
    broken = Path(f"{project.log}.broken")
    broken.touch()
    assert project.run("serve", "echo", "never")[0] != 0
    broken.unlink()
    project.asked()
    assert project.run("serve", "echo", "now") == (0, "now\n")
    assert project.asked() == ["pip sync requirements.lock", "pip"]


def test_two_at_once_install_once(project):
    both = [project.start("develop", "echo", "ready") for _ in range(2)]
    assert [process.communicate(timeout=30)[0] for process in both] == ["ready\n", "ready\n"]
    assert project.asked() == FRESH_DEVELOP


def test_a_command_runs_in_the_environment_where_the_caller_stands(project):
    look = 'pwd; command -v python; echo "$1"; exit 7'
    code, out = project.run("serve", "sh", "-c", look, "sh", "one  argument")
    assert code == 7
    assert out.splitlines() == [
        "/",
        f"{project.root}/.venv/bin/python",
        "one  argument",
    ]


def test_compiled_kernels_are_kept_apart_for_each_state_of_the_kernels(project):
    """Numba would go on running a kernel whose callee, in another file, has changed."""

    def folder(**environment: str) -> str:
        _, out = project.run("serve", "sh", "-c", 'echo "$NUMBA_CACHE_DIR"', **environment)
        return str(out).strip()

    (project.root / "src" / "overworld" / "geo").mkdir(parents=True)
    project.write("src/overworld/geo/cells.py", "\n@kernel\ndef cell(): ...\n")
    first = folder()
    project.write("src/overworld/geo/service.py", "def serve(): ...\n")
    assert folder() == first
    project.write("src/overworld/geo/cells.py", "\n@kernel\ndef cell(): pass\n")
    assert folder() != first
    assert Path(first).parent == project.root / ".cache" / "numba"
    assert folder(NUMBA_CACHE_DIR="/elsewhere") == "/elsewhere"


def test_who_wants_no_bytecode_beside_the_sources_has_it_in_the_cache(project):
    """Without any, each process compiles every module anew, and a server starts three times as slowly."""

    def bytecode(**environment: str) -> str:
        look = 'echo "${PYTHONDONTWRITEBYTECODE-unset} ${PYTHONPYCACHEPREFIX-unset}"'
        _, out = project.run("serve", "sh", "-c", look, **environment)
        return str(out).removesuffix("\n")

    assert bytecode() == "unset unset"
    assert bytecode(PYTHONDONTWRITEBYTECODE="1") == f" {project.root}/.cache/bytecode"
    assert bytecode(PYTHONDONTWRITEBYTECODE="1", PYTHONPYCACHEPREFIX="/elsewhere") == "1 /elsewhere"


def test_where_the_home_folder_cannot_be_written_the_cache_lies_in_the_project(project):
    project.run("serve", HOME="/nonexistent")
    assert project.log.read_text().startswith(f"{project.root}/.cache/uv|venv")


def test_an_unknown_environment_is_refused_with_the_known_ones(project):
    process = project.start("production")
    _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert told == "setup: unknown environment 'production': it is serve or develop\n"
