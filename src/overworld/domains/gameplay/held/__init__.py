"""held: rewards of claims that wait for a review, and what becomes of them.

A claim of a player at the gate `review` takes its collectible and counts for the day; its reward is promised in the
ledger, under the claim's id, and a row here says so. `service` gives it to the player, or lets it go; `jobs` gives what
nobody decided in its time; `docs/concepts/claims.md` tells the rest.

Invariants: a row that is held has an open promise, one that was released a posted one, one that was denied a void one,
each in the transaction of the change; the experience of a held collection is given with its release, once.

Tables: `gameplay.held`. Events out: `events.reward.released`, `.denied`. Events in: what trust has changed and decided,
through a flow.
"""
