"""quests: what players are asked to do, counted from the event log and from nothing else.

`types` is what a game writes; `rules` decides what counts; `catalogue` knows the definitions; `folding` makes progress
of slices of the log, `starting`, `completing` and `ending` change what a player has in hand, `showing` reads it.
`docs/concepts/quests.md` tells the rest.

Invariants: an event counts at most once for a run, however often and in whatever order it is delivered; only events of
the run's own time do; a run is rewarded at most once, in the transaction that completes it.

Tables: `gameplay.quest`, `gameplay.assignment`, `gameplay.quest_total`. Events out: `events.quest.created`, `.started`,
`.progressed`, `.completed`, `.failed`. Events in: whatever objectives name.
"""
