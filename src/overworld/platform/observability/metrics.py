"""Metrics: one registry, made at start and passed in; named once, read by Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

M = TypeVar("M", Counter, Gauge, Histogram)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class MetricDescribed(Struct, frozen=True):
    """One metric: its name, what it is (counter, gauge, histogram), its meaning, and the names of its labels."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]


class Metrics:
    """Where every part of the server registers what it counts and measures.

    A name can be asked for again by another part with the same kind and labels; both then share it. Names start with
    `overworld_` and end with their unit; label values come from small fixed sets, never from what clients send.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._known: dict[str, tuple[Counter | Gauge | Histogram, tuple[str, ...]]] = {}

    def counter(self, name: str, help: str, *, labels: Sequence[str] = ()) -> Counter:
        """A count that only grows, read as `name_total`. Raises: ValueError for a name of another kind."""
        return self._once(name, labels, lambda: Counter(name, help, labels, registry=self.registry), Counter)

    def histogram(
        self, name: str, help: str, *, labels: Sequence[str] = (), buckets: Sequence[float] = Histogram.DEFAULT_BUCKETS
    ) -> Histogram:
        """A distribution of values over the upper bounds `buckets`. Raises: ValueError for a name of another kind."""
        return self._once(
            name,
            labels,
            lambda: Histogram(name, help, labels, registry=self.registry, buckets=buckets),
            Histogram,
        )

    def gauge(
        self, name: str, help: str, read: Callable[[], float], *, labels: Mapping[str, str] | None = None
    ) -> None:
        """A value that is read when somebody looks: `read` is called at each scrape, and must be quick.

        Each set of label values has its own `read`; a later one replaces an earlier. Raises: ValueError for a name
        of another kind or with other labels.
        """
        names = tuple(labels or ())
        gauge = self._once(name, names, lambda: Gauge(name, help, names, registry=self.registry), Gauge)
        (gauge.labels(**labels) if labels else gauge).set_function(read)

    def render(self) -> bytes:
        """Everything as text, as Prometheus reads it. Its type is `CONTENT_TYPE`."""
        return generate_latest(self.registry)

    def described(self) -> list[MetricDescribed]:
        """What is registered, in the order in which it was; no value is read."""
        return [
            MetricDescribed(name, type(metric).__name__.lower(), metric._documentation, labels)
            for name, (metric, labels) in self._known.items()
        ]

    def _once(self, name: str, labels: Sequence[str], make: Callable[[], M], kind: type[M]) -> M:
        known, known_labels = self._known.get(name) or (None, ())
        if known is None:
            made = make()
            self._known[name] = (made, tuple(labels))
            return made
        if not isinstance(known, kind) or known_labels != tuple(labels):
            raise ValueError(f"metric {name!r} is already a {type(known).__name__} with the labels {known_labels}")
        return known
