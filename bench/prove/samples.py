"""The game `ore` with a few things to carry beside its own, whose names tests and proofs know."""

from __future__ import annotations

import re
from pathlib import Path

from overworld.app.game import FILE_NAME, found

SAMPLES = """
[items.types.cookie]
title = "Cookie"
effects = { experience = 5 }

[tools.types.chisel]
title = "Chisel"
currency = "coin"
durability = 500
repair_cost = "10"
levels = [{ efficiency = "1.10" }, { efficiency = "1.25" }, { efficiency = "1.50", cost = "100", chance = "0.5" }]

[badges.baker]
kind = "craft"
name = "Baker"
text = "Has had cookies."
icon = "baker.svg"
"""


_FEE = re.compile(r'(?<=^cap = 1000\n)price = "\d+"\ncurrency = "coin"\n', re.MULTILINE)


def sample_game(folder: Path, text: str | None = None, *, club_is_free: bool = False) -> Path:
    """Writes `ore`, or another text of it, with the samples into a folder of its own in `folder`; gives that."""
    game = folder / "sample"
    game.mkdir()
    whole = (found("ore") / FILE_NAME).read_text() if text is None else text
    (game / FILE_NAME).write_text((_FEE.sub("", whole) if club_is_free else whole) + SAMPLES)
    return game
