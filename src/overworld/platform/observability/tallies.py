"""Counts and timings that are kept many thousand times a second: plain numbers, read when somebody looks.

prometheus_client's own take a lock for every number and go through all bounds of a histogram. These belong to one
thread.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class Tally:
    """One count, which its owner adds to."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Tallies(Collector):
    """Counts by their labels."""

    def __init__(self, name: str, help: str, labels: Sequence[str]) -> None:
        self._name = name
        self._help = help
        self._labels = tuple(labels)
        self._tallies: dict[tuple[str, ...], Tally] = {}

    def labels(self, *values: str) -> Tally:
        """The count with these label values; keep it."""
        return self._tallies.setdefault(values, Tally())

    def describe(self) -> Iterator[Metric]:
        """What it is, without a value."""
        yield CounterMetricFamily(self._name, self._help, labels=self._labels)

    def collect(self) -> Iterator[Metric]:
        """What it is now."""
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for values, tally in self._tallies.items():
            family.add_metric(values, tally.value)
        yield family


class Spread:
    """One distribution over ascending upper bounds."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Notes one value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class Spreads(Collector):
    """Distributions by their labels, all over the same bounds."""

    def __init__(self, name: str, help: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self._name = name
        self._help = help
        self._labels = tuple(labels)
        self._bounds = tuple(bounds)
        self._shown = [str(float(bound)) for bound in self._bounds] + ["+Inf"]
        self._spreads: dict[tuple[str, ...], Spread] = {}

    def labels(self, *values: str) -> Spread:
        """The distribution with these label values; keep it."""
        return self._spreads.setdefault(values, Spread(self._bounds))

    def describe(self) -> Iterator[Metric]:
        """What it is, without a value."""
        yield HistogramMetricFamily(self._name, self._help, labels=self._labels)

    def collect(self) -> Iterator[Metric]:
        """What it is now."""
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        for values, spread in self._spreads.items():
            buckets = list(zip(self._shown, accumulate(spread.counts), strict=True))
            family.add_metric(values, buckets, spread.sum)
        yield family
