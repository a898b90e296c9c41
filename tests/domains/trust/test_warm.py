"""Nothing that takes seconds is left for the first windows of a server."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bench.stage import START_US, Stage
from overworld.domains.trust.trees import half_space_trees
from overworld.domains.world.engine import observing, verdicts
from overworld.domains.world.types import InterestRules, WorldSettings
from overworld.geo.compiled import compiled_count

ONE_WINDOW = """
import asyncio, sys
from unittest.mock import Mock
from overworld.domains.trust.folding import Folding
from overworld.domains.trust.types import TrustRules
folding = Folding(clock=Mock(), ids=Mock(), outbox=Mock(), rules=TrustRules())
before = "river" in sys.modules
asyncio.run(folding.warm())
print(before, "river.anomaly.hst" in sys.modules, "scipy.stats" in sys.modules)
"""


@pytest.mark.slow
def test_the_model_is_imported_when_a_server_warms_up_and_not_before():
    command = [sys.executable, "-c", ONE_WINDOW]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - our own words
    assert done.stdout.split() == ["False", "True", "False"]


def test_the_trees_are_rivers_own_and_the_rest_of_river_can_still_be_imported():
    import river.anomaly
    import river.tree

    assert half_space_trees() is river.anomaly.HalfSpaceTrees
    assert river.tree.HoeffdingTreeClassifier().learn_one({"x": 1.0}, y=True) is None


@pytest.mark.slow
def test_no_kernel_is_compiled_when_the_first_windows_close():
    stage = Stage(players=3, settings=WorldSettings(), rules=InterestRules())
    kernels = (*observing.ALL, *verdicts.ALL)
    before, everybody = compiled_count(kernels), np.arange(3)
    for second in range(0, 130, 5):
        stage.now_us = START_US + second * 1_000_000
        stage.judge(stage.entries(everybody, np.full(3, 37.5), 127.0 + 1e-4 * second * np.ones(3)), 3)
    assert stage.observed == 6
    assert compiled_count(kernels) == before
