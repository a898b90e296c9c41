"""`overworld config`: the settings in force."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from cyclopts import App

from overworld.app.commands.flags import Flags
from overworld.app.settings_sources import Resolved
from overworld.app.settings_tree import T, shown

app = App(name="config", help="See every setting in force, and who set it.")
_COMMENT_COLUMN = 56


@app.command
def show(*, flags: Flags = Flags()) -> None:
    """Print every setting in force and who decided it; secrets are masked.

    A setting is decided by a flag, else by OVERWORLD_SECTION__KEY in the environment, else by overworld.toml, else by
    its default. What is printed is a settings file itself.

    For example:
      overworld config show > overworld.toml          a good start for one
      OVERWORLD_GAME=./mine overworld config show     what a variable changes
    """
    sys.stdout.writelines(f"{line}\n" for line in lines(flags.settings()))


def lines(resolved: Resolved[T]) -> Iterator[str]:
    """The settings as lines of TOML, each with the source that decided it as its comment."""
    section = ""
    for leaf in sorted(resolved.leaves, key=lambda leaf: leaf.key.rpartition(".")[0]):
        within, _, name = leaf.key.rpartition(".")
        if within != section:
            section = within
            yield ""
            yield f"[{section}]"
        value = resolved.values[leaf.key]
        # A file can neither say "nothing" nor choose itself.
        hidden = "# " if value is None or leaf.key == "config" else ""
        yield f"{hidden}{name} = {shown(leaf, value)}".ljust(_COMMENT_COLUMN) + f"  # {resolved.origins[leaf.key]}"
