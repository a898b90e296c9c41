"""What the socket needs of the rest of the house. It knows messages and channels; what they mean is decided there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar
from uuid import UUID

from msgspec import Raw, Struct

from overworld.kernel.identity import Answer, Principal
from overworld.kernel.refusals import Refusal


class KeyScopes(Protocol):
    """What a developer key adds to a token."""

    def scopes(self, key: str) -> frozenset[str]:
        """The scopes the key adds; none when it is not one. Compared in constant time."""
        ...


class Judged(Protocol):
    """A verdict on a fix: a Struct with wire.md's fields."""

    @property
    def accepted(self) -> bool:
        """Whether the fix moved the player."""
        ...

    @property
    def cell(self) -> str | None:
        """The token of the room cell it lies in, when it was accepted."""
        ...


class Locations(Protocol):
    """Where fixes go."""

    def report(self, player_id: UUID, data: Raw, *, own_timeline: bool) -> asyncio.Future[Any]:
        """The coming verdict (`Judged`, a Struct) on a fix, still encoded as JSON. Judged in the order of the calls.

        `own_timeline` leaves out the comparison with the server's clock. Raises: a Refusal when the data is malformed,
        whatever its bytes; `Busy` when no more fixes are taken.
        """
        ...


class Reporter(Protocol):
    """Where the packed fixes of one connection go."""

    def put(self, frame: bytes, now_s: float) -> None:
        """Takes a frame that begins as kind 1, whole or not at all. Judged in the order of the calls.

        `now_s` is the monotonic clock: what has waited too long is judged before this returns.

        Raises: a Refusal of status 400 when it is no such frame; `Busy` when no more fixes are taken.
        """
        ...

    def settled(self) -> asyncio.Future[None] | None:
        """Done when all that was put so far has its verdict; None when nothing waits for one."""
        ...

    def close(self) -> None:
        """Nothing more will be put, and nothing more may be told."""
        ...


class PackedFixes(Protocol):
    """Where packed fixes go."""

    def open(self, player_id: UUID, *, own_timeline: bool, tell: Callable[[bytes], None]) -> Reporter:
        """A way in for one connection's fixes; `tell` writes a verdict frame to it.

        `own_timeline` leaves out the comparison with the server's clock. Raises: `Busy`.
        """
        ...


class PlayerSeen(Protocol):
    """A player as others see one: a Struct, encoded as it is, that tells who it is."""

    @property
    def id(self) -> UUID | str:
        """The account id; its own sockets do not get the entry."""
        ...


class CellViews(Protocol):
    """What is to be seen in a room cell."""

    def players(self, cell: int) -> Sequence[PlayerSeen]:
        """The players in the cell as strangers see them, bounded, in a stable order. Asked at every publish: no I/O."""
        ...

    async def collectibles(self, cells: Sequence[int], *, player_id: UUID) -> Sequence[Struct]:
        """What the player could collect in the cells."""
        ...


class Place(Protocol):
    """Where a player was last accepted."""

    @property
    def lat_deg(self) -> float: ...

    @property
    def lng_deg(self) -> float: ...


P = TypeVar("P", bound=Place)


class Sight(Protocol[P]):
    """Keeps players from looking at places they are not near."""

    async def places(self, player_ids: Sequence[UUID]) -> Sequence[P | None]:
        """Where players look from, aligned with `player_ids`; None for those of whom no fix is young enough.

        One round trip at most, none with one server. Raises: Fault.
        """
        ...

    def sight_refusal(self, place: P | None, lat_deg: float, lng_deg: float, scopes: frozenset[str]) -> Refusal | None:
        """Why somebody with these scopes may not look from a place at another; None when they may."""
        ...

    def around_cells(self, lat_deg: float, lng_deg: float, radius_m: float, cells_max: int) -> list[int]:
        """The room cells within a radius of anywhere in a place's room cell, nearest first; at most so many."""
        ...


class Interest(Protocol):
    """Publishes what changes in cells, as packed frames, to watchers, who are numbers.

    `on_frames` gets the numbers of those who have something to read, where the frame of each begins and where it ends
    in the bytes, and the bytes, which are good only until it returns.
    """

    on_frames: Callable[[list[int], list[int], list[int], memoryview], None]

    def open(self) -> int:
        """A new watcher."""
        ...

    def close(self, watcher: int) -> None:
        """Ends a watcher."""
        ...

    def watch(self, watcher: int, cells: Sequence[int]) -> None:
        """Has a watcher watch these cells and no others, the most important first."""
        ...

    def pause(self, watcher: int) -> None:
        """Sends a watcher nothing until `resend`."""
        ...

    def resend(self, watcher: int) -> None:
        """Tells a watcher everything anew."""
        ...


class CellListeners(Protocol):
    """Learns in which cells changes are to be told to those who read `players.nearby`."""

    def listen(self, cell: int) -> None:
        """One more listener."""
        ...

    def unlisten(self, cell: int) -> None:
        """One listener fewer."""
        ...


class ActionHandler(Protocol):
    """Carries out one kind of `game.action`."""

    async def __call__(self, principal: Principal, target: str, request_id: str | None, data: Raw) -> Answer[Any]:
        """The answer (a Struct). `data` is the whole action, still encoded; `request_id` is the idempotency key.

        Raises: Refusals. It runs to its end also when the connection goes away meanwhile.
        """
        ...


class Presence(Protocol):
    """Who lets others see that it is there."""

    def is_visible(self, player_id: UUID) -> bool:
        """Whether others may notice the player. Asked for every message between players: no I/O."""
        ...


class Friends(Protocol):
    """Who may write to whom without sharing a room."""

    def are_friends(self, account_id: UUID, other_id: UUID) -> bool:
        """Whether both accept messages of each other. Asked for every message between players: no I/O."""
        ...


Actions = Mapping[str, ActionHandler]
