"""carry: what players carry and improve: items, tools, boosts and badges; and how anything is given to them.

Invariants: everything of a player changes under the lock of their row in `gameplay.player`, in one transaction with
its transfers, its answer and one row of events; no item comes from or goes to nowhere, and of a type with a `supply`
there never are more; a player has at most one tool in hand; a badge is earned once.

Tables: `gameplay.item`, `.supply`, `.tool`, `.boost`, `.badge`. Events out: `events.item.*`, `events.tool.*`,
`events.badge.earned`.
"""
