"""How analytics refuses."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class NoBoard(Refusal):
    """The game has no such board."""

    code = "analytics.no_board"
    status = 404
    public = ("board",)


class BadQuestion(Refusal):
    """This cannot be asked."""

    code = "analytics.bad_question"
    status = 400
    public = ("field", "reason")
