"""Journeys in metres and seconds, judged fix by fix: the language of the movement tests."""

from __future__ import annotations

import math
from uuid import UUID

import numpy as np

from overworld.domains.world.engine.engine import Engine, Pass, flags_of, pass_of
from overworld.domains.world.rules import FIX
from overworld.domains.world.types import InterestRules, MovementRules, Reason, WorldSettings
from overworld.geo.sphere import destination_deg

HOME = (37.5665, 126.9780)
START_US = 1_700_000_000_000_000
OK = "accepted"


class Journey:
    """One player's fixes, each given by where and when, and the verdict on it. The server's clock is the fix's."""

    def __init__(
        self,
        *,
        movement: MovementRules | None = None,
        home=HOME,
        settings: WorldSettings | None = None,
        interest: InterestRules | None = None,
    ):
        self.engine = Engine(
            settings=settings or WorldSettings(), movement=movement or MovementRules(), interest=interest
        )
        self.home: tuple[float, float] = home
        self.slot = self.engine.players.admit(UUID(int=1), now_us=START_US)

    def fix(
        self,
        at_s,
        east_m=0.0,
        *,
        accuracy_m=math.nan,
        altitude_m=math.nan,
        mock=False,
        own_timeline=False,
        server_s=None,
        place=None,
    ):
        """The verdict on a fix so many metres east of home; `server_s` is what the server's clock says then."""
        lat_deg, lng_deg = place or destination_deg(*self.home, 90.0, east_m)
        record = np.zeros(1, FIX)
        record["slot"] = self.slot
        record["time_us"] = START_US + round(at_s * 1e6)
        record["lat_deg"], record["lng_deg"] = lat_deg, lng_deg
        record["accuracy_m"], record["altitude_m"] = accuracy_m, altitude_m
        record["flags"] = flags_of(own_timeline=own_timeline, mock=mock)
        now_us = START_US + round((at_s if server_s is None else server_s) * 1e6)
        batch = self.judge(record, now_us=now_us)
        reason = Reason(int(batch.judged["reason"][0]))
        return OK if reason is Reason.NONE else reason.wire

    def judge(self, records, *, now_us) -> Pass:
        """A whole pass."""
        return self.engine.choose_told(self.engine.move(self.engine.validate(pass_of(records, now_us=now_us))))

    @property
    def anchored(self):
        """Whether the player's last fix counts."""
        return bool(self.engine.earning([self.slot])[0])
