"""House rules that no other tool checks; `python -m script.gates` prints every breach and exits 1 when there is one.

- A lock file names versions and hashes, never a host: the same commit installs from any mirror.
- The lock files hold what pyproject.toml and each package.json ask for.
- No file names the host of a package registry.
- Every `script/...` command in a code block of the README exists, and every shell script can be read by `sh`.
- Python files keep the rules of `script.gates_of_code`: nothing swallowed, nothing too long, no test that sleeps.
- A change to the product carries a line in CHANGELOG.md, and a released schema of an event never changes, as
  `script.gates_of_changes` tells; where the history that this needs is missing, it says that it looked at nothing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from script.gates_of_changes import NoHistory, changelog_breaches, released_breaches
from script.gates_of_code import code_breaches

_LOCKS = ("*.lock", "*-lock.json", "npm-shrinkwrap.json", "*-lock.yaml", "pylock*.toml", ".npmrc")
_HOST = re.compile(r"https?://|\bfile:|--(?:extra-)?index-url|--find-links|registry\s*=")
_REGISTRY = re.compile(
    r"pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|yarnpkg\.com|crates\.io|maven\.apache\.org|maven\.org|rubygems\.org"
    r"|proxy\.golang\.org"
)
_BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:^|[\s;&|(])(?:\./)?(script/[\w.-]+)", re.MULTILINE)
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
_SH = b"#!/bin/sh"


def lock_breaches(root: Path, files: Iterable[str]) -> Iterator[str]:
    """Each line of a lock file that names where a package comes from; `files` are paths inside `root`."""
    for file in files:
        path = root / file
        if not path.is_file() or not any(fnmatch(path.name, pattern) for pattern in _LOCKS):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if _HOST.search(line):
                how = "script/lock and script/web lock write it so"
                yield f"{file}:{number}: a lock file names no host ({how}): {line.strip()[:100]}"


def unlocked_breaches(root: Path) -> Iterator[str]:
    """Each requirement that a lock file does not meet, and each runtime pin that development would not install."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    runtime, develop = pins(root / "requirements.lock"), pins(root / "requirements-dev.lock")
    needs = [("requirements.lock", runtime, line) for line in project["project"]["dependencies"]]
    needs += [("requirements-dev.lock", develop, line) for line in project["dependency-groups"]["dev"]]
    for lock, locked, line in needs:
        requirement = Requirement(line)
        versions = [version for name, version in locked if name == canonicalize_name(requirement.name)]
        if not versions or not all(requirement.specifier.contains(version) for version in versions):
            yield f"{lock}: does not meet {line!r}; run script/lock"
    for name, version in sorted(runtime - develop):
        yield f"requirements-dev.lock: lacks {name}=={version} of requirements.lock; run script/lock"


def package_breaches(root: Path, files: Iterable[str]) -> Iterator[str]:
    """Each package.json whose lock is missing or is of another one, and each locked package without a hash."""
    for file in files:
        asked_in = root / file
        if asked_in.name != "package.json" or not asked_in.is_file():
            continue
        lock = asked_in.with_name("package-lock.json")
        if not lock.is_file():
            yield f"{file}: has no package-lock.json beside it"
            continue
        asked, packages = json.loads(asked_in.read_text()), json.loads(lock.read_text())["packages"]
        for group in ("dependencies", "devDependencies", "optionalDependencies"):
            if asked.get(group, {}) != packages[""].get(group, {}):
                yield f"{lock.relative_to(root)}: does not hold the {group} of {file}; lock it again"
        for name, package in packages.items():
            if name and not package.get("link") and "integrity" not in package:
                yield f"{lock.relative_to(root)}: {name} has no hash; lock it again"


def pins(lock: Path) -> set[tuple[str, str]]:
    """Every (name, version) that a lock file names."""
    return {(canonicalize_name(name), version) for name, version in _PIN.findall(lock.read_text())}


def readme_breaches(root: Path) -> Iterator[str]:
    """Each `script/...` command in the README's code blocks that is no executable file."""
    for command in _COMMAND.findall(readme_code(root)):
        path = root / command
        if not path.is_file() or not path.stat().st_mode & 0o100:
            yield f"README.md: {command} is no executable file"


def readme_code(root: Path) -> str:
    """What stands in the README's code blocks."""
    return "\n".join(_BLOCK.findall((root / "README.md").read_text()))


def registry_breaches(root: Path, files: Iterable[str]) -> Iterator[str]:
    """Each line of a text file that names the host of a package registry."""
    for file in files:
        path = root / file
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            if found := _REGISTRY.search(line):
                yield f"{file}:{number}: names a registry's host, {found[0]}: say the package's name"


def shell_breaches(root: Path, files: Iterable[str]) -> Iterator[str]:
    """Each shell script that `sh` cannot read."""
    for file in files:
        path = root / file
        if path.suffix or not path.is_file() or not path.read_bytes().startswith(_SH):
            continue
        read = subprocess.run(["/bin/sh", "-n", path], check=False, capture_output=True, text=True)  # noqa: S603
        if read.returncode != 0:
            yield f"{file}: sh cannot read it: {read.stderr.strip().replace(str(root), '.')}"


def project_files(root: Path) -> list[str]:
    """The files of the project, committed or about to be; paths inside `root`."""
    # A clone that belongs to somebody else is still readable: git's guard is against running its hooks.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)  # noqa: S603 - fixed words
    return [file for file in listed.stdout.split("\0") if file]


def breaches(root: Path) -> Iterator[str]:
    """Every breach of a rule that needs no history."""
    files = project_files(root)
    yield from lock_breaches(root, files)
    yield from unlocked_breaches(root)
    yield from package_breaches(root, files)
    yield from registry_breaches(root, files)
    yield from readme_breaches(root)
    yield from shell_breaches(root, files)
    yield from code_breaches(root, files)


def main(root: Path) -> int:
    """Prints the breaches; 0 when there are none, else 1."""
    found = list(breaches(root))
    try:
        found += changelog_breaches(root, os.environ)
        found += released_breaches(root, os.environ)
    except NoHistory as reason:
        sys.stderr.write(f"gates: the changelog and released schemas were not looked at: {reason}\n")
    sys.stdout.writelines(f"{breach}\n" for breach in found)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(Path.cwd()))
