"""House rules about changes: one to the product carries a line in CHANGELOG.md, and released schemas never change."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

CHANGELOG = "CHANGELOG.md"
PRODUCT = "src/overworld"
RELEASED = f"{PRODUCT}/platform/avro/versions"
COMMITS_MAX = 25


class NoHistory(Exception):
    """The commits that would have to be looked at are not here; the text says why."""


def changelog_breaches(root: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """One breach when the product changed and the changelog did not. Raises: NoHistory.

    Where CI names what a change will be merged into, everything since the two parted is one change: `CHANGE_BASE` (any
    commit), or `GITHUB_BASE_REF`, or `CI_MERGE_REQUEST_DIFF_BASE_SHA`. Elsewhere nobody knows where a change begins, so
    at most COMMITS_MAX commits to the product may follow the last one to the changelog; one that is about to be
    committed counts too. A shallow clone without the commits in question and a folder without any cannot tell.
    """
    if not _succeeds(root, "rev-parse", "--verify", "--quiet", "HEAD"):
        raise NoHistory("there is no history")
    base = _base(environment)
    if base is not None:
        yield from _since(root, base)
    elif not _git(root, "status", "--porcelain", "--", CHANGELOG):
        yield from _lately(root)


def released_breaches(root: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Each released schema of an event that was changed or taken away. Raises: NoHistory.

    Where CI names a base, since the change parted from it; elsewhere what is about to be committed.
    """
    if not _succeeds(root, "rev-parse", "--verify", "--quiet", "HEAD"):
        raise NoHistory("there is no history")
    base = _base(environment)
    if base is not None and not _succeeds(root, "merge-base", base, "HEAD"):
        raise NoHistory(f"{base} or where it parted from HEAD is not in this clone; fetch with its whole history")
    since = "HEAD" if base is None else f"{base}...HEAD"
    changed = _git(root, "diff", "--name-only", "--no-renames", "--diff-filter=MDT", since, "--", RELEASED)
    for file in changed.splitlines():
        yield f"{file}: a released schema never changes; `overworld events schema add` releases the next version"


def _base(environment: Mapping[str, str]) -> str | None:
    target = environment.get("GITHUB_BASE_REF")
    named = (
        environment.get("CHANGE_BASE"),
        f"origin/{target}" if target else None,
        environment.get("CI_MERGE_REQUEST_DIFF_BASE_SHA"),
    )
    return next((each for each in named if each), None)


def _since(root: Path, base: str) -> Iterator[str]:
    if not _succeeds(root, "merge-base", base, "HEAD"):
        raise NoHistory(f"{base} or where it parted from HEAD is not in this clone; fetch with its whole history")
    changed = _git(root, "diff", "--name-only", f"{base}...HEAD", "--", PRODUCT, CHANGELOG).splitlines()
    if changed and CHANGELOG not in changed:
        yield f"{CHANGELOG}: {len(changed)} files of {PRODUCT} changed since {base} without a line here"


def _lately(root: Path) -> Iterator[str]:
    last = _git(root, "log", "-1", "--format=%H", "--", CHANGELOG)
    if _git(root, "rev-parse", "--is-shallow-repository") == "true":
        # The oldest commit of a shallow clone seems to have made every file.
        raise NoHistory("this clone is shallow")
    since = [f"{last}..HEAD"] if last else ["HEAD"]
    count = int(_git(root, "rev-list", "--count", *since, "--", PRODUCT))
    if count > COMMITS_MAX:
        yield f"{CHANGELOG}: {count} commits to {PRODUCT} since its last line, over {COMMITS_MAX}"


def _git(root: Path, *words: str) -> str:
    ran = _run(root, *words)
    ran.check_returncode()
    return ran.stdout.strip()


def _succeeds(root: Path, *words: str) -> bool:
    return _run(root, *words).returncode == 0


def _run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # A clone that belongs to somebody else is still readable: git's guard is against running its hooks.
    command = ["git", "-c", "safe.directory=*", *words]
    return subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)  # noqa: S603 - fixed words
