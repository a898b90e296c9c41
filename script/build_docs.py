"""Makes `docs/reference/` from the code: `python script/build_docs.py`, or `script/docs reference`.

With `--check` nothing is written: it names the pages that differ from the code, and exits with 1 when there are any.
What it writes depends on the code alone, so two runs give the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reference"


def pages() -> dict[str, str]:
    """Every page by the name of its file."""
    # Run as a file this finds its own package only after the path was set.
    from script.reference import cli, errors, events, examples, house, http, metrics, settings  # noqa: PLC0415

    described = house.described()
    return {
        "http.md": http.build(described.document, examples.read()),
        "settings.md": settings.build(),
        "errors.md": errors.build(),
        "events.md": events.build(),
        "cli.md": cli.build(),
        "metrics.md": metrics.build(described.metrics),
    }


def main(arguments: list[str]) -> int:
    """Writes the pages, or with `--check` compares them; gives the exit code."""
    if unknown := set(arguments) - {"--check"}:
        sys.stderr.write(f"build_docs: unknown: {' '.join(sorted(unknown))}; it takes --check or nothing\n")
        return 2
    made = pages()
    there = {file.name: file.read_text() for file in FOLDER.glob("*.md")}
    stale = sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))
    if "--check" in arguments:
        sys.stdout.writelines(f"docs/reference/{name} is not what the code says\n" for name in stale)
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        if name in made:
            (FOLDER / name).write_text(made[name])
        else:
            (FOLDER / name).unlink()
        sys.stdout.write(f"docs/reference/{name}\n")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    raise SystemExit(main(sys.argv[1:]))
