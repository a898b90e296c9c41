"""The benchmarks of script/bench, each in a tiny form: it ends, its last line parses, and its check holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import wrk
from bench.claims import crowded
from overworld.app.game import SHIPPED

ROOT = Path(__file__).parents[2]


def told(*arguments: str, **environment: str) -> dict[str, Any]:
    """What `script/bench ARGUMENT...` says in its last line."""
    ran = bench(*arguments, **environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    line: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    assert line["faults"] == []
    assert line["rss_mb"] > 50
    assert line["p99_ms"] >= line["p50_ms"] > 0
    assert line["machine"]["cores"] >= 1
    assert line["machine"]["postgres"]
    assert 0 <= line["cpu_others_share"] <= 1
    return line


def bench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)


def holds(line: dict[str, Any], rate: str) -> None:
    assert 0 < line["min"][rate] <= line[rate] <= line["max"][rate]
    assert line["rounds"] == 3
    assert line["cpu_cores"]["server"] > 0
    assert line["cpu_cores"]["generator"] > 0
