"""How experiments refuse."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class BadFlag(Refusal):
    """A flag cannot be like that."""

    code = "experiments.bad_flag"
    status = 400
    public = ("field", "allowed")


class NoSuchFlag(Refusal):
    """There is no such flag."""

    code = "experiments.no_such_flag"
    status = 404
    public = ("flag",)


class FlagExists(Refusal):
    """There is a flag with this key already."""

    code = "experiments.flag_exists"
    status = 409
    public = ("flag",)


class TooManyFlags(Refusal):
    """There are as many flags as the server allows."""

    code = "experiments.too_many_flags"
    status = 409
    public = ("flags_max",)


class NotMeasured(Refusal):
    """The flag measures nothing, so there is nothing to report."""

    code = "experiments.not_measured"
    status = 409
    public = ("flag",)


class FlagNotFound(Refusal):
    """There is no such flag (OFREP)."""

    code = "experiments.flag_not_found"
    status = 404
    public = ("key", "errorCode", "errorDetails")


class BadContext(Refusal):
    """The context says not whom to evaluate for, or what it says cannot be read (OFREP)."""

    code = "experiments.bad_context"
    status = 400
    public = ("key", "errorCode", "errorDetails")


class BadTable(Refusal):
    """A table of outcomes has not the columns it needs, or what is in them is something else."""

    code = "experiments.bad_table"
    status = 400
    public = ("column",)
