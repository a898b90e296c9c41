"""Everything that people do, one after the other in each turn: a file of its own for each kind, and a line here."""

from __future__ import annotations

from overworld.app.demo.city import City
from overworld.app.simulate.collecting import Collecting
from overworld.app.simulate.joining import Joining
from overworld.app.simulate.moving import Moving
from overworld.app.simulate.questing import Beginning, Progressing
from overworld.app.simulate.stage import Stage
from overworld.app.simulate.tending import Tending, Using
from overworld.app.simulate.turns import Activity, Tally


def activities_of(stage: Stage, *, city: City, tally: Tally) -> list[Activity]:
    """What people do in this game; what it has no rules for costs nothing."""
    return [
        Joining(stage, tally=tally),
        Beginning(stage, tally=tally),
        Using(stage, tally=tally),
        Collecting(stage, city=city, tally=tally),
        Moving(stage, city=city),
        Progressing(stage, tally=tally),
        Tending(stage, tally=tally),
    ]
