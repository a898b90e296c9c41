"""House rules that no other tool checks; `python -m script.gates` prints every breach and exits 1 when there is one.

- A lock file names versions and hashes, never a host: the same commit installs from any mirror.
- The lock files hold what pyproject.toml asks for.
- Every `script/...` command in a code block of the README exists.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_LOCKS = ("*.lock", "*-lock.json", "npm-shrinkwrap.json", "*-lock.yaml", "pylock*.toml", ".npmrc")
_HOST = re.compile(r"https?://|\bfile:|--(?:extra-)?index-url|--find-links|registry\s*=")
# npm keeps links of authors too, which are read by nobody's installer.
_HOST_IN_JSON = re.compile(r'"resolved":\s*"(?:https?|file):')
_BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:^|[\s;&|(])(?:\./)?(script/[\w.-]+)", re.MULTILINE)
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def lock_breaches(root: Path, files: Iterable[str]) -> Iterator[str]:
    """Each line of a lock file that names where a package comes from; `files` are paths inside `root`."""
    for file in files:
        path = root / file
        if not path.is_file() or not any(fnmatch(path.name, pattern) for pattern in _LOCKS):
            continue
        host = _HOST_IN_JSON if path.suffix == ".json" else _HOST
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if host.search(line):
                yield f"{file}:{number}: a lock file names no host (script/lock writes it so): {line.strip()[:100]}"


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


def project_files(root: Path) -> list[str]:
    """The files of the project, committed or about to be; paths inside `root`."""
    # A clone that belongs to somebody else is still readable: git's guard is against running its hooks.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)  # noqa: S603 - fixed words
    return [file for file in listed.stdout.split("\0") if file]


def main(root: Path) -> int:
    """Prints the breaches; 0 when there are none, else 1."""
    breaches = [*lock_breaches(root, project_files(root)), *unlocked_breaches(root), *readme_breaches(root)]
    sys.stdout.writelines(f"{breach}\n" for breach in breaches)
    return 1 if breaches else 0


if __name__ == "__main__":
    raise SystemExit(main(Path.cwd()))
