"""The changelog gate, on repositories made for it: what counts as one change, and where it cannot tell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from script.gates_of_changes import (
    CHANGELOG,
    COMMITS_MAX,
    PRODUCT,
    RELEASED,
    NoHistory,
    changelog_breaches,
    released_breaches,
)

WHO = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false")


class Repository:
    """A repository in which every change of a file is a commit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        ran = subprocess.run(["git", *WHO, *words], cwd=self.root, check=True, capture_output=True, text=True)  # noqa: S603, S607
        return ran.stdout.strip()

    def write(self, file: str) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{path.read_text() if path.exists() else ''}more\n")

    def commit(self, *files: str) -> str:
        for file in files:
            self.write(file)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Change")
        return self.git("rev-parse", "HEAD")

    def breaches(self, **environment: str) -> list[str]:
        return list(changelog_breaches(self.root, environment))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    root = tmp_path / "repository"
    root.mkdir()
    return Repository(root)


SOURCE = f"{PRODUCT}/app/serve.py"


@pytest.mark.parametrize("variable", ["CHANGE_BASE", "CI_MERGE_REQUEST_DIFF_BASE_SHA"])
def test_a_change_to_the_product_without_its_line_is_found_where_ci_names_the_base(repository, variable):
    base = repository.commit(SOURCE, CHANGELOG)
    repository.commit(SOURCE)
    repository.commit(SOURCE, f"{PRODUCT}/new.py")
    (breach,) = repository.breaches(**{variable: base})
    assert breach.startswith(f"{CHANGELOG}: 2 files of {PRODUCT} changed since ")
    repository.commit(CHANGELOG)
    assert repository.breaches(**{variable: base}) == []


def test_lines_that_others_wrote_since_the_two_parted_do_not_count(repository):
    repository.commit(SOURCE, CHANGELOG)
    repository.git("switch", "--quiet", "--create", "change")
    repository.commit(SOURCE)
    repository.git("switch", "--quiet", "main")
    repository.commit(CHANGELOG)
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.git("switch", "--quiet", "change")
    assert len(repository.breaches(GITHUB_BASE_REF="main")) == 1


def test_a_change_to_other_things_needs_no_line(repository):
    base = repository.commit(SOURCE, CHANGELOG)
    repository.commit("tests/test_serve.py", "docs/serve.md", "src/elsewhere.py")
    assert repository.breaches(CHANGE_BASE=base) == []


@pytest.mark.slow
def test_without_a_base_so_many_commits_may_go_without_a_line(repository):
    repository.commit(SOURCE, CHANGELOG)
    for _ in range(COMMITS_MAX):
        repository.commit(SOURCE)
        repository.commit("docs/serve.md")
    assert repository.breaches() == []
    repository.commit(SOURCE)
    (breach,) = repository.breaches()
    assert breach.startswith(f"{CHANGELOG}: {COMMITS_MAX + 1} commits to {PRODUCT} since its last line")
    repository.write(CHANGELOG)
    assert repository.breaches() == []


def test_without_a_commit_or_a_repository_it_says_so(repository, tmp_path_factory):
    with pytest.raises(NoHistory, match="no history"):
        repository.breaches()
    with pytest.raises(NoHistory, match="no history"):
        list(changelog_breaches(tmp_path_factory.mktemp("bare"), {}))


def test_a_shallow_clone_says_so(repository, tmp_path):
    base = repository.commit(SOURCE, CHANGELOG)
    repository.commit(SOURCE)
    clone = tmp_path / "clone"
    repository.git("clone", "--quiet", "--depth=1", repository.root.as_uri(), str(clone))
    for environment, reason in (({}, "shallow"), ({"CHANGE_BASE": base}, "not in this clone")):
        with pytest.raises(NoHistory, match=reason):
            list(changelog_breaches(clone, environment))


SCHEMA = f"{RELEASED}/events.door.opened/1.avsc"


def test_a_released_schema_that_changes_or_goes_is_found_and_a_new_one_is_not(repository):
    base = repository.commit(SCHEMA)
    repository.commit(SCHEMA.replace("1.avsc", "2.avsc"))
    assert list(released_breaches(repository.root, {"CHANGE_BASE": base})) == []
    repository.commit(SCHEMA)
    (breach,) = released_breaches(repository.root, {"CHANGE_BASE": base})
    assert breach.startswith(f"{SCHEMA}: a released schema never changes")
    (repository.root / SCHEMA).unlink()
    repository.commit(SOURCE)
    assert len(list(released_breaches(repository.root, {"CHANGE_BASE": base}))) == 1


def test_one_that_is_about_to_be_changed_is_found_where_nobody_names_a_base(repository):
    repository.commit(SCHEMA)
    assert list(released_breaches(repository.root, {})) == []
    repository.write(SCHEMA)
    assert len(list(released_breaches(repository.root, {}))) == 1


def test_without_the_base_in_the_clone_schemas_are_not_judged(repository):
    repository.commit(SCHEMA)
    with pytest.raises(NoHistory):
        list(released_breaches(repository.root, {"CHANGE_BASE": "0" * 40}))
