"""Leaderboards: who has collected most, in the world, in a region, among the members of something, in a window of time.

Scores are the table `gameplay.board_score`, a fold of the log of events: claims never write it. Ranked sets in memory
are a cache of that table, in each process. Windows that are over are kept in `gameplay.board_result`.

Invariants: a score is the sum of what the log says was collected, each event counted once; it was reached at the latest
of these; what is cached is never ahead of the table but by what a crash of the database takes back and the fold adds
again.
"""
