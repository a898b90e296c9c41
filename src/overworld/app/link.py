"""The players of our own tools: on rooms of the map, and on a time line of their own where the key allows it."""

from __future__ import annotations

import ssl
from collections.abc import Set as AbstractSet
from typing import Self
from uuid import uuid4

from overworld.client import Player, Start
from overworld.geo import cells as geo_cells
from overworld.kernel.identity import Scope


class KeyNotHonoured(Exception):
    """The server gives this key no time line of its own; the message says so, for a person."""


class Link(Player):
    """A player by device id; a new one unless an id is given.

    With `own_timeline` the key is shown to the socket too, and fixes are judged by their own times. Many links share
    one `tls` context, which takes long to make, and the `start` that one of them was told.
    """

    def __init__(
        self,
        server: str,
        *,
        key: str,
        device_id: str | None = None,
        own_timeline: bool = True,
        start: Start | None = None,
        tls: ssl.SSLContext | None = None,
        patience_s: float = 30.0,
        pause_s: float = 0.25,
    ) -> None:
        device = device_id or f"replay-{uuid4()}"
        super().__init__(
            server,
            sign_in=lambda api: api.device(device),
            key=key,
            socket_key=key if own_timeline else None,
            start=start,
            tls=tls,
            patience_s=patience_s,
            pause_s=pause_s,
        )
        self._own_timeline = own_timeline

    async def __aenter__(self) -> Self:
        """Raises: Unreachable; Refused; Closed; KeyNotHonoured."""
        await super().__aenter__()
        if self._own_timeline and Scope.WORLD_REPLAY not in self.scopes:
            await self.__aexit__(None, None, None)
            raise KeyNotHonoured(
                "the server does not honour this developer key, so a track cannot run on its own time line; give the "
                "one in its data folder with --data or --key (a server in production honours none)"
            )
        return self

    async def watch(self, cells: AbstractSet[int], *, anew: bool = False) -> set[int]:
        """Listens to these room cells and no others; gives those newly granted, all of them if `anew`."""
        channels = {f"location:cell:{geo_cells.token(cell)}": cell for cell in cells}
        return {channels[channel] for channel in await self.listen(channels.keys(), anew=anew)}
