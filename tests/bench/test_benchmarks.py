"""The benchmarks of script/bench, each in a tiny form: its last line parses, its figures are real, its check holds.

Usually the cheapest of each kind is tried: over sockets, over HTTP, on PostgreSQL, with events, within one process; all
of them with `script/test --whole`, as each starts servers and makes a game for itself.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench import connections
from tests.thinned import whole_only

ROOT = Path(__file__).parents[2]
NO_WRK = shutil.which("wrk") is None and os.environ.get("CI") != "true"
NO_REDIS = shutil.which("redis-server") is None and os.environ.get("CI") != "true"

slow = pytest.mark.slow
needs_wrk = pytest.mark.skipif(NO_WRK, reason="wrk is not installed: script/need wrk")


def bench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(  # noqa: S603 - our own words
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def told(*arguments: str) -> dict[str, Any]:
    """What a benchmark says in the one line of `--json`."""
    ran = bench(*arguments, "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    line: dict[str, Any] = json.loads(ran.stdout)
    assert line["benchmark"] == arguments[0]
    assert line["faults"] == []
    assert line["rss_mb"] > 50
    assert line["p99_ms"] >= line["p50_ms"] > 0
    assert line["machine"]["cores"] >= 1
    assert line["machine"]["postgres"]
    assert 0 <= line["cpu_others_share"] <= 1
    assert line["rounds"] == 3
    return line


def holds(line: dict[str, Any], rate: str) -> None:
    assert 0 < line["min"][rate] <= line[rate] <= line["max"][rate]
    assert line["cpu_cores"]["server"] > 0
    assert line["cpu_cores"]["generator"] > 0


@slow
def test_events_are_counted_when_they_are_consumed():
    line = told("log", "--rate", "500", "--seconds", "1.2", "--rounds", "3")
    assert 0 < line["min"]["events_per_s"] <= line["events_per_s"] <= line["max"]["events_per_s"]
    assert line["consumed"] > 500


@slow
@whole_only
@pytest.mark.parametrize("over", ["socket", "http"])
def test_every_claim_is_counted_once(over: str):
    line = told("claims-socket", "--over", over, "--players", "8", "--contested", "0.5", "--seconds", "0.3")
    holds(line, "claims_per_s")
    assert line["wins"] == line["transfers"] > 0
    assert list(line["refusals"]) == ["gameplay.already_collected"]
    assert line["audit_faults"] == 0


@slow
@whole_only
def test_claims_are_measured_in_batches_and_row_by_row_on_the_same_books():
    of = ["--players", "200", "--campaigns", "5", "--contested", "0.2", "--in-flight", "16"]
    line = told("claims", *of, "--seconds", "0.3", "--rounds", "3")
    ratio = line["claims_per_s"] / line["row_by_row"]["claims_per_s"]
    assert line["ratio_vs_row_by_row"] == pytest.approx(ratio, abs=0.01)
    assert line["wins"] == line["transfers"] > 0
    assert line["refusals"]["gameplay.already_collected"] > 0
    assert line["postgres_claim_us"] > 0
    assert line["wal_bytes"] > 0


@slow
@whole_only
def test_one_sponsor_pays_for_all_claims_and_nothing_is_paid_twice():
    line = told("claims-hot", "--players", "200", "--in-flight", "16", "--seconds", "0.3", "--rounds", "3")
    assert line["ratio_vs_row_by_row"] > 0
    assert line["wins"] == line["transfers"] > 0
    assert line["refusals"] == {}


@slow
def test_gifts_are_posted_in_batches_and_every_wallet_holds_what_was_answered():
    line = told("transfers", "--accounts", "100", "--in-flight", "16", "--seconds", "0.3", "--rounds", "3")
    assert line["min"]["transfers_per_s"] > 0
    assert line["transfers"] > 0
    assert line["audit_faults"] == 0


@slow
def test_what_postgresql_takes_for_a_row_is_added_up_to_what_a_claim_cannot_do_without():
    line = told("rows", "--seconds", "0.6", "--rounds", "3")
    assert 0 <= line["min"]["insert_us"] <= line["insert_us"]
    assert line["claim_floor_us"] >= line["transfer_floor_us"] > 0


@slow
@whole_only
def test_what_players_carry_after_changes_is_what_they_were_told():
    line = told("inventory", "--players", "100", "--in-flight", "16", "--seconds", "0.6", "--rounds", "3")
    assert line["min"]["changes_per_s"] > 0
    assert line["ratio_vs_row_by_row"] > 0
    assert line["audit_faults"] == 0


@slow
@whole_only
def test_progress_of_quests_is_measured_beside_one_event_at_a_time_and_every_count_holds():
    line = told("quests", "--players", "50", "--seconds", "1", "--rounds", "3")
    assert line["min"]["events_per_s"] > 0
    ratio = line["events_per_s"] / line["row_by_row"]["events_per_s"]
    assert line["ratio_vs_row_by_row"] == pytest.approx(ratio, abs=0.01)
    assert line["audit_faults"] == 0


@slow
@whole_only
def test_queues_of_actions_are_measured_and_row_by_row_on_the_same_books():
    line = told("sync", "--players", "200", "--actions", "10", "--in-flight", "4", "--seconds", "0.3", "--rounds", "3")
    ratio = line["actions_per_s"] / line["row_by_row"]["actions_per_s"]
    assert line["ratio_vs_row_by_row"] == pytest.approx(ratio, abs=0.01)
    assert line["wins"] == line["transfers"] > 0
    assert line["audit_faults"] == 0


@slow
@whole_only
def test_collections_come_into_ranks_and_the_first_places_are_those_of_the_table():
    line = told("leaderboard", "--players", "1000", "--seconds", "3", "--rounds", "3")
    assert 0 < line["min"]["updates_per_s"] <= line["updates_per_s"]
    assert line["ratio_vs_row_by_row"] > 0
    assert line["row_by_row"]["updates_per_s"] > 0
    assert line["updates"] > 0
    assert 0 < line["alone_p50_us"] <= line["alone_p99_us"]
    assert 0 < line["shown_p50_ms"] <= line["shown_p99_ms"] < 10_000


@slow
@whole_only
def test_the_curve_of_claims_is_drawn(tmp_path: Path):
    ran = bench(
        "claims-curve",
        "--players",
        "200",
        "--campaigns",
        "2",
        "--in-flight-max",
        "16",
        "--seconds",
        "0.3",
        "--out",
        str(tmp_path),
        "--json",
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = json.loads(ran.stdout)["rows"]
    assert [row["in_flight"] for row in rows] == [1, 4, 16]
    assert (tmp_path / "claims-by-in-flight.svg").read_text().startswith("<svg")
    assert json.loads((tmp_path / "claims-by-in-flight.json").read_text()) == rows


@slow
def test_fixes_are_sent_as_fast_as_they_are_answered():
    line = told("location-json", "--connections", "4", "--seconds", "0.3")
    holds(line, "updates_per_s")
    assert line["settings"]["loop"] == "closed"


@slow
@whole_only
def test_fixes_are_sent_at_the_rate_asked_for():
    line = told("location-json", "--connections", "4", "--rate", "200", "--seconds", "3")
    holds(line, "updates_per_s")
    assert line["settings"]["loop"] == "open"
    assert line["updates_per_s"] == pytest.approx(200, rel=0.5)


@slow
@whole_only
@pytest.mark.parametrize("records", [1, 8])
def test_packed_fixes_are_all_judged_and_players_are_told_of_each_other(records: int):
    of = ["location-single"] if records == 1 else ["location", "--ack-share", "0.1", "--city-km", "0.3"]
    seconds = "3" if records == 1 else "9"
    line = told(*of, "--connections", "20", "--rate", "2000", "--seconds", seconds, "--rounds", "3")
    holds(line, "updates_per_s")
    assert line["updates_per_s"] == pytest.approx(2_000, rel=0.5)
    assert line["settings"]["records"] == records
    assert line["refusals"] == {}
    assert line["max_ms"] >= line["p999_ms"] >= line["p99_ms"]
    assert line["lag_p99_ms"] > 0
    if records > 1:  # in a round of 3 s everybody is told of again, as nobody is moved on by itself for more than 2 s
        assert line["surroundings_per_s"] > 0
        assert line["surroundings_bytes_per_s"] > 0


@slow
@whole_only
def test_what_is_said_in_a_room_is_delivered_to_everybody_there_while_others_report():
    of = ["--members", "20", "--room-size", "5", "--others", "4", "--rate", "400"]
    line = told("fanout", *of, "--seconds", "3", "--rounds", "3")
    holds(line, "deliveries_per_s")
    # In rounds of a second, with other tests on the same cores: whether each is heard once, not how evenly.
    assert line["deliveries_per_s"] == pytest.approx(20 * 4, rel=0.5)
    assert 0 < line["p50_ms"] <= line["p99_ms"]
    assert line["updates_per_s"] == pytest.approx(400, rel=0.5)
    assert line["settings"]["rooms"] == 4
    assert line["kb_per_connection"] > 0
    assert line["refusals"] == {}


@slow
@needs_wrk
def test_fixes_over_http_are_accepted():
    line = told("location-json", "--over", "http", "--connections", "2", "--seconds", "1")
    holds(line, "updates_per_s")
    assert line["settings"]["over"] == "http"


@slow
@whole_only
@needs_wrk
def test_nearby_is_measured_for_each_kind_and_all_of_them():
    line = told("nearby", "--players", "20", "--connections", "2", "--seconds", "1", "--rounds", "3")
    holds(line, "requests_per_s")
    for kind in ("coins", "players", "all"):
        assert line[f"{kind}_alone"]["requests_per_s"] > 0


@slow
@whole_only
@needs_wrk
@pytest.mark.skipif(NO_REDIS, reason="redis-server is not installed: script/need redis-server")
def test_tokens_are_verified_on_two_servers_and_sign_ins_disturb_others_by_so_much():
    few = ("--players", "4", "--accounts", "2", "--connections", "2", "--logins", "2", "--rate", "20")
    line = told("auth", *few, "--redis", "--seconds", "1", "--rounds", "3")
    holds(line, "http_verified_per_s")
    assert line["verify_cached_per_s"] > line["verify_uncached_per_s"] > 0
    assert line["mint_p99_ms"] >= line["mint_p50_ms"] > 0
    assert line["one_server"]["http_verified_per_s"] > 0
    assert line["logins"] > 0
    assert line["logins_per_s"] > 0
    assert line["login_p99_ms"] >= line["login_p50_ms"] > 0
    assert line["others_p99_ms"] > 0
    assert line["settings"]["limits"] == "in Redis"


@slow
@whole_only
def test_a_start_and_a_stop_are_timed_and_figures_come_with_units_before_the_line_of_json():
    ran = bench("start", "--first-rounds", "0", "--rounds", "3", "--seconds", "1")
    *lines, last = ran.stdout.splitlines()
    figures = json.loads(last)
    assert 0 < figures["min"]["start_s"] <= figures["start_s"] <= figures["max"]["start_s"]
    assert figures["p99_ms"] >= figures["p50_ms"] > 0
    assert 0 < figures["stop_s"] < 60
    shown = {line.split("  ")[1]: line for line in lines if line.startswith("  ")}
    assert {"start, s", "stop, s", "p50, ms", "machine", "software"} <= shown.keys()
    assert f"{figures['rss_mb']:,.0f} MB" in shown["server's memory"]
    assert "warm starts: 3 of 3" in ran.stdout


@slow
@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_without_wrk_a_benchmark_is_skipped_and_in_ci_fails(ci: str, code: int, tmp_path: Path):
    ran = bench("nearby", PATH=str(tmp_path), CI=ci)
    assert ran.returncode == code
    assert "skipped: this benchmark needs wrk" in ran.stderr
    assert ran.stdout == ""


@slow
@whole_only
def test_every_transfer_is_sealed_and_every_proof_verifies():
    ran = bench("seal", "--transfers", "10000", "--accounts", "100", "--rounds", "3", "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    line = json.loads(ran.stdout)
    assert (line["benchmark"], line["faults"], line["rounds"]) == ("seal", [], 3)
    assert 0 < line["min"]["hashed_per_s"] <= line["hashed_per_s"] <= line["max"]["hashed_per_s"]
    assert line["proof_max_ms"] >= line["proof_p99_ms"] >= line["proof_p50_ms"] > 0
    assert line["sealed_per_s"] > 0
    assert line["machine"]["postgres"]


@slow
def test_events_come_back_from_avro_and_the_bytes_are_those_of_fastavro():
    ran = bench("avro", "--events", "500", "--rounds", "3")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    *shown, last = ran.stdout.splitlines()
    line = json.loads(last)
    assert {"machine", "software"} <= {each.split("  ")[1] for each in shown if each.startswith("  ")}
    assert (line["benchmark"], line["faults"]) == ("avro", [])
    assert min(line[rate] for rate in ("encoded_per_s", "decoded_per_s", "fastavro_per_s")) > 0
    assert line["bytes_per_event"] < line["json_bytes_per_event"]


@slow
@whole_only
def test_every_fix_is_kept_and_pages_of_tracks_come_in_order():
    ran = bench("history", "--fixes", "1000", "--players", "10", "--rounds", "3", "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    line = json.loads(ran.stdout)
    assert (line["faults"], line["fixes_kept"]) == ([], 8 * 1_000)
    assert line["copied_per_s"] > 0
    assert line["ratio"] > 0
    assert line["read_p99_ms"] >= line["read_p50_ms"] > 0


@slow
@pytest.mark.parametrize("entities", ["1000", pytest.param("3000", marks=whole_only)])
def test_a_period_is_timed_stage_by_stage_and_everybody_is_told(entities: str):
    sizes = ("--entities", entities, "--updates", "500", "--watchers", "100", "--rounds", "3")
    ran = bench("tick", *sizes, "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    line = json.loads(ran.stdout)
    assert line["faults"] == []
    assert line["settings"]["entities"] == int(entities)
    assert sum(line["stages_ms"].values()) == pytest.approx(line["ms_p50"], rel=0.5)
    assert 90 <= line["frames_per_period"] <= 100
    assert line["told_per_period"] > 0


@slow
@whole_only
def test_the_bytes_of_a_crowd_are_counted_and_telling_less_costs_less():
    lines = []
    for error_m in ("0", "2"):
        ran = bench("bandwidth", "--players", "20", "--seconds", "20", "--error-m", error_m, "--json")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        lines.append(json.loads(ran.stdout))
    assert lines[0]["kB_per_s_player"] > lines[1]["kB_per_s_player"] > 0
    for rate in lines[0]["rates"].values():
        assert rate["kB_per_s_on_the_line"] > rate["kB_per_s"]


@slow
def test_the_benchmarks_are_listed_each_with_what_it_measures():
    lines = bench("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        "auth", "avro", "bandwidth", "claims", "claims-curve", "claims-hot", "claims-socket", "connections", "curves",
        "fanout", "history", "ingest", "ingest-single", "inventory", "kafka", "leaderboard", "location",
        "location-json", "location-single", "log", "nearby", "peers", "pipeline", "query", "quests", "rows", "seal",
        "start", "sync", "tick", "transfers",
    ]  # fmt: skip
    assert all(len(line) > 40 for line in lines)


@slow
def test_a_benchmark_that_is_told_to_end_leaves_no_server_behind():
    command = [sys.executable, "-m", "bench", "location-json", "--connections", "2", "--seconds", "60"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # noqa: S603 - our own words
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("players signed in: 2"):
                break
        started = psutil.Process(process.pid).children(recursive=True)
        assert any("serve" in child.cmdline() for child in started)
        process.terminate()
        process.stdout.read()
    assert process.returncode != 0
    assert psutil.wait_procs(started, timeout=30)[1] == []


@slow
@whole_only
def test_a_dense_city_is_asked_at_a_rate_and_inside_the_process():
    line = told("nearby", "--entities", "2000", "--rate", "50", "--seconds", "3", "--rounds", "3")
    holds(line, "requests_per_s")
    assert line["requests_per_s"] == pytest.approx(50, rel=0.5)
    assert line["p50_ms"] <= line["p95_ms"] <= line["p99_ms"]
    assert line["players_over_http"]["server_request_us"] > 0
    assert 0 < line["in_process_p50_ms"] <= line["in_process_p99_ms"]
    assert line["in_process_p50_ms"] < line["players_over_http"]["p50_ms"]


@slow
@whole_only
@pytest.mark.skipif(NO_REDIS, reason="redis-server is not installed: script/need redis-server")
def test_redis_does_the_same_work_in_the_same_run():
    line = told("peers", "--entities", "1000", "--connections", "4", "--rate", "50", "--seconds", "3", "--rounds", "3")
    for server in ("overworld", "redis"):
        assert line[server]["updates_per_s"] > 0
        assert line[server]["search_p50_ms"] > 0
    expected = line["overworld"]["updates_per_s"] / line["redis"]["updates_per_s"]
    assert line["ours_to_redis"]["updates_per_s"] == pytest.approx(expected, abs=0.01)


def test_the_picture_of_connections_has_a_line_for_each_figure():
    rows = [
        {"connections": count, "p50_ms": 1.0 + count / 1e4, "p99_ms": 3.0, "server_update_us": 2.0}
        for count in (500, 1_000)
    ]
    drawn = connections.picture(rows)
    assert all(name in drawn for name in ("median, ms", "99 %, ms", "server, us a fix"))
