"""The section `demo`: who walks where."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

WALKERS_MAX = 500
SEED_MAX = 2**53
RADIUS_MIN_M = 200.0
RADIUS_MAX_M = 20_000.0


class DemoSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As many walkers as `accounts.new_devices_max` lets in within an hour. The place is the middle of Ljubljana."""

    enabled: Annotated[bool, Meta(description="walk simulated players through this server; not in production")] = False
    walkers: Annotated[int, Meta(ge=1, le=WALKERS_MAX, description="how many walk")] = 200
    seed: Annotated[int, Meta(ge=0, le=SEED_MAX, description="who they are and how they walk")] = 1
    lat: Annotated[float, Meta(ge=-90, le=90, description="middle of their city, degrees")] = 46.0569
    lng: Annotated[float, Meta(ge=-180, le=180, description="middle of their city, degrees")] = 14.5058
    radius_m: Annotated[
        float, Meta(ge=RADIUS_MIN_M, le=RADIUS_MAX_M, description="how far from the middle they walk")
    ] = 4_500.0
