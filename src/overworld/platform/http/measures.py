"""What is measured about requests."""

from __future__ import annotations

from overworld.platform.observability import Metrics
from overworld.platform.observability.tallies import Spread, Tally

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "other"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class HttpMeasures:
    """Counts and times requests by route template, never by path: the number of series stays bounded."""

    def __init__(self, metrics: Metrics) -> None:
        self._requests = metrics.tallies(
            "overworld_http_requests", "Requests answered.", labels=("method", "route", "status")
        )
        self._seconds = metrics.spreads(
            "overworld_http_request_seconds", "Time to answer a request.", labels=("route",), bounds=_SECONDS
        )
        self._refusals = metrics.counter("overworld_http_refusals", "Requests refused, by code.", labels=("code",))
        self._limited = metrics.counter(
            "overworld_limiter_refusals", "Requests over a rate limit, by whose limit.", labels=("kind",)
        )
        self._series: dict[tuple[str, str, int], tuple[Tally, Spread]] = {}
        self.in_flight = 0
        metrics.gauge("overworld_http_requests_in_flight", "Requests being answered.", lambda: self.in_flight)

    def request(self, *, method: str, route: str, status: int, refusal_code: str | None, seconds: float) -> None:
        """Notes one answered request; status 0 is one whose client never got an answer."""
        series = self._series.get((method, route, status))
        if series is None:
            known = method if method in _METHODS else _OTHER
            series = self._requests.labels(known, route, str(status)), self._seconds.labels(route)
            if known is not _OTHER:
                self._series[method, route, status] = series
        requests, took = series
        requests.value += 1
        took.observe(seconds)
        if refusal_code is not None:
            self._refusals.labels(refusal_code).inc()

    def limited(self, kind: str) -> None:
        """Notes one request over a limit."""
        self._limited.labels(kind).inc()
