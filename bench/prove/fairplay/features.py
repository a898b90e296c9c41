"""What windows of each kind of players look like: quartiles of their figures, to see where kinds part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from msgspec import Struct, field

from overworld.domains.world.messages import MovementObserved

_TOLD = (
    "fixes", "accepted", "moved_m", "straight_m", "speed_mean_m_s", "speed_cv", "turn_rms_deg", "noise_m",
    "interval_mean_s", "interval_cv", "accuracy_mean_m", "accuracy_sd_m", "repeated", "told_speed_gap_m_s",
    "clock_offset_s", "clock_jumps",
)  # fmt: skip


class Features(Struct):
    """The figures of the windows by kind."""

    rows: dict[str, list[tuple[float, ...]]] = field(default_factory=dict)
    refused: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, kind: str, window: MovementObserved) -> None:
        """Takes a window in."""
        self.rows.setdefault(kind, []).append(tuple(float(getattr(window, name)) for name in _TOLD))
        self.refused.setdefault(kind, Counter()).update(window.refused)

    def lines(self) -> Iterator[str]:
        """A table in Markdown: for each kind 5th, 50th and 95th percentile of each figure."""
        yield f"| kind | windows | {' | '.join(_TOLD)} | refused |"
        yield "|---" * (len(_TOLD) + 3) + "|"
        for kind, rows in self.rows.items():
            low, middle, high = np.percentile(np.array(rows), (5, 50, 95), axis=0)
            cells = [f"{a:.3g} / **{b:.3g}** / {c:.3g}" for a, b, c in zip(low, middle, high, strict=True)]
            yield f"| {kind} | {len(rows)} | {' | '.join(cells)} | {dict(self.refused[kind])} |"
