"""`python -m script.covered REPORT` tells of coverage's JSON report: each file under the bar, and the total.

The bar is `fail_under` of pyproject.toml. A file under it is told with the lines that no test reached; whether the
total is under it, pytest-cov decides and fails.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


def told(report: dict[str, Any], *, bar_percent: float) -> Iterator[str]:
    """The lines to be printed: the files under the bar, the worst first, and last the total."""
    files = sorted((each["summary"]["percent_covered"], name, each) for name, each in report["files"].items())
    for percent, name, each in files:
        if percent < bar_percent:
            yield f"coverage: {name}: {percent:.1f} %, not reached: {', '.join(_runs(each['missing_lines']))}"

    totals = report["totals"]
    lines = f"{totals['covered_lines']} of {totals['num_statements']} lines"
    yield f"coverage: {totals['percent_covered']:.1f} % ({lines}); {bar_percent:g} % are asked for"


def _runs(numbers: Sequence[int]) -> Iterator[str]:
    """Ascending numbers with neighbours drawn together: 3, 5-7."""
    first = None
    for number, following in zip(numbers, [*numbers[1:], None], strict=True):
        first = number if first is None else first
        if following != number + 1:
            yield f"{first}-{number}" if number > first else f"{first}"
            first = None


def main(report: Path) -> int:
    """Prints what the report says."""
    project = tomllib.loads(Path("pyproject.toml").read_text())
    bar_percent = project["tool"]["coverage"]["report"]["fail_under"]
    sys.stdout.writelines(f"{line}\n" for line in told(json.loads(report.read_text()), bar_percent=bar_percent))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
