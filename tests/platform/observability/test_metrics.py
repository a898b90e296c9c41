"""Metrics: named once, read by Prometheus."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from overworld.platform.observability import Metrics


@pytest.fixture
def metrics():
    return Metrics(CollectorRegistry())


def test_a_gauge_is_read_when_somebody_looks(metrics):
    queue = [1, 2]
    metrics.gauge("overworld_queue", "Waiting.", lambda: len(queue), labels={"lane": "a"})
    metrics.gauge("overworld_queue", "Waiting.", lambda: 9, labels={"lane": "b"})
    queue.append(3)
    text = metrics.render().decode()
    assert 'overworld_queue{lane="a"} 3.0' in text
    assert 'overworld_queue{lane="b"} 9.0' in text


def test_two_parts_may_share_a_counter(metrics):
    metrics.counter("overworld_things", "Things.", labels=("kind",)).labels("a").inc()
    metrics.counter("overworld_things", "Things.", labels=("kind",)).labels("a").inc()
    assert 'overworld_things_total{kind="a"} 2.0' in metrics.render().decode()


def test_one_name_cannot_be_two_things(metrics):
    metrics.counter("overworld_things", "Things.", labels=("kind",))
    with pytest.raises(ValueError, match="already a counter"):
        metrics.histogram("overworld_things", "Things.", labels=("kind",))
    with pytest.raises(ValueError, match=r"labels \('kind',\)"):
        metrics.counter("overworld_things", "Things.")


def test_two_servers_in_one_process_do_not_meet():
    one, other = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    one.counter("overworld_things", "Things.").inc()
    assert "overworld_things_total 0.0" in _with_counter(other)


def _with_counter(metrics: Metrics) -> str:
    metrics.counter("overworld_things", "Things.")
    return metrics.render().decode()


def test_tallies_and_spreads_read_as_counters_and_histograms_do(metrics):
    plain = Metrics(CollectorRegistry())
    bounds = (0.1, 0.5, 1.0)
    counter, tallies = plain.counter("a", "A.", labels=("x",)), metrics.tallies("a", "A.", labels=("x",))
    histogram = plain.histogram("b", "B.", labels=("x",), buckets=bounds)
    spreads = metrics.spreads("b", "B.", labels=("x",), bounds=bounds)
    for value in (0.0, 0.1, 0.11, 0.5, 1.0, 1.5):
        counter.labels("one").inc()
        tallies.labels("one").value += 1
        histogram.labels("one").observe(value)
        spreads.labels("one").observe(value)
    assert metrics.described() == plain.described()
    assert metrics.render().decode().splitlines() == [
        line for line in plain.render().decode().splitlines() if "_created" not in line
    ]


def test_a_tally_is_shared_and_cannot_be_something_else(metrics):
    assert metrics.tallies("a", "A.", labels=("x",)).labels("1") is metrics.tallies("a", "A.", labels=("x",)).labels("1")
    with pytest.raises(ValueError, match="already a counter"):
        metrics.spreads("a", "A.", labels=("x",), bounds=(1.0,))
