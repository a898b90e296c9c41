"""The house's gates catch what they are there for, and let through what is harmless."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from script.gates import (
    lock_breaches,
    main,
    package_breaches,
    readme_breaches,
    registry_breaches,
    shell_breaches,
    unlocked_breaches,
)

PROJECT = """
[project]
dependencies = ["Foo_Bar>=2"]
[dependency-groups]
dev = ["tester"]
"""
PIN = "foo-bar==2.1 \\\n    --hash=sha256:00\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "requirements.lock").write_text(PIN)
    (tmp_path / "requirements-dev.lock").write_text(PIN + "tester==1.0 ; sys_platform == 'linux' \\\n")
    (tmp_path / "README.md").write_text("# Nothing\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("requirements.lock", "--index-url https://mirror.example/simple"),
        ("requirements.lock", "--extra-index-url=http://mirror.example/simple"),
        ("requirements.lock", "--find-links /srv/wheels"),
        ("requirements-docs.lock", "foo @ https://mirror.example/foo.whl"),
        ("requirements.lock", "foo @ file:///srv/foo.whl"),
        ("uv.lock", 'source = { registry = "https://mirror.example/simple" }'),
        ("pylock.toml", 'url = "https://mirror.example/foo.whl"'),
        ("web/package-lock.json", '  "resolved": "https://mirror.example/foo.tgz",'),
        ("web/package-lock.json", '  "url": "https://opencollective.example/author"'),
        ("web/.npmrc", "registry=https://mirror.example"),
        ("web/pnpm-lock.yaml", "tarball: https://mirror.example/foo.tgz"),
    ],
)
def test_a_host_in_a_lock_file_is_found_with_its_line(root, name, line):
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text(f"first\n{line}\n")
    (breach,) = lock_breaches(root, [name])
    assert breach.startswith(f"{name}:2: ")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("requirements.lock", PIN),
        ("web/package-lock.json", '  "node_modules/vite": {'),
        ("web/.npmrc", "omit-lockfile-registry-resolved=true"),
        ("notes.md", "--index-url https://mirror.example"),
    ],
)
def test_what_names_no_source_of_packages_is_let_through(root, name, line):
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text(f"{line}\n")
    assert list(lock_breaches(root, [name, "deleted.lock"])) == []


def test_locks_that_meet_the_project_are_let_through(root):
    assert list(unlocked_breaches(root)) == []


@pytest.mark.parametrize("pin", ["", "foo-bar==1.9 \\\n", "foo-bar-more==2.1 \\\n"])
def test_a_dependency_that_is_missing_or_too_old_in_a_lock_is_found(root, pin):
    (root / "requirements.lock").write_text(pin)
    assert "requirements.lock: does not meet 'Foo_Bar>=2'; run script/lock" in unlocked_breaches(root)


def test_a_runtime_pin_that_development_does_not_share_is_found(root):
    (root / "requirements.lock").write_text(PIN + "deep==3 \\\n")
    assert list(unlocked_breaches(root)) == [
        "requirements-dev.lock: lacks deep==3 of requirements.lock; run script/lock"
    ]


ASKED = {"dependencies": {"map": "^5.0.0"}, "devDependencies": {"bundler": "^1.0.0"}}
LOCKED = {"": ASKED, "node_modules/map": {"integrity": "sha512-x"}, "node_modules/own": {"link": True}}


@pytest.mark.parametrize(
    ("asked", "packages", "said"),
    [
        (ASKED, LOCKED, []),
        (ASKED, None, ["web/package.json: has no package-lock.json beside it"]),
        (
            ASKED | {"dependencies": {"map": "^6.0.0"}},
            LOCKED,
            ["web/package-lock.json: does not hold the dependencies of web/package.json; lock it again"],
        ),
        (
            ASKED,
            LOCKED | {"node_modules/deep": {"version": "1.0.0"}},
            ["web/package-lock.json: node_modules/deep has no hash; lock it again"],
        ),
    ],
)
def test_a_package_lock_must_be_there_hold_what_is_asked_and_hash_it(root, asked, packages, said):
    (root / "web").mkdir()
    (root / "web/package.json").write_text(json.dumps(asked))
    if packages is not None:
        (root / "web/package-lock.json").write_text(json.dumps({"packages": packages}))
    assert list(package_breaches(root, ["web/package.json", "README.md"])) == said


@pytest.mark.parametrize("host", ["pypi{}org", "pythonhosted{}org", "npmjs{}org", "crates{}io", "maven{}apache.org"])
def test_a_registry_named_in_any_file_is_found_with_its_line(root, host):
    host = host.format(".")  # not written out: this file names none
    (root / "notes.md").write_text(f"first\nSee https://files.{host}/simple/foo/.\n")
    (root / "picture.bin").write_bytes(b"\0" + host.encode())
    assert list(registry_breaches(root, ["notes.md", "picture.bin", "deleted.md", "README.md"])) == [
        f"notes.md:2: names a registry's host, {host}: say the package's name"
    ]


def test_a_shell_script_that_does_not_parse_is_found(root):
    (root / "good").write_text("#!/bin/sh\nif true; then echo yes; fi\n")
    (root / "bad").write_text("#!/bin/sh\nif true; then echo yes\n")
    (root / "python").write_text("#!/usr/bin/env python3\nif True:\n    pass\n")
    (breach,) = shell_breaches(root, ["good", "bad", "python", "README.md", "deleted"])
    assert breach.startswith("bad: sh cannot read it: ./bad: ")


def test_a_command_of_the_readme_that_does_not_exist_is_found(root):
    (root / "script").mkdir()
    (root / "script/test").touch(mode=0o755)
    (root / "script/notes").touch(mode=0o644)
    blocks = "```sh\nscript/test -k x\n./script/serve && script/notes\n```\n"
    (root / "README.md").write_text(f"`script/prose` is prose.\n\n{blocks}\nMore `script/prose`.\n")
    assert list(readme_breaches(root)) == [
        "README.md: script/serve is no executable file",
        "README.md: script/notes is no executable file",
    ]


def test_the_gate_prints_each_breach_and_fails_looking_only_at_the_projects_own_files(root, capsys):
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)  # noqa: S607
    (root / ".gitignore").write_text("uv.lock\n")
    (root / "uv.lock").write_text('url = "https://mirror.example/foo.whl"\n')
    assert main(root) == 0
    (root / "requirements.lock").write_text(PIN + "--index-url https://mirror.example\n")
    assert main(root) == 1
    assert capsys.readouterr().out.startswith("requirements.lock:3: ")
