"""How trust refuses."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class NoSuchPlayer(Refusal):
    """There is no player with this id."""

    code = "trust.no_such_player"
    status = 404


class NothingToAppeal(Refusal):
    """The player's standing is normal: there is nothing to appeal against."""

    code = "trust.nothing_to_appeal"
    status = 409


class AlreadyAppealed(Refusal):
    """An appeal of this player is waiting for an answer already."""

    code = "trust.already_appealed"
    status = 409


class BadDecision(Refusal):
    """The decision does not fit its parts: `set` needs a gate and a time to come, the others take neither."""

    code = "trust.bad_decision"
    status = 400
