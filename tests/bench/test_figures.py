"""What the benchmarks' figures are made of."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from time import perf_counter

import pytest
from msgspec.structs import replace

from bench.collecting import crowded
from bench.load.fixes import Times, Walker
from bench.load.process import Tally
from bench.machine import CpuUse, Machine
from bench.report import Report, line_of
from bench.rounds import round_of
from overworld.app.game import SHIPPED
from overworld.client.raw_http import request

MACHINE = Machine(cpu="a processor", cores=2, memory_gb=1.0, kernel="Linux", python="3.11", postgres="18.4")
QUIET = CpuUse(seconds=1.0, server=0.5, postgres=0.2, generator=0.1, others=0.0, cores=2)
REPORT = Report(
    benchmark="claims",
    spans={"claims_per_s": [300.0, 100.0, 200.0], "p50_ms": [1.0, 2.0, 3.0]},
    cpu=[QUIET] * 3,
    rss_mb=100.0,
    machine=MACHINE,
    settings={},
    figures={},
)


class Line:
    """A connection that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.heard: Callable[[bytes], None]
        self.ended: Callable[[], None]

    def send(self, message: bytes) -> None:
        self.sent.append(message)

    def close(self) -> None:
        self.ended()


def test_a_figure_is_the_median_of_its_rounds_between_the_least_and_the_most():
    line = json.loads(line_of(REPORT))
    assert (line["min"]["claims_per_s"], line["claims_per_s"], line["max"]["claims_per_s"]) == (100, 200, 300)
    assert line["rounds"] == 3
    assert line["warnings"] == []


def test_a_busy_machine_is_warned_of_also_when_only_one_round_was_disturbed():
    busy = replace(REPORT, cpu=[QUIET, replace(QUIET, others=0.5), QUIET])
    line = json.loads(line_of(busy))
    assert line["cpu_others_share"] == 0.25
    assert "25%" in line["warnings"][0]


def test_a_round_has_rate_and_percentiles_of_what_was_answered():
    tally = Tally(done=200, seconds=4.0, latencies_s=[i / 1_000 for i in range(1, 101)])
    measured = round_of(tally, QUIET)
    assert measured.per_s == 50
    assert measured.p50_ms == pytest.approx(50, abs=1)
    assert measured.p99_ms == pytest.approx(99, abs=1)


def test_a_latency_begins_when_the_fix_was_due_not_when_it_was_sent():
    line = Line()
    walker = Walker(line, i=0, ack_every=1, times=Times())
    walker.send(due_s=perf_counter() - 5)
    line.heard(b'{"type":"location.verdict","cid":"1","data":{"accepted":true}}')
    assert walker.latencies_s[0] >= 5


def test_every_so_manyth_fix_asks_for_its_verdict_and_each_is_a_second_later_farther_north():
    line = Line()
    walker = Walker(line, i=0, ack_every=4, times=Times())
    for _ in range(8):
        walker.send(due_s=0)
    fixes = [json.loads(message) for message in line.sent]
    assert [fix.get("ack", False) for fix in fixes] == [False, False, False, True] * 2
    assert [fix["data"]["timestamp"][-3:] for fix in fixes] == [f"{second:02}Z" for second in range(1, 9)]
    lats = [fix["data"]["lat"] for fix in fixes]
    assert lats == sorted(set(lats))


def test_a_crowded_game_is_open_for_hours_and_keeps_the_rest_of_the_game():
    text = (SHIPPED / "ore" / "game.toml").read_text()
    for now_s in (0.0, 86_399.0, 1_764_080_000.0):
        game = tomllib.loads(crowded(text, now_s=now_s))
        window_s = game["collectibles"]["window_s"]
        assert window_s - now_s % window_s > 6 * 3_600
        assert game["collectibles"]["types"] == tomllib.loads(text)["collectibles"]["types"]


def test_a_request_says_how_long_its_body_is():
    head, body = request("POST", "/v1/x", token="t", body='{"a":1}').split("\r\n\r\n")
    assert body == '{"a":1}'
    assert "Content-Length: 7" in head.split("\r\n")
    assert "Authorization: Bearer t" in head.split("\r\n")
    assert request("GET", "/v1/x").endswith("\r\n\r\n")
