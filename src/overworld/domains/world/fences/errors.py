"""How fences refuse."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class NoFence(Refusal):
    """There is no such fence."""

    code = "world.no_fence"
    status = 404


class BadFence(Refusal):
    """This is not a fence that can be drawn.

    `errors` is a list of `{path, reason}`; in an import the path begins with the number of the feature, from 0.
    """

    code = "world.bad_fence"
    status = 400
    public = ("errors",)


class TooManyFences(Refusal):
    """There are as many fences, or corners of fences, as this server keeps."""

    code = "world.too_many_fences"
    status = 409
    public = ("fences_max", "vertices_max")


class FenceOfGame(Refusal):
    """This fence belongs to the game's definition and changes with it alone."""

    code = "world.fence_of_game"
    status = 409
