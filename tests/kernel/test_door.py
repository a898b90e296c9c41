"""A package's door opens on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from overworld.kernel.door import door


def test_a_name_is_found_in_its_room():
    find = door("overworld.kernel", money=["Currency"], clock=["FixedClock"])
    from overworld.kernel.money import Currency

    assert find("Currency") is Currency


def test_a_name_behind_no_door_is_no_attribute():
    with pytest.raises(AttributeError, match=r"module 'overworld.kernel' has no attribute 'Nothing'"):
        door("overworld.kernel", money=["Currency"])("Nothing")


@pytest.mark.slow
def test_every_name_that_a_package_exports_is_behind_its_door():
    """The doors name rooms and contents in text, which no type checker follows."""
    look = """
import importlib, overworld.domains.accounts
for name in ("domains.accounts", "domains.gameplay", "domains.realtime", "platform.http", "platform.observability",
             "platform.eventlog", "platform.postgres"):
    package = importlib.import_module(f"overworld.{name}")
    for exported in package.__all__:
        getattr(package, exported)
"""
    command = [sys.executable, "-c", look]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)  # noqa: S603
    assert ran.returncode == 0, ran.stderr
