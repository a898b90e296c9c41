"""experiments: who gets which variant of what, who was shown it, and what came of it.

Owns the schema `experiments`: `flag` (definitions), `exposure` (who was shown which variant of what is measured, once a
day), and `fact` (what players did in each hour, as far as an experiment counts it). It decides by the definitions that
this process knows, which follow the log. What players are and do it learns from others: by ports, and by facts that a
flow hands in.

Invariants: a variant is a function of the flag's salt and the player alone, in every process and version; an exposure
that was answered is kept; a player has one variant in one allocation of a flag, unless a rule names it; a change of
variants, weights or salt begins a new allocation, which is counted by itself.

Events out: `events.flags.changed`, `events.flag.exposed`. In: `events.flags.changed`; facts, by a flow.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.domains.experiments.types import ExperimentSettings
    from overworld.domains.experiments.wiring import SCHEMA, ExperimentParts, build
else:
    __getattr__ = door(__name__, types=["ExperimentSettings"], wiring=["SCHEMA", "ExperimentParts", "build"])

__all__ = ["SCHEMA", "ExperimentParts", "ExperimentSettings", "build"]
