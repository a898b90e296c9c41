"""How gameplay refuses. A claim is checked in the order in which the refusals stand here."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class NotFound(Refusal):
    """There is no such collectible.

    Malformed and forged ids are refused alike, without a look-up.
    """

    code = "gameplay.not_found"
    status = 404


class Expired(Refusal):
    """The collectible's time is over."""

    code = "gameplay.expired"
    status = 410
    public = ("collectible_id", "expired_at")


class StalePosition(Refusal):
    """The server does not know where the player is: send a position first, then claim under a new key."""

    code = "gameplay.stale_position"
    status = 409
    public = ("collectible_id", "age_max_s")


class LowTrust(Refusal):
    """The player is not trusted enough to be given anything.

    How much trust they have, and how much it takes, stays in our logs. A quest that is met stays so, and a box closed:
    both can be had later, under the same key too.
    """

    code = "gameplay.low_trust"
    status = 403
    public = ("collectible_id", "quest", "item_id")


class OutOfReach(Refusal):
    """The player stands farther from the collectible than the game allows.

    `distance_m` stays in our logs: telling a client how far off it is helps position spoofing.
    """

    code = "gameplay.too_far"
    status = 409
    public = ("collectible_id", "reach_m")


class RefusedByRule(Refusal):
    """The game's own rule refuses the claim.

    `reason` is what the rule says.
    """

    code = "gameplay.refused_by_rule"
    status = 409
    public = ("collectible_id", "reason")


class RuleFailed(Refusal):
    """The game's own rule failed on this claim; nothing was collected.

    The answer is not kept: once the rule is mended, the same request is judged anew.
    """

    code = "gameplay.rule_failed"
    status = 503
    retryable = True
    public = ("collectible_id",)


class CapReached(Refusal):
    """The player has collected as many today as the game allows.

    The day ends at midnight UTC, or at midnight where the player is, as the game says.
    """

    code = "gameplay.cap_reached"
    status = 409
    public = ("collectible_id", "daily_cap")


class CoolingDown(Refusal):
    """The player took a collectible of this type a short while ago, and has to wait."""

    code = "gameplay.cooling_down"
    status = 409
    public = ("collectible_id", "retry_after_s")


class AlreadyCollected(Refusal):
    """The collectible has been taken."""

    code = "gameplay.already_collected"
    status = 409
    public = ("collectible_id",)


class WalletFrozen(Refusal):
    """The player's wallet, or the budget that pays, is frozen: nothing goes in or out."""

    code = "gameplay.wallet_frozen"
    status = 409
    public = ("collectible_id",)


class OutOfStock(Refusal):
    """The budget that pays for the collectible cannot pay for it any more."""

    code = "gameplay.out_of_stock"
    status = 409
    public = ("collectible_id",)


class WalletFull(Refusal):
    """The player's wallet holds as much of this currency as a wallet can."""

    code = "gameplay.wallet_full"
    status = 409
    public = ("collectible_id", "currency")


class RadiusTooWide(Refusal):
    """The radius is wider than this server answers."""

    code = "gameplay.radius_too_wide"
    status = 400
    public = ("radius_max_m",)


class BadPlacement(Refusal):
    """A collectible cannot be placed like this.

    Nothing of the request was placed. `item` is its place in the list, from 0.
    """

    code = "gameplay.bad_placement"
    status = 400
    public = ("item", "field")


class TooManyPlaced(Refusal):
    """There are as many placed collectibles as may be, here or all together."""

    code = "gameplay.too_many_placed"
    status = 409
    public = ("placed_max", "cell")


NOT_KEPT = (NotFound, RuleFailed)
"""Refusals of a claim that are not its answer for good."""
