"""Whether what a client tells of the time without a network can be true: pure decisions over its words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b

from overworld.domains.gameplay.messages import AsOf
from overworld.domains.gameplay.sync.errors import (
    ClockAhead,
    ClockBack,
    ClockDrift,
    ImpossibleTravel,
    OutOfOrder,
    TooManyDevices,
    TooOld,
)
from overworld.domains.gameplay.sync.messages import OfflineAction, SyncBody
from overworld.domains.gameplay.sync.types import DEVICES_MAX, US, Device, Place, SyncRules, Terms
from overworld.geo.sphere import distance_between_m
from overworld.kernel.clock import to_us
from overworld.kernel.refusals import Refusal

Verdict = AsOf | Refusal

_KM_H = 1 / 3.6
_SIDES = 2
_SPAN_MIN_US = US
LONG_AGO_US = to_us(datetime(1970, 1, 1, tzinfo=UTC))


def terms_of(rules: SyncRules, *, speed_max_km_h: float, accuracy_m: float) -> Terms:
    """The terms of a checked definition: `accuracy_m` is how far off one position may be."""
    return Terms(
        window_us=rules.window_s * US,
        tolerance_us=round(rules.tolerance_s * US),
        drift_share=rules.drift_share,
        speed_max_m_s=speed_max_km_h * _KM_H,
        slack_m=_SIDES * accuracy_m,
    )


def name_hash(name: str) -> bytes:
    """How names of devices and of runs of their counters are kept: 16 bytes."""
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Hearing:
    """One call, heard action by action.

    `fault` is what is wrong with the call as a whole: then nothing of it counts, and it may be sent again. `heard`
    counts the actions that were judged, `device` is what is known of the device afterwards.
    """

    def __init__(
        self, body: SyncBody, *, device: Device | None, others: int, places: Sequence[Place], now_us: int, terms: Terms
    ) -> None:
        self._terms = terms
        self._now_us = now_us
        self._sent_us = to_us(body.sent_at)
        self._sent_ms = body.sent_monotonic_ms
        self._boot = name_hash(body.boot)
        self._places = list(places)
        self._own = None if device is None else device.place
        self._order = _Order() if device is None else _Order(device.boot, device.acted_ms, device.acted_us)
        self.fault = self._fault_of_call(device, others=others)
        self.heard = 0

    @property
    def device(self) -> Device:
        """What is to be known of the device when it calls again."""
        same = self._order.boot == self._boot
        return Device(
            boot=self._boot,
            sent_ms=self._sent_ms,
            sent_us=self._now_us,
            acted_ms=self._order.counter_ms if same else 0,
            acted_us=self._order.at_us,
            place=self._own,
        )

    def judge(self, action: OfflineAction) -> Verdict:
        """Where and when it was done, or why that is not believed.

        Refused are, in this order: ClockAhead, ClockBack, OutOfOrder, ClockDrift, TooOld, ImpossibleTravel. What is not
        believed for its time leaves no trace; what is not for its place has been done all the same, somewhere else.
        """
        self.heard += 1
        told_us = to_us(action.at)
        boot = self._boot if action.boot is None else name_hash(action.boot)
        elapsed_us = (self._sent_ms - action.monotonic_ms) * 1_000
        is_counted = boot == self._boot
        at_us = self._now_us - elapsed_us if is_counted else self._by_clock(told_us)
        wrong = self._ahead(told_us, elapsed_us if is_counted else 0)
        wrong = wrong or self._disordered(action, boot, told_us=told_us, at_us=at_us)
        if wrong is None and is_counted and self._drifts(self._sent_us - told_us, elapsed_us):
            wrong = self._of_clock(ClockDrift)
        if wrong is None and self._now_us - at_us > self._terms.window_us:
            wrong = TooOld(window_s=self._terms.window_us // US)
        if wrong is not None:
            return wrong
        self._order.go_on(boot, action.monotonic_ms, at_us, told_us)
        return self._arrive(Place(action.lat, action.lng, at_us))

    def _ahead(self, told_us: int, elapsed_us: int) -> Refusal | None:
        """Whether it was done after it was told of: by the clock, or by the counter."""
        if told_us > min(self._sent_us, self._now_us) + self._terms.tolerance_us:
            return self._of_clock(ClockAhead)
        return self._of_clock(ClockBack) if elapsed_us < 0 else None

    def _disordered(self, action: OfflineAction, boot: bytes, *, told_us: int, at_us: int) -> Refusal | None:
        if not self._order.allows(boot, action.monotonic_ms, at_us, slack_us=self._terms.tolerance_us):
            return OutOfOrder()
        is_back = told_us < self._order.told_us - self._terms.tolerance_us
        return self._of_clock(ClockBack) if is_back else None

    def _fault_of_call(self, device: Device | None, *, others: int) -> Refusal | None:
        if device is None and others >= DEVICES_MAX:
            return TooManyDevices(devices_max=DEVICES_MAX)
        if self._sent_us > self._now_us + self._terms.tolerance_us:
            return self._of_clock(ClockAhead)
        if self._sent_us < self._now_us - self._terms.tolerance_us:
            return self._of_clock(ClockBack)
        if device is not None and device.boot == self._boot:
            if self._sent_ms < device.sent_ms:
                return self._of_clock(ClockBack)
            if self._drifts(self._now_us - device.sent_us, (self._sent_ms - device.sent_ms) * 1_000):
                return self._of_clock(ClockDrift)
        return None

    def _of_clock(self, kind: type[Refusal]) -> Refusal:
        return kind(tolerance_s=self._terms.tolerance_us / US)

    def _by_clock(self, told_us: int) -> int:
        """By the device's clock alone, for its counter has begun anew since then; never after now."""
        return min(self._now_us, told_us + self._now_us - self._sent_us)

    def _drifts(self, by_clock_us: int, by_counter_us: int) -> bool:
        allowed_us = self._terms.tolerance_us + self._terms.drift_share * abs(by_clock_us)
        return abs(by_clock_us - by_counter_us) > allowed_us

    def _arrive(self, here: Place) -> Verdict:
        if not all(_is_travel(place, here, self._terms) for place in self._places):
            return ImpossibleTravel()
        self._places = [place for place in self._places if place is not self._own]
        self._places.append(here)
        self._own = here
        return AsOf(here.lat_deg, here.lng_deg, here.at_us)


class _Order:
    """Up to where the actions of a device have been heard: in its run of the counter, and in time."""

    def __init__(self, boot: bytes = b"", counter_ms: int = 0, at_us: int = LONG_AGO_US) -> None:
        self.boot = boot
        self.counter_ms = counter_ms
        self.at_us = at_us
        self.told_us = LONG_AGO_US
        self._over: set[bytes] = set()

    def allows(self, boot: bytes, counter_ms: int, at_us: int, *, slack_us: int) -> bool:
        """Whether an action comes after those before; runs of the counter follow each other, and none comes back."""
        if boot == self.boot:
            return counter_ms >= self.counter_ms
        return boot not in self._over and at_us >= self.at_us - slack_us

    def go_on(self, boot: bytes, counter_ms: int, at_us: int, told_us: int) -> None:
        """Makes it the last one."""
        if boot != self.boot:
            self._over.add(self.boot)
        self.boot, self.counter_ms, self.at_us, self.told_us = boot, counter_ms, at_us, told_us


def _is_travel(place: Place, here: Place, terms: Terms) -> bool:
    """Whether a player can have been at both: as fast as the game allows, less what positions may be off."""
    span_s = max(_SPAN_MIN_US, abs(here.at_us - place.at_us)) / US
    metres = distance_between_m(place.lat_deg, place.lng_deg, here.lat_deg, here.lng_deg)
    return metres - terms.slack_m <= terms.speed_max_m_s * span_s
