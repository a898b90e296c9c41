"""Where everybody is, right now.

Owns live positions, the index of room cells, and the judgement of every fix. It never waits for a database on the way
of a fix, never tells a stranger a player's exact place, and never believes a client: a place counts when the rules of
movement accepted it. Positions live in memory and do not survive the process; the next fix brings them back.

Invariants: a player is in one cell or in none; a cell's list holds exactly the visible players whose last accepted fix
lies in it and is younger than five minutes; fixes of one player are judged in the order in which they came.
Tables: `world.last_fix` (unlogged, only with several servers), `world.invisible`, `world.fence`, `world.fence_inside`,
and those of the rooms `history` and `shares`.
Publishes `events.location.updated`, `events.movement.rejected` and `events.movement.observed`, all of them samples;
`events.zone.entered`, `.left`, `.crossed` and `.dwelt`, of which none is lost; and `events.visibility.changed` and
`events.fences.changed`, which every server also consumes.
"""
