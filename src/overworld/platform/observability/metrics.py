"""Metrics: one registry, made at start and passed in; named once, read by Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from overworld.platform.observability.tallies import Spreads, Tallies

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class MetricDescribed(Struct, frozen=True):
    """One metric: its name, what it is (counter, gauge, histogram), its meaning, and the names of its labels."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]


class _Read(Collector):
    """Values that are read when somebody looks: each set of label values by a function of its own, or all by one."""

    def __init__(self, name: str, help: str, labels: tuple[str, ...], *, is_count: bool) -> None:
        self._name = name
        self._help = help
        self._labels = labels
        self._family = CounterMetricFamily if is_count else GaugeMetricFamily
        self.reads: dict[tuple[str, ...], Callable[[], float]] = {}
        self.read_all: Callable[[], Mapping[str, float]] = dict

    def describe(self) -> Iterator[Metric]:
        """What it is, without a value: so the registry sees a name that is taken, and reads nothing."""
        yield self._family(self._name, self._help, labels=self._labels)

    def collect(self) -> Iterator[Metric]:
        """What it is now."""
        family = self._family(self._name, self._help, labels=self._labels)
        for values, read in self.reads.items():
            family.add_metric(values, read())
        for value, amount in self.read_all().items():
            family.add_metric([value], amount)
        yield family


C = TypeVar("C", bound=Collector)
M = TypeVar("M", Counter, Histogram, Tallies, Spreads, _Read)


class Metrics:
    """Where every part of the server registers what it counts and measures.

    A name can be asked for again by another part with the same kind and labels; both then share it. Names start with
    `overworld_` and end with their unit; label values come from small fixed sets, never from what clients send.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._known: dict[str, tuple[Collector, MetricDescribed]] = {}

    def counter(self, name: str, help: str, *, labels: Sequence[str] = ()) -> Counter:
        """A count that only grows, read as `name_total`. Raises: ValueError for a name of another kind."""
        described = MetricDescribed(name, "counter", help, tuple(labels))
        return self._once(described, lambda: Counter(name, help, labels, registry=self.registry), Counter)

    def histogram(
        self, name: str, help: str, *, labels: Sequence[str] = (), buckets: Sequence[float] = Histogram.DEFAULT_BUCKETS
    ) -> Histogram:
        """A distribution of values over the upper bounds `buckets`. Raises: ValueError for a name of another kind."""
        described = MetricDescribed(name, "histogram", help, tuple(labels))
        return self._once(
            described, lambda: Histogram(name, help, labels, registry=self.registry, buckets=buckets), Histogram
        )

    def tallies(self, name: str, help: str, *, labels: Sequence[str]) -> Tallies:
        """As `counter`, for what is counted at every request, by one thread. Raises: ValueError as there."""
        described = MetricDescribed(name, "counter", help, tuple(labels))
        return self._once(described, lambda: self._registered(Tallies(name, help, labels)), Tallies)

    def spreads(self, name: str, help: str, *, labels: Sequence[str], bounds: Sequence[float]) -> Spreads:
        """As `histogram`, for what is measured at every request, by one thread. Raises: ValueError as there."""
        described = MetricDescribed(name, "histogram", help, tuple(labels))
        return self._once(described, lambda: self._registered(Spreads(name, help, labels, bounds)), Spreads)

    def gauge(
        self, name: str, help: str, read: Callable[[], float], *, labels: Mapping[str, str] | None = None
    ) -> None:
        """A value that is read when somebody looks: `read` is called at each scrape, and must be quick.

        Each set of label values has its own `read`; a later one replaces an earlier. Raises: ValueError for a name
        of another kind or with other labels.
        """
        self._read("gauge", name, help, tuple(labels or ())).reads[tuple((labels or {}).values())] = read

    def count(
        self, name: str, help: str, read: Callable[[], float], *, labels: Mapping[str, str] | None = None
    ) -> None:
        """As `gauge`, for a count that somebody else keeps and that only grows; read as `name_total`."""
        self._read("counter", name, help, tuple(labels or ())).reads[tuple((labels or {}).values())] = read

    def gauges(self, name: str, help: str, read: Callable[[], Mapping[str, float]], *, label: str) -> None:
        """As `gauge`, where which label values there are shows only when somebody looks."""
        self._read("gauge", name, help, (label,)).read_all = read

    def counts(self, name: str, help: str, read: Callable[[], Mapping[str, float]], *, label: str) -> None:
        """As `count`, where which label values there are shows only when somebody looks."""
        self._read("counter", name, help, (label,)).read_all = read

    def render(self) -> bytes:
        """Everything as text, as Prometheus reads it. Its type is `CONTENT_TYPE`."""
        return generate_latest(self.registry)

    def described(self) -> list[MetricDescribed]:
        """What is registered, in the order in which it was; no value is read."""
        return [described for _, described in self._known.values()]

    def _read(self, kind: str, name: str, help: str, labels: tuple[str, ...]) -> _Read:
        def make() -> _Read:
            return self._registered(_Read(name, help, labels, is_count=kind == "counter"))

        return self._once(MetricDescribed(name, kind, help, labels), make, _Read)

    def _registered(self, made: C) -> C:
        self.registry.register(made)
        return made

    def _once(self, wanted: MetricDescribed, make: Callable[[], M], kind: type[M]) -> M:
        known, described = self._known.get(wanted.name) or (None, wanted)
        if known is None:
            made = make()
            self._known[wanted.name] = (made, wanted)
            return made
        if not isinstance(known, kind) or (described.kind, described.labels) != (wanted.kind, wanted.labels):
            message = f"metric {wanted.name!r} is already a {described.kind} with the labels {described.labels}"
            raise ValueError(message)
        return known
