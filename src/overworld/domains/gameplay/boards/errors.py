"""How leaderboards refuse."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class NoBoard(Refusal):
    """There is no such leaderboard.

    A board is one that the game declares, a membership, or the token of a region's cell.
    """

    code = "gameplay.no_board"
    status = 404
    public = ("board",)
