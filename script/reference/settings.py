"""`settings.md`: every setting, from the tree that the server reads."""

from __future__ import annotations

from collections.abc import Iterator

from overworld.app.reload import AT_ONCE
from overworld.app.settings import Settings
from overworld.app.settings_sources import environment_name
from overworld.app.settings_tree import Leaf, allowed, leaves, shown
from script.reference.markdown import code, page, sentence, table

_INTRO = """What an operator may set. A value comes from the last of these that gives one: the default,
`overworld.toml` (in the working directory, or the file named by `--config`), the environment, a flag of the
[command line](cli.md). Everything that is wrong is told at once, and the server does not start.

```toml
# overworld.toml
mode = "production"

[http]
port = 8080
```

Every key has an environment name: `http.port` is `OVERWORLD_HTTP__PORT`. Lists are written with commas.
`overworld config show` prints what is in force and who decided it; a secret is never shown, neither there nor here.
SIGHUP reads the settings again; what is marked *at once* then changes, the rest needs a restart. What a game may set
stands in its `game.toml`."""


def build() -> str:
    """The page."""
    sections: dict[str, list[Leaf]] = {}
    for leaf in leaves(Settings()):
        sections.setdefault(leaf.key.rpartition(".")[0], []).append(leaf)
    parts = [part for name, held in sorted(sections.items()) for part in (f"## {name or 'server'}", _table(held))]
    return page("Settings", _INTRO, *parts)


def _table(held: list[Leaf]) -> str:
    return table(("key, and in the environment", "takes", "default", "meaning"), (list(_row(leaf)) for leaf in held))


def _row(leaf: Leaf) -> Iterator[str]:
    yield f"{code(leaf.key)}<br>{code(environment_name(leaf.key))}"
    yield allowed(leaf)
    yield code(_default(leaf))
    yield sentence(leaf.description) + " *At once.*" * (leaf.key in AT_ONCE) + " *Secret.*" * leaf.secret


def _default(leaf: Leaf) -> str:
    return "" if leaf.default is None else shown(leaf, leaf.default)
