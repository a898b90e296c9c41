"""What bots send and when, whoever makes it up: a crowd that moves now, or a recording of one that did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from overworld.app.bots import emitting
from overworld.app.bots.crowd import Crowd
from overworld.app.bots.recording import SENT, Recording
from overworld.geo.columns import F64, I64
from overworld.kernel.packed import POSITION, UNKNOWN

_E7 = 1e7
_KNOWN_MAX = UNKNOWN - 1


class Source(Protocol):
    """Bots on a clock. `kind` is the number of each among `kind_names`."""

    kind_names: Sequence[str]
    kind: I64
    is_cheat: NDArray[np.bool_]

    def step(self, now_us: int) -> Any:
        """What is to be sent after the last step up to a time, in order: an array of `recording.SENT`."""

    def wishes(self) -> Any:
        """Who wants to collect something, after the last asking up to the last step: an array of `emitting.WISH`."""

    def lead(self, bots: I64, lat_deg: F64, lng_deg: F64, within_s: F64) -> None:
        """Has those bots that go where they are told go to places."""

    @property
    def wish_every_s(self) -> F64:
        """After how long each bot wants the next thing, about, (n,)."""


class Moving:
    """A crowd that moves as time goes on."""

    def __init__(self, crowd: Crowd) -> None:
        self.kind_names: Sequence[str] = crowd.kind_names
        self.kind = crowd.kind
        self.is_cheat = crowd.is_cheat
        self.lead = crowd.lead
        self.wishes = crowd.wishes
        self._crowd = crowd

    @property
    def wish_every_s(self) -> F64:
        """As the crowd's own."""
        return self._crowd.wish_every_s

    def step(self, now_us: int) -> Any:
        """The crowd's fixes as they are sent."""
        return packed_of(self._crowd.step(now_us))


class Repeating:
    """A recording, shifted in time so that it begins at `start_us`. Who goes where was decided when it was made."""

    def __init__(self, recording: Recording, *, start_us: int) -> None:
        self.kind_names = recording.kind_names
        self.kind = recording.kind
        self.is_cheat = recording.is_cheat
        self.wish_every_s: F64 = np.zeros(len(recording.kind))
        self._sent = recording.sent
        self._wished = recording.wished
        self._shift_us = start_us - recording.start_us
        self._sent_to = self._wished_to = 0
        self._now_us = start_us

    def step(self, now_us: int) -> Any:
        """What was sent up to the same moment of the recording, with only its times shifted."""
        self._now_us = now_us
        begins = self._sent_to
        self._sent_to = int(np.searchsorted(self._sent["due_us"], now_us - self._shift_us, side="right"))
        sent = self._sent[begins : self._sent_to].copy()
        sent["due_us"] += self._shift_us
        sent["fix"]["time_us"] += self._shift_us
        return sent

    def wishes(self) -> Any:
        """Who wanted to collect something up to the same moment."""
        begins = self._wished_to
        self._wished_to = int(np.searchsorted(self._wished["due_us"], self._now_us - self._shift_us, side="right"))
        wished = self._wished[begins : self._wished_to].copy()
        wished["due_us"] += self._shift_us
        return wished

    def lead(self, bots: I64, lat_deg: F64, lng_deg: F64, within_s: F64) -> None:
        """Nothing: the way lies behind them."""


def packed_of(fixes: Any) -> Any:
    """Fixes of a crowd, an array of `emitting.FIX`, as records of packed frames: an array of `recording.SENT`."""
    assert fixes.dtype == emitting.FIX, fixes.dtype  # noqa: S101 - what mypy cannot see
    sent = np.zeros(len(fixes), SENT)
    sent["bot"], sent["due_us"] = fixes["bot"], fixes["due_us"]
    records = sent["fix"]
    records["time_us"] = fixes["time_us"]
    records["lat_e7"], records["lng_e7"] = np.rint(fixes["lat_deg"] * _E7), np.rint(fixes["lng_deg"] * _E7)
    records["accuracy_dm"] = _scaled(fixes["accuracy_m"], 10.0)
    records["speed_cm_s"] = _scaled(fixes["speed_m_s"], 100.0)
    records["heading_cdeg"] = _scaled(fixes["heading_deg"], 100.0)
    records["flags"] = fixes["flags"]
    assert records.dtype == POSITION, records.dtype  # noqa: S101
    return sent


def _scaled(values: F64, scale: float) -> NDArray[np.uint16]:
    """In units of the wire; what is NaN is not known."""
    known = np.minimum(np.rint(np.nan_to_num(values) * scale), _KNOWN_MAX)
    return np.where(np.isnan(values), UNKNOWN, known).astype(np.uint16)
