"""How the world refuses."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class BadPosition(Refusal):
    """This is not a position.

    Malformed, not finite, or off the sphere. What is a position but cannot be true is no refusal: it gets a verdict.
    `errors` is a list of `{path, reason}`.
    """

    code = "world.bad_position"
    status = 400
    public = ("errors",)


class OutOfSight(Refusal):
    """This place is too far from the player's last accepted fix.

    So nobody scans the planet for collectibles or people.
    """

    code = "world.out_of_sight"
    status = 403
    public = ("sight_m",)


class RadiusTooWide(Refusal):
    """The radius is wider than this server answers."""

    code = "world.radius_too_wide"
    status = 400
    public = ("radius_max_m",)


class UnknownEntityType(Refusal):
    """There are no entities of this type."""

    code = "world.unknown_entity_type"
    status = 400
    public = ("known",)
