"""What tools and boosts come to: pure, over values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from uuid import UUID

from msgspec.structs import replace

from overworld.domains.gameplay.carry.types import Bearer, Level, Running, Tool, ToolKind
from overworld.domains.gameplay.rules import level_of
from overworld.domains.gameplay.types import EXPERIENCE_MAX, WHOLE_BP, Worn
from overworld.kernel.chance import KeyedStream
from overworld.kernel.clock import LAST_US
from overworld.kernel.ids import derived_id


def starter_id(player_id: UUID, type: str) -> UUID:
    """The id of the tool that a player has from the beginning."""
    return derived_id(player_id, "starter", type)


def level_at(tool: Tool, kind: ToolKind) -> Level:
    """The tool's level; a tool above the highest that its type has left counts as that."""
    return kind.levels[min(tool.level, len(kind.levels)) - 1]


def wear_of(tool: Tool, kind: ToolKind, *, collected: int) -> int:
    """How worn it is when its player has collected so many: 0 to its durability."""
    return max(0, min(tool.worn(collected), kind.durability))


def is_worn_out(tool: Tool, kind: ToolKind, *, collected: int) -> bool:
    """Whether it multiplies no more."""
    return kind.durability > 0 and tool.worn(collected) >= kind.durability


def repair_minor(kind: ToolKind, wear: int) -> int:
    """What taking so much wear off costs: in proportion to the whole, rounded up."""
    return -(-kind.repair_minor * wear // kind.durability) if kind.durability else 0


def strongest(boosts: Iterable[Running], what: str, *, now_us: int) -> int:
    """The multiplier of the boosts that run, of several the strongest; 1.00 without one."""
    return max((one.multiplier_bp for one in boosts if one.what == what and one.until_us > now_us), default=WHOLE_BP)


def worn_of(
    bearer: Bearer, tool: Tool | None, kind: ToolKind | None, *, boost_bp: int, boost_until_us: int | None
) -> Worn:
    """What multiplies a player's claims: the tool in their hand, unless it is worn out, and the boosts that run."""
    worn = Worn(version=bearer.gear, boost_bp=boost_bp, boost_until_us=boost_until_us)
    if tool is None or kind is None or is_worn_out(tool, kind, collected=bearer.collected):
        return worn
    worn_at = bearer.collected - tool.worn(bearer.collected) + kind.durability if kind.durability else None
    return replace(worn, tool_bp=level_at(tool, kind).efficiency_bp, worn_at=worn_at)


def extended(running: Running | None, begun: Running, *, now_us: int, seconds: int) -> Running:
    """A boost begun once more: what is left of the same one is added to it, as far as time can be told."""
    left_us = max(0, running.until_us - now_us) if running is not None else 0
    return replace(begun, until_us=min(now_us + left_us + seconds * 1_000_000, LAST_US))


def experienced(bearer: Bearer, gained: int, levels: Sequence[int]) -> Bearer:
    """The player with so much more experience; a level once reached stays."""
    total = min(bearer.experience + gained, EXPERIENCE_MAX)
    return replace(bearer, experience=total, level=max(bearer.level, level_of(total, levels)))


def draw(key: bytes, *, player_id: UUID, what: str, thing: str, nth: int) -> KeyedStream:
    """The stream that decides the n-th try of a player at something: who has the key can replay it."""
    return KeyedStream(key, b"carry", player_id.bytes, what.encode(), thing.encode(), nth.to_bytes(8, "big"))


def succeeds(stream: KeyedStream, chance_bp: int) -> bool:
    """Whether something that happens so often (in basis points) happens."""
    return stream.below(WHOLE_BP) < chance_bp


def picked(stream: KeyedStream, weights: Sequence[int]) -> int:
    """The place of one of several, each as often as its weight says."""
    drawn = stream.below(sum(weights))
    return next(i for i, reached in enumerate(accumulate(weights)) if drawn < reached)


def with_chance_bp(chance_bp: int, boost_bp: int) -> int:
    """A chance as a boost raises it; never above always."""
    return min(WHOLE_BP, chance_bp * boost_bp // WHOLE_BP)
