"""Alerts, dashboards and runbooks: tried by promtool, and compared with each other and with what a server registers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from overworld.platform.observability.metrics import MetricDescribed
from script import build_dashboards
from script.reference import house

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
TRIALS = ROOT / "deploy" / "prometheus" / "alerts_test.yml"
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text()
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text())
NAME = re.compile(r"\b(?:overworld_\w+|up)\b(?=\{|\[|\)| |$)")
OF_PROMETHEUS = {"up": {"job", "instance"}}
ALWAYS = {"job", "instance"}


def promtool(*arguments: str | Path) -> str:
    program = shutil.which("promtool")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("promtool is missing: script/need promtool=prometheus")
        pytest.skip("promtool is missing: script/need promtool=prometheus")
    ran = subprocess.run(  # noqa: S603 - a tool on files of ours
        [program, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def registered() -> dict[str, set[str]]:
    """What a server shows, by the name under which Prometheus has it, with its labels."""
    shown = dict(OF_PROMETHEUS)
    for metric in house.described().metrics.described():
        for name in names_of(metric):
            shown[name] = {*metric.labels, *ALWAYS, *({"le"} if name.endswith("_bucket") else ())}
    return shown


def names_of(metric: MetricDescribed) -> list[str]:
    if metric.kind == "counter":
        return [f"{metric.name}_total"]
    return [metric.name + end for end in ("_bucket", "_sum", "_count")] if metric.kind == "histogram" else [metric.name]


def faults(expression: str, registered: dict[str, set[str]]) -> list[str]:
    """What an expression names that no server has: metrics, and labels that none of its metrics has."""
    names = set(NAME.findall(expression))
    unknown = sorted(names - registered.keys())
    labels = set().union(*(registered[name] for name in names if name in registered))
    used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression))
    used |= {label for group in re.findall(r"(?:by|on) \(([\w, ]+)\)", expression) for label in group.split(", ")}
    return unknown + sorted(used - labels) + ([] if names else ["no metric"])


def rules() -> dict[str, str]:
    """The expression of each alert, on one line."""
    blocks = re.split(r"- alert: ", RULES.read_text())[1:]
    return {
        block.split()[0]: " ".join(re.split(r"\n        (?:for|labels):", block.split("expr:")[1])[0].split())
        for block in blocks
    }


def test_the_rules_are_valid():
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", RULES)


def test_every_alert_fires_where_it_must_and_not_where_it_must_not():
    assert "SUCCESS" in promtool("test", "rules", TRIALS)


def test_promtool_finds_an_alert_that_does_not_fire(tmp_path):
    """So the trial above can fail."""
    (tmp_path / "alerts.yml").write_text(RULES.read_text().replace("== 0", "== 7"))
    (tmp_path / "alerts_test.yml").write_text(TRIALS.read_text())
    with pytest.raises(AssertionError, match="OverworldDown"):
        promtool("test", "rules", tmp_path / "alerts_test.yml")


def test_every_alert_is_tried_both_ways():
    tried = re.findall(r"- name: (\w+) (fires|does not fire)\n", TRIALS.read_text())
    assert sorted(tried) == sorted((alert, way) for alert in ALERTS for way in ("fires", "does not fire"))
    assert len(ALERTS) == len(set(ALERTS)) > 20


def test_every_alert_asks_for_what_a_server_shows(registered):
    assert {alert: found for alert, rule in rules().items() if (found := faults(rule, registered))} == {}


def test_every_panel_asks_for_what_a_server_shows(registered):
    found = {}
    for file in sorted(build_dashboards.FOLDER.glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                if wrong := faults(target["expr"], registered):
                    found[file.name, panel["title"]] = wrong
    assert found == {}


def test_a_metric_or_a_label_that_nobody_has_is_found(registered):
    assert faults("overworld_nothing_total > 0", registered) == ["overworld_nothing_total"]
    assert faults('overworld_queue_depth{lane="x"}', registered) == ["lane"]


def test_the_dashboards_are_as_their_tables_say():
    files = {file.stem: file.read_text() for file in build_dashboards.FOLDER.glob("*.json")}
    assert files == {name: build_dashboards.text(name) for name in build_dashboards.BOARDS}


def test_every_expression_of_the_dashboards_is_promql(tmp_path):
    lines = ["groups:", "- name: panels", "  rules:"]
    for name in build_dashboards.BOARDS:
        for i, panel in enumerate(build_dashboards.board(name)["panels"]):
            for target in panel["targets"]:
                expression = target["expr"].replace("$__rate_interval", "5m")
                rule = {"record": f"{name}:{i}:{target['refId']}", "expr": expression}
                lines.append(f"  - {json.dumps(rule)}")
    (tmp_path / "panels.yml").write_text("\n".join(lines))
    assert f"{len(lines) - 3} rules found" in promtool("check", "rules", tmp_path / "panels.yml")


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    assert re.findall(r"^## (\w+)$", RUNBOOKS, re.MULTILINE) == ALERTS


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbook_says_what_it_means_how_to_look_and_what_to_do(alert):
    section = RUNBOOKS.split(f"## {alert}\n")[1].split("\n## ")[0]
    assert re.search(r"\*\*Means\.\*\* .+\*\*Look\.\*\* .+\*\*Do\.\*\* .+", section, re.DOTALL)
