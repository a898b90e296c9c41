"""Why something that was done without a network is not believed."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class UnknownAction(Refusal):
    """This cannot be done without a network.

    Later versions may know it, so the answer is not kept.
    """

    code = "gameplay.unknown_action"
    status = 400
    public = ("action",)


class BadAction(Refusal):
    """What goes with this action is not what it takes."""

    code = "gameplay.bad_action"
    status = 400
    public = ("action",)


class ClockAhead(Refusal):
    """The device's clock is ahead of the server's."""

    code = "gameplay.clock_ahead"
    status = 409
    public = ("tolerance_s",)


class ClockBack(Refusal):
    """The device's clock or its counter went back, or is behind the server's."""

    code = "gameplay.clock_back"
    status = 409
    public = ("tolerance_s",)


class ClockDrift(Refusal):
    """The device's clock and its counter do not agree on how much time has passed."""

    code = "gameplay.clock_drift"
    status = 409
    public = ("tolerance_s",)


class OutOfOrder(Refusal):
    """Something that was done later was told of before."""

    code = "gameplay.out_of_order"
    status = 409


class TooOld(Refusal):
    """This was done longer ago than the game allows."""

    code = "gameplay.too_old"
    status = 409
    public = ("window_s",)


class ImpossibleTravel(Refusal):
    """Nobody gets there so fast from where the player is known to have been.

    How fast, and from where, is never told: it would help who makes positions up.
    """

    code = "gameplay.impossible_travel"
    status = 409


class TooManyDevices(Refusal):
    """You have told of too many devices lately."""

    code = "gameplay.too_many_devices"
    status = 409
    public = ("devices_max",)
