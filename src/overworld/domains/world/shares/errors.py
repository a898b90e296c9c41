"""How sharing refuses."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class NoSuchPlayer(Refusal):
    """There is no player of this id or name."""

    code = "world.no_such_player"
    status = 404


class ShareWithOneself(Refusal):
    """A place is shared with another player."""

    code = "world.share_with_oneself"
    status = 400


class TooManyShares(Refusal):
    """The player shows its place to as many others as it may."""

    code = "world.too_many_shares"
    status = 409
    public = ("shares_max",)


class NoSuchShare(Refusal):
    """There is no such share, it is another player's, or it has ended."""

    code = "world.no_such_share"
    status = 404


class NoHome(Refusal):
    """The player told no home."""

    code = "world.no_home"
    status = 404
