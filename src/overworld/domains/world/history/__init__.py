"""Where players have been: sampled fixes for some days, and counts by cell and hour for longer.

Owns `world.location`, a partition a day, and `world.location_hour`. What it keeps is what `events.location.updated`
tells, of fixes judged by the server's clock; tracks on a time line of their own are not history.

Invariants: what waits is bounded, and what is lost of it is counted; a day is counted exactly once, in the transaction
that drops it; a read by staff leaves its trace in the transaction that reads. Publishes `events.history.erased`, which
every server also consumes.
"""
