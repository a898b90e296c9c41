"""`metrics.md`: everything that `/metrics` on the operations port shows."""

from __future__ import annotations

from overworld.platform.observability import Metrics
from script.reference.markdown import code, codes, page, table

_INTRO = """What a server measures of itself, at `/metrics` on the operations port (7403), as Prometheus reads it. A
counter is read as `NAME_total`, a histogram as `NAME_bucket`, `NAME_sum` and `NAME_count`. What to alert on stands in
[operations.md](../operations.md#what-to-watch)."""


def build(metrics: Metrics) -> str:
    """The page."""
    rows = [
        (code(one.name), one.kind, codes(one.labels), one.help)
        for one in sorted(metrics.described(), key=lambda one: one.name)
    ]
    return page("Metrics", _INTRO, table(("metric", "kind", "labels", "meaning"), rows))
