"""What sync decides over: the game's rules, what is known of a device, and where a player was."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

ACTIONS_MAX = 500
DEVICES_MAX = 16
US = 1_000_000


class SyncRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[sync]` of game.toml: what may be done without a network, and be told of later.

    What is older than `window_s` is forgotten. A client's clock may be off by `tolerance_s`, and go wrong by a
    `drift_share` of the time that passed.
    """

    window_s: Annotated[int, Meta(ge=0, le=86_400)] = 43_200
    tolerance_s: Annotated[float, Meta(gt=0, le=600)] = 30.0
    drift_share: Annotated[float, Meta(ge=0, le=0.1)] = 0.01


class Terms(Struct, frozen=True, kw_only=True):
    """The rules in the units they are judged in; `slack_m` is how far off two positions together may be."""

    window_us: int
    tolerance_us: int
    drift_share: float
    speed_max_m_s: float
    slack_m: float


class Place(Struct, frozen=True, gc=False):
    """Where a player was, and when."""

    lat_deg: float
    lng_deg: float
    at_us: int


class Device(Struct, frozen=True, kw_only=True):
    """What is known of a device of a player since its last call.

    `boot` names the run of its counter, which stood at `sent_ms` when the call was made, `sent_us` by the server's
    clock; `acted_ms` and `acted_us` are the counter and the time of its last action that was in order, `place` where
    that was, if it was believed.
    """

    boot: bytes
    sent_ms: int
    sent_us: int
    acted_ms: int
    acted_us: int
    place: Place | None = None
