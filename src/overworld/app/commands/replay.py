"""`overworld replay`: real tracks through a running server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from overworld.app.commands.target import server_and_key


def replay(
    *files: Annotated[Path, Parameter(required=True)],
    speed: Annotated[float, Parameter(validator=Number(gt=0, lte=1e6))] = 60.0,
    server: str | None = None,
    key: str | None = None,
    data: Path = Path("data"),
    json: Path | None = None,
) -> int:
    """Walk GPX tracks through a running server: each file by a new player, every fix through the real socket.

    What comes within reach is collected; at the end the totals are checked against the ledger. Tracks run on their own
    time line, which needs the server's developer key.

    For example:
      overworld replay tests/data/gpx/*.gpx
      overworld replay walk.gpx --speed 10 --json walked.json

    Exit codes: 0 every track was walked and the ledger agrees, 1 otherwise.

    Parameters
    ----------
    files
        GPX files; their points need times.
    speed
        How many times faster than it was walked.
    server
        Address of the server's HTTP port; otherwise that of the server that uses the data folder.
    key
        Developer key; otherwise that of the data folder.
    data
        The server's data folder.
    json
        File to write the results to.
    """
    from overworld.app.replay.run import replay as run

    server, key = server_and_key(server=server, key=key, data=data)
    return run(files, server=server, key=key, speed=speed, json=json)
