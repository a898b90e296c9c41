"""Which processes are left out of the coverage: those that only repeat what other tests reach."""

from __future__ import annotations

TRACES = "COVERAGE_PROCESS_CONFIG"
UNTRACED = {TRACES: ""}
"""The environment of a server whose tests are about somebody else: tracing costs it a third of its time."""
