"""Nothing that takes seconds is left for the first windows of a server."""

from __future__ import annotations

import subprocess
import sys

import pytest

ONE_WINDOW = """
import asyncio, sys
from unittest.mock import Mock
from overworld.domains.trust.folding import Folding
from overworld.domains.trust.types import TrustRules
folding = Folding(clock=Mock(), ids=Mock(), outbox=Mock(), rules=TrustRules())
before = "river" in sys.modules
asyncio.run(folding.warm())
print(before, "river.anomaly" in sys.modules)
"""


@pytest.mark.slow
def test_the_model_is_imported_when_a_server_warms_up_and_not_before():
    done = subprocess.run([sys.executable, "-c", ONE_WINDOW], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "True"]
