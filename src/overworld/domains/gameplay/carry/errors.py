"""How carry refuses. A use, and an upgrade, is checked in the order in which their refusals stand here."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class NoSuchItem(Refusal):
    """You have no such item.

    What others have, and what was used up, is refused alike.
    """

    code = "gameplay.no_such_item"
    status = 404


class NoSuchTool(Refusal):
    """You have no such tool."""

    code = "gameplay.no_such_tool"
    status = 404


class NotUsable(Refusal):
    """An item of this type cannot be used."""

    code = "gameplay.not_usable"
    status = 409
    public = ("type",)


class LevelTooLow(Refusal):
    """You have to reach a higher level before you can use this."""

    code = "gameplay.level_too_low"
    status = 403
    public = ("type", "level_min")


class ToolChanged(Refusal):
    """The tool is not at the level below the one that was asked for: somebody upgraded it meanwhile."""

    code = "gameplay.tool_changed"
    status = 409
    public = ("tool_id", "level")


class TopLevel(Refusal):
    """The tool has reached its highest level."""

    code = "gameplay.top_level"
    status = 409
    public = ("tool_id", "level")


class NotWorn(Refusal):
    """There is nothing to repair: the tool is not worn, or wears never."""

    code = "gameplay.not_worn"
    status = 409
    public = ("tool_id",)


class SoldOut(Refusal):
    """There are no more of these: as many as there may ever be are given out."""

    code = "gameplay.sold_out"
    status = 409
    public = ("type",)


class StackFull(Refusal):
    """You cannot carry that many of this type."""

    code = "gameplay.stack_full"
    status = 409
    public = ("type", "stack_max")


class CannotPay(Refusal):
    """You do not hold what this costs."""

    code = "gameplay.cannot_pay"
    status = 409
    public = ("currency", "cost")


class BadGrant(Refusal):
    """This cannot be given to a player: the game does not have it, or it is too much at once.

    Nothing was given.
    """

    code = "gameplay.bad_grant"
    status = 400
    public = ("field",)


class NoSuchPlayer(Refusal):
    """There is no player with this id or username."""

    code = "gameplay.no_such_player"
    status = 404
