"""The flags that set settings, shared by the commands that read them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Parameter

from overworld.app.settings_sources import Resolved, Source

if TYPE_CHECKING:
    from overworld.app.settings import Settings

_KEYS = {
    "http_port": "http.port",
    "realtime_port": "realtime.port",
    "operations_port": "operations.port",
    "data": "data",
    "game": "game",
    "database": "database.dsn",
    "migrate": "migrate",
    "demo": "demo.enabled",
    "config": "config",
}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """A dataclass because the command line library reads no Structs; None leaves a setting to the other sources."""

    http_port: int | None = None
    """Port of the HTTP interface."""
    realtime_port: int | None = None
    """Port of the realtime socket."""
    operations_port: int | None = None
    """Port of health, metrics and debugging."""
    data: Path | None = None
    """Folder of everything the server keeps on this machine."""
    game: str | None = None
    """Game to run: a name in games/, or a path."""
    database: str | None = None
    """A PostgreSQL that is already there, as a DSN."""
    migrate: bool | None = None
    """Bring the database given by --database up to date at start."""
    demo: bool | None = None
    """Walk simulated players through a city; the section demo of the settings says how many, and where."""
    config: Path | None = None
    """Settings file, if not overworld.toml in the working directory."""

    def source(self) -> Source:
        """What was given on the command line."""
        given = {key: getattr(self, name) for name, key in _KEYS.items()}
        return Source(
            name="flags", values={key: value for key, value in given.items() if value is not None}, spell=_flag
        )

    def settings(self) -> Resolved[Settings]:
        """The settings of this process: its flags, environment and working directory. Raises: BadSettings."""
        from overworld.app.settings import load

        return load(flags=self.source(), environment=os.environ, folder=Path.cwd())


def _flag(key: str) -> str:
    return next((f"--{name.replace('_', '-')}" for name, set_key in _KEYS.items() if set_key == key), key)
