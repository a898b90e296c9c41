"""Trust: how far players are to be trusted, and why.

Owns the schema `trust`: `player` (score, gate, what goes on from window to window), `evidence` (what speaks against
whom, with its figures; never changed), `decision` and `appeal`, `shingle` (who walked an exact stretch first), `device`
(who signed in from where) and `model` (the anomaly model). It never decides what a gate costs: that is the business of
whoever gives something away, and asks by `standings`.

Invariants: a score is what the log's facts leave of 1, each taken once, worn off by their half-lives; the same facts in
the same order give the same scores; no single sighting lowers a gate, `review` and `refused` take several that agree;
every gate but the normal one ends by itself; nobody is at one without being told, and why.

Facts in, translated by flows: how players move (`events.movement.observed`), claim
(`events.collectible.collected`) and sign in (`events.auth.login`). Events out: `events.trust.changed`,
`events.trust.decided`, `events.trust.appealed`.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.domains.trust.core import Core
    from overworld.domains.trust.service import Trust
    from overworld.domains.trust.types import TrustRules, Window
    from overworld.domains.trust.wiring import SCHEMA, TrustParts, build
else:
    __getattr__ = door(
        __name__,
        core=["Core"],
        service=["Trust"],
        types=["TrustRules", "Window"],
        wiring=["SCHEMA", "TrustParts", "build"],
    )

__all__ = ["SCHEMA", "Core", "Trust", "TrustParts", "TrustRules", "Window", "build"]
