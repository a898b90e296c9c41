"""Sessions of players whose client names none."""

from __future__ import annotations

from collections import OrderedDict

from overworld.domains.telemetry.processing.pseudonyms import Pseudonyms

_PLAYERS_MAX = 200_000


class Sessions:
    """A session goes on while no pause is longer than `gap_s`. Of 200,000 players the last one is remembered.

    What is remembered lies in memory: a restart, and a player pushed out by others, begin a session anew.
    """

    def __init__(self, pseudonyms: Pseudonyms, *, gap_s: int) -> None:
        self._pseudonyms = pseudonyms
        self._gap_us = gap_s * 1_000_000
        self._last: OrderedDict[bytes, tuple[int, str]] = OrderedDict()

    def of(self, player: bytes, at_us: int) -> str:
        """The session that an event belongs to; events come about in order of time."""
        last_us, session = self._last.pop(player, (-self._gap_us - 1, ""))
        if not session or at_us - last_us > self._gap_us:
            session = self._pseudonyms.session(player, at_us)
        self._last[player] = (max(last_us, at_us), session)
        if len(self._last) > _PLAYERS_MAX:
            self._last.popitem(last=False)
        return session
