"""What the house says about itself is true: its dependencies, their licences, and the commands it names."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from overworld.app.cli import app
from script.gates import pins, readme_code

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOT_WITH_APACHE = re.compile(r"GPL|SSPL|BUSL|Commons Clause|Proprietary|CC-BY-(NC|ND|SA)", re.IGNORECASE)


def named(requirements: list[str]) -> set[str]:
    return {Requirement(line).name for line in requirements}


def described(heading: str) -> dict[str, str]:
    """The rows of one table of docs/dependencies.md: name to licence."""
    section = (ROOT / "docs/dependencies.md").read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:2] == "| "]
    assert all(len(row) == 5 and all(row) for row in rows)
    return {row[0]: row[4] for row in rows[1:]}


@pytest.mark.parametrize(
    ("heading", "requirements"),
    [
        ("At run time", PROJECT["project"]["dependencies"]),
        ("For development", PROJECT["dependency-groups"]["dev"]),
        ("To build and to set up", [*PROJECT["build-system"]["requires"], "uv"]),
    ],
)
def test_every_dependency_has_its_line_and_every_line_its_dependency(heading, requirements):
    assert set(described(heading)) == named(requirements)


def test_what_the_page_is_built_with_has_its_line_too():
    package = json.loads((ROOT / "web/package.json").read_text())
    built_by_scripts = {"world-atlas", *(name for name, _ in pins(ROOT / "requirements-node.lock"))}
    assert set(described("For the page at /")) == {
        *package["dependencies"],
        *package["devDependencies"],
        *built_by_scripts,
    }


def test_no_licence_of_what_runs_forbids_distribution_with_apache():
    for name, _ in pins(ROOT / "requirements.lock"):
        try:
            about = metadata(name)
        except PackageNotFoundError:
            continue  # locked for another platform
        licence = f"{about['License-Expression']} {(about['License'] or '').partition(chr(10))[0]}"
        classifiers = [line for line in about.get_all("Classifier") or [] if line.startswith("License")]
        assert not NOT_WITH_APACHE.search(f"{licence} {classifiers}"), f"{name}: {licence} {classifiers}"


def test_the_commands_that_the_readme_gives_to_overworld_exist():
    for command in re.findall(r"script/overworld ((?:[a-z]+ ?)+)", readme_code(ROOT)):
        words = command.split()
        chain, _, _ = app.parse_commands(words)
        assert chain, f"overworld {words[0]} does not exist"
