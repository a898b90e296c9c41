"""How a version of the definition is refused. Nothing has changed then."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class BadDefinition(Refusal):
    """The game's definition is wrong.

    `errors` says what and where, a line each.
    """

    code = "definition.wrong"
    status = 409
    public = ("errors",)


class NeedsRestart(Refusal):
    """The definition changes what a running server cannot change.

    `keys` are those keys: restart the servers for them.
    """

    code = "definition.needs_restart"
    status = 409
    public = ("keys",)


class StillHeld(Refusal):
    """The definition takes away something that players hold, or will be paid.

    `held` says by how many it is held, by name; `owed` by how many collectibles it will be paid.
    """

    code = "definition.still_held"
    status = 409
    public = ("held", "owed")
