"""Standings in plain words, for the players whom they are about. How something is found out is not told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from overworld.domains.trust.types import Kind
from overworld.kernel.standing import Gate

MEANINGS: Mapping[Gate, str] = MappingProxyType(
    {
        Gate.NORMAL: "Everything counts as it should.",
        Gate.REDUCED: "You can play on, but what you collect pays less for now: some of your play looked unusual.",
        Gate.REVIEW: "You can play on, but what you collect is held back until somebody has looked at your play.",
        Gate.REFUSED: "You cannot collect anything for now, because your play looks as if your position were made up.",
    }
)

REASONS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.MANY_REFUSALS: "Many of your positions were at speeds that nobody travels at.",
        Kind.TELEPORTS: "You jumped between places faster than anybody can travel, more than once.",
        Kind.TWO_PLACES: "Your account was in two far places at once.",
        Kind.MOCK_POSITIONS: "Your device said that positions were made up by an app.",
        Kind.REPLAYED_TRACK: "You sent a track that you had walked before, exactly.",
        Kind.SHARED_TRACK: "You sent exactly the track of another account.",
        Kind.STRAIGHT_LINE: "You moved along perfectly straight lines.",
        Kind.TOO_SMOOTH: "You moved more evenly than anybody can.",
        Kind.CLOCK_GAMES: "The clock of your device was changed again and again.",
        Kind.CLAIM_RHYTHM: "You collected as regularly as a machine.",
        Kind.SHARED_DEVICE: "Very many accounts use your device or your network.",
        Kind.MACHINE_PACE: "You went on at one and the same speed, as nobody can.",
        Kind.MOVED_TOGETHER: "You moved just like other accounts that signed in with yours.",
        Kind.ANOMALY: "You moved very unlike other players.",
    }
)
