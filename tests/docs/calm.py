"""The game `ore` with coins that lie all day: what a test has seen does not vanish while it walks there.

It has the samples of the proofs beside its own things, so that there is something to carry.
"""

from __future__ import annotations

import re
from pathlib import Path

from bench.prove.samples import sample_game
from tests.docs.pages import ROOT

_DAY_S = 86_400


def calm_game(folder: Path) -> Path:
    """Writes the game into a folder; gives its own."""
    text = (ROOT / "src/overworld/games/ore/game.toml").read_text()
    calm, changed = re.subn(r"^window_s = \d+$", f"window_s = {_DAY_S}", text, flags=re.MULTILINE)
    assert changed == 1
    return sample_game(folder, calm)
