"""A server takes the open files that it may have."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest
import structlog

from overworld.app.open_files import allow_open_files

FEW = 256


@pytest.fixture(autouse=True)
def few_files() -> Iterator[None]:
    """A process that was started with few, and gets its own limit back."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_server_raises_its_limit_of_open_files():
    with structlog.testing.capture_logs() as logs:
        allow_open_files(connections_max=FEW + 1)
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert allowed == (65_536 if most == resource.RLIM_INFINITY else min(65_536, most))
    assert logs == []


def test_a_limit_that_stays_below_what_is_promised_is_told():
    with structlog.testing.capture_logs() as logs:
        allow_open_files(connections_max=10**6)
    assert [(line["log_level"], line["connections_max"]) for line in logs] == [("warning", 10**6)]
