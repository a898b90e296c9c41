"""The anomaly model: half-space trees that learn online how players move, and say which figures are out of the way.

It knows no cheats. It scores windows before it learns them, so the same windows in the same order give the same
scores; its whole state goes into the database with what was decided by it. Source: Tan, Ting and Liu, "Fast anomaly
detection for streaming data", IJCAI 2011, as in river's `HalfSpaceTrees`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from overworld.domains.trust.trees import half_space_trees
from overworld.domains.trust.types import Window

VERSION = 1
"""Of the features and the trees. A new version begins to learn anew; the old one's evidence keeps its number."""

FEATURES = (
    "noise",
    "speed",
    "spread",
    "turn",
    "bend",
    "rhythm",
    "accuracy",
    "accuracy_spread",
    "rest",
    "refused",
    "told",
)
TREES = 15
HEIGHT = 8
LEARNS_FROM = 512
"""Windows between two looks of the trees at what is common; before the second look nothing is called anomalous."""

_SEED = 20_260_601
_ACCEPTED_MIN = 10
_MOVING_MIN_S = 10.0
_BINS = 400
_RARE = 0.995
_SUSPICIOUS = 0.8
_MEDIAN_STEP = 0.005
_NAMED_MAX = 3
_PRECISION = 4


class Anomaly(Struct, frozen=True):
    """How unusual a window is: `score` is 0 to 1, above 0.8 for one window in 200 of all. `because` names the
    features without which it would be less so, with their share, the greatest first.
    """

    score: float
    because: dict[str, float]


class Saved(Struct, frozen=True, array_like=True):
    """A model's whole state: masses of all nodes in the order in which a walk meets them, and what calibrates it."""

    counter: int
    looked: bool
    latest: list[int]
    reference: list[int]
    bins: list[int]
    middle: float
    rare: float
    medians: list[float]
    seen: int


def features(window: Window) -> tuple[float, ...] | None:
    """A window as the trees see it: 0 to 1 each, in the order of `FEATURES`; None for who hardly moved."""
    if window.accepted < _ACCEPTED_MIN or window.moving_s < _MOVING_MIN_S:
        return None
    fixes = max(1, window.fixes)
    return (
        _log(window.noise_m, 0.01, 100.0),
        _log(window.speed_mean_m_s, 0.1, 100.0),
        _log(window.speed_cv, 0.001, 10.0),
        min(1.0, window.turn_rms_deg / 120.0),
        _log(1 - window.straight_m / window.moved_m if window.moved_m > 0 else 0.0, 1e-5, 1.0),
        _log(window.interval_cv, 0.001, 10.0),
        _log(window.accuracy_mean_m, 0.5, 200.0),
        _log(window.accuracy_sd_m, 0.01, 100.0),
        min(1.0, window.repeated / fixes),
        min(1.0, (window.fixes - window.accepted) / fixes),
        _log(window.told_speed_gap_m_s, 0.01, 50.0),
    )


def _log(value: float, low: float, high: float) -> float:
    """Where a value lies between two bounds on a logarithmic scale, 0 to 1."""
    if not value > low:
        return 0.0
    return min(1.0, math.log(value / low) / math.log(high / low))


class Model:
    """Scores and learns windows one by one. `seen` counts those learned; not for several threads."""

    def __init__(self) -> None:
        self._trees: Any = half_space_trees()(
            n_trees=TREES,
            height=HEIGHT,
            window_size=LEARNS_FROM,
            limits=dict.fromkeys(FEATURES, (0.0, 1.0)),
            seed=_SEED,
        )
        self._medians = [0.5] * len(FEATURES)
        self._bins = [0] * _BINS
        self._middle = 0.0
        self._rare = 0.0
        self.seen = 0

    def take(self, window: Window, *, explain_from: float = _SUSPICIOUS) -> Anomaly | None:
        """How unusual a window is by all that came before; then it is learned. None for one that says nothing."""
        values = features(window)
        if values is None:
            return None
        raw = self._raw(values)
        score = self._calibrated(raw)
        because = self._because(values, raw) if score >= explain_from else {}
        self._learn(values, raw)
        return Anomaly(round(score, _PRECISION), because)

    @classmethod
    def warm(cls) -> None:
        """Imports the trees and grows them once."""
        model = cls()
        usual = (0.5,) * len(FEATURES)
        model._learn(usual, model._raw(usual))

    def saved(self) -> bytes:
        """The state, some 10 kB."""
        nodes = self._nodes()
        state = Saved(
            counter=self._trees.counter,
            looked=not self._trees._first_window,
            latest=[node.l_mass for node in nodes],
            reference=[node.r_mass for node in nodes],
            bins=self._bins,
            middle=self._middle,
            rare=self._rare,
            medians=self._medians,
            seen=self.seen,
        )
        return zlib.compress(msgspec.msgpack.encode(state), 1)

    @classmethod
    def restored(cls, saved: bytes) -> Model:
        """The model that was saved. Raises: ValueError for anything else."""
        try:
            state = msgspec.msgpack.decode(zlib.decompress(saved), type=Saved)
        except (zlib.error, msgspec.MsgspecError) as error:
            raise ValueError("this is no saved model") from error
        model = cls()
        if state.seen == 0:
            return model
        # The trees are made of the seed when the first window comes; its masses are replaced with all the others.
        model._trees.learn_one(dict.fromkeys(FEATURES, 0.5))
        nodes = model._nodes()
        if not len(nodes) == len(state.latest) == len(state.reference):
            raise ValueError("this is a model with other trees")
        for node, latest, reference in zip(nodes, state.latest, state.reference, strict=True):
            node.l_mass, node.r_mass = latest, reference
        model._trees.counter = state.counter
        model._trees._first_window = not state.looked
        model._bins, model._medians = list(state.bins), list(state.medians)
        model._middle, model._rare, model.seen = state.middle, state.rare, state.seen
        return model

    def _nodes(self) -> list[Any]:
        return [node for tree in self._trees._tree_nodes for node in tree]

    def _raw(self, values: Sequence[float]) -> float:
        return float(self._trees.score_one(dict(zip(FEATURES, values, strict=True))))

    def _calibrated(self, raw: float) -> float:
        """A raw score on the scale of those that are common: half of all lie at 0, one in 200 above 0.8."""
        if self._rare <= self._middle:
            return 0.0
        return max(0.0, min(1.0, _SUSPICIOUS * (raw - self._middle) / (self._rare - self._middle)))

    def _learn(self, values: Sequence[float], raw: float) -> None:
        if not self._trees._first_window:
            self._bins[min(_BINS - 1, int(raw * _BINS))] += 1
        self._trees.learn_one(dict(zip(FEATURES, values, strict=True)))
        self.seen += 1
        for i, value in enumerate(values):
            self._medians[i] += _MEDIAN_STEP * ((value > self._medians[i]) - (value < self._medians[i]))
        if self._trees.counter == 0 and (total := sum(self._bins)):
            self._middle, self._rare = (_quantile(self._bins, share * total) for share in (0.5, _RARE))
            # What was seen before counts half from one look to the next.
            self._bins = [count >> 1 for count in self._bins]

    def _because(self, values: Sequence[float], raw: float) -> dict[str, float]:
        """How much less unusual the window would be with one figure as it usually is, for each figure."""
        drops: list[tuple[float, str]] = []
        for i, name in enumerate(FEATURES):
            usual = (*values[:i], self._medians[i], *values[i + 1 :])
            drop = self._calibrated(raw) - self._calibrated(self._raw(usual))
            if drop > 0:
                drops.append((-drop, name))
        return {name: round(-drop, _PRECISION) for drop, name in sorted(drops)[:_NAMED_MAX]}


def _quantile(bins: Sequence[int], rank: float) -> float:
    """The upper edge of the bin in which the value of a rank lies."""
    below = 0
    for i, count in enumerate(bins):
        below += count
        if below >= rank:
            return (i + 1) / len(bins)
    return 1.0
