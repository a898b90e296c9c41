"""Writes deploy/grafana/*.json, a dashboard for each table below: `script/docs dashboards`, after changing one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent.parent / "deploy" / "grafana"
_COLUMNS = 2
_WIDTH, _HEIGHT = 12, 8
_ON = 'job="$job",instance=~"$instance"'


class Panel(NamedTuple):
    """A graph: its title, its unit as Grafana names it, and its lines as (expression, legend).

    `{on}` in an expression stands for the servers chosen.
    """

    title: str
    unit: str
    lines: tuple[tuple[str, str], ...]


def rate(metric: str, by: str = "instance", where: str = "") -> str:
    """How fast a counter grows."""
    return f"sum by ({by}) (rate({metric}_total{{{{on}}{where and ',' + where}}}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "") -> str:
    """A quantile of a histogram."""
    labels = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{{{on}}}}[$__rate_interval])))"


def now(metric: str, by: str = "instance", how: str = "sum", where: str = "") -> str:
    """A gauge."""
    return f"{how} by ({by}) ({metric}{{{{on}}{where and ',' + where}}})"


def _quantiles(metric: str) -> tuple[tuple[str, str], ...]:
    return tuple((quantile(share, metric), f"P{share * 100:g}") for share in (0.5, 0.95, 0.99))


def _queue(title: str, where: str) -> tuple[Panel, ...]:
    return (
        Panel(f"{title}: waiting", "short", ((now("overworld_queue_depth", "queue", where=where), "{{queue}}"),)),
        Panel(
            f"{title}: age of the oldest",
            "s",
            ((now("overworld_queue_oldest_seconds", "queue", "max", where), "{{queue}}"),),
        ),
        Panel(f"{title}: refused", "ops", ((rate("overworld_queue_refusals", "queue", where), "{{queue}}"),)),
    )


_ERRORS = (
    'sum(rate(overworld_http_requests_total{{on},status=~"5.."}[$__rate_interval]))'
    " / sum(rate(overworld_http_requests_total{{on}}[$__rate_interval]))"
)

BOARDS: dict[str, tuple[str, tuple[Panel, ...]]] = {
    "overview": (
        "Overworld: overview",
        (
            Panel("Servers that answer", "short", (('sum(up{job="$job"})', "up"),)),
            Panel("Requests", "reqps", ((rate("overworld_http_requests", "status"), "{{status}}"),)),
            Panel("Share of 5xx", "percentunit", ((_ERRORS, "5xx"),)),
            Panel("Time of a request", "s", _quantiles("overworld_http_request_seconds")),
            Panel("Connections and players", "short",
                  ((now("overworld_sockets"), "sockets {{instance}}"),
                   (now("overworld_world_players"), "players {{instance}}"))),
            Panel("Fullest queues", "percentunit",
                  (("topk(8, max by (queue) (overworld_queue_depth{{on}} / (overworld_queue_bound{{on}} > 0)))",
                    "{{queue}}"),)),
            Panel("Consumers behind", "s",
                  ((now("overworld_consumer_lag_seconds", "consumer", "max"), "{{consumer}}"),)),
            Panel("Failures of loops", "ops", ((rate("overworld_loop_failures"), "{{instance}}"),)),
            Panel("Spans", "ops", ((rate("overworld_spans_exported"), "exported {{instance}}"),
                                   (rate("overworld_spans_lost"), "lost {{instance}}"))),
        ),
    ),
    "world": (
        "Overworld: world and tick",
        (
            Panel("Fixes judged", "ops", ((rate("overworld_world_records"), "{{instance}}"),)),
            Panel("Verdicts", "ops", ((rate("overworld_world_verdicts", "reason"), "{{reason}}"),)),
            Panel("Time of a pass", "s", _quantiles("overworld_world_pass_seconds")),
            Panel("How late passes begin", "s", _quantiles("overworld_world_pass_late_seconds")),
            Panel("Passes over budget, and late", "ops", ((rate("overworld_world_over_budget"), "over {{instance}}"),
                                                          (rate("overworld_world_late"), "late {{instance}}"))),
            Panel("Players in memory", "short", ((now("overworld_world_players"), "{{instance}}"),)),
            *_queue("Queues of the world", 'queue=~"fixes|movement-events|fence-events|fence-fixes|history"'),
            Panel("Surroundings: bytes", "Bps", ((rate("overworld_interest_bytes"), "{{instance}}"),)),
            Panel("Surroundings: time", "percentunit", ((rate("overworld_interest_encode_seconds"), "encode"),
                                                        (rate("overworld_interest_serve_seconds"), "serve"))),
            Panel("Longest collection of garbage", "s",
                  ((now("overworld_gc_longest_seconds", "generation", "max"), "generation {{generation}}"),)),
        ),
    ),
    "money": (
        "Overworld: money",
        (
            Panel("Faults in the books", "short", ((now("overworld_ledger_faults", how="max"), "{{instance}}"),)),
            Panel("Looks of the auditor", "ops", ((rate("overworld_ledger_audits"), "{{instance}}"),)),
            Panel("Transfers sealed", "ops", ((rate("overworld_ledger_sealed"), "{{instance}}"),)),
            Panel("Transfers not sealed yet", "short", ((now("overworld_ledger_waiting", how="max"), "{{instance}}"),)),
            Panel("Open promises", "short", ((now("overworld_ledger_promises", how="max"), "{{instance}}"),)),
            Panel("Commands", "ops", ((rate("overworld_lane_commands", "lane"), "{{lane}}"),)),
            Panel("Time of a batch", "s", _quantiles("overworld_lane_batch_seconds")),
            Panel("Commands in a batch", "short", _quantiles("overworld_lane_batch_commands")),
            Panel("Batches run again", "ops", ((rate("overworld_lane_reruns", "lane"), "{{lane}}"),)),
            *_queue("Lanes", 'queue=~"claims-.*|transfers-.*|sync-.*|carry-.*|quests-.*|memberships-.*"'),
            Panel("Held rewards", "ops", ((rate("overworld_held_rewards", "state"), "{{state}}"),)),
        ),
    ),
    "events": (
        "Overworld: event log",
        (
            Panel("Behind, in seconds", "s",
                  ((now("overworld_consumer_lag_seconds", "consumer", "max"), "{{consumer}}"),)),
            Panel("Behind, in events", "short",
                  ((now("overworld_consumer_lag_events", "consumer", "max"), "{{consumer}}"),)),
            Panel("Behind, in batches", "short",
                  ((now("overworld_consumer_lag_batches", "consumer", "max"), "{{consumer}}"),)),
            Panel("Events handled", "ops", ((rate("overworld_consumer_handled", "consumer"), "{{consumer}}"),)),
            Panel("Held back by a transaction", "s",
                  ((now("overworld_events_held_seconds", how="max"), "events {{instance}}"),
                   (now("overworld_database_transaction_oldest_seconds", how="max"), "transaction {{instance}}"))),
            Panel("Batches held back", "short", ((now("overworld_events_held_batches", how="max"), "{{instance}}"),)),
            Panel("Dead letters", "short",
                  ((now("overworld_consumer_dead_letters", "consumer", "max"), "{{consumer}}"),)),
            Panel("Tries that failed", "ops", ((rate("overworld_consumer_retries", "consumer"), "{{consumer}}"),)),
            Panel("Servers that read", "short", ((now("overworld_consumer_active", "consumer"), "{{consumer}}"),)),
            Panel("Behind on Kafka, in events", "short",
                  ((now("overworld_kafka_consumer_lag_events", "consumer", "max"), "{{consumer}}"),)),
            Panel("Carried on to Kafka", "ops",
                  ((rate("overworld_kafka_relayed"), "sent {{instance}}"),
                   (rate("overworld_kafka_relay_failures"), "tries that failed {{instance}}"))),
            *_queue("Webhooks and mails", 'queue=~"webhooks|mails"'),
            Panel("Webhooks", "ops", ((rate("overworld_webhooks_delivered"), "delivered {{instance}}"),
                                      (rate("overworld_webhooks_failed"), "failed {{instance}}"),
                                      (rate("overworld_webhooks_given_up"), "given up {{instance}}"))),
        ),
    ),
    "telemetry": (
        "Overworld: telemetry and answers",
        (
            Panel("Events that came in", "ops", ((rate("overworld_telemetry_accepted"), "accepted {{instance}}"),
                                                 (rate("overworld_telemetry_sampled"), "sampled {{instance}}"),
                                                 (rate("overworld_telemetry_refused"), "refused {{instance}}"))),
            Panel("Requests put off", "ops", ((rate("overworld_telemetry_put_off"), "{{instance}}"),)),
            Panel("Not processed yet", "bytes",
                  ((now("overworld_telemetry_backlog_bytes", how="max"), "{{instance}}"),)),
            Panel("Processed", "ops", ((rate("overworld_telemetry_processed_kept"), "kept {{instance}}"),
                                       (rate("overworld_telemetry_processed_repeated"), "repeated {{instance}}"),
                                       (rate("overworld_telemetry_processed_refused"), "refused {{instance}}"))),
            Panel("Events in columns", "ops", ((rate("overworld_columns_written"), "written {{instance}}"),
                                               (rate("overworld_columns_doubled"), "doubled {{instance}}"),
                                               (rate("overworld_columns_kept_out"), "kept out {{instance}}"))),
            Panel("Questions", "ops", ((rate("overworld_columns_answered"), "answered {{instance}}"),
                                       (rate("overworld_columns_too_long"), "too long {{instance}}"),
                                       (rate("overworld_columns_failed"), "failed {{instance}}"))),
            *_queue("Questions that wait", 'queue="questions"'),
            Panel("Streams of live figures", "short",
                  ((now("overworld_graphql_streams"), "open {{instance}}"),)),
            Panel("Streams refused", "ops", ((rate("overworld_graphql_streams_refused"), "{{instance}}"),)),
        ),
    ),
    "http": (
        "Overworld: HTTP",
        (
            Panel("Requests", "reqps", ((rate("overworld_http_requests", "route"), "{{route}}"),)),
            Panel("By status", "reqps", ((rate("overworld_http_requests", "status"), "{{status}}"),)),
            Panel("Time of a request", "s", _quantiles("overworld_http_request_seconds")),
            Panel("P99 by route", "s", ((quantile(0.99, "overworld_http_request_seconds", "route"), "{{route}}"),)),
            Panel("Refusals", "ops", ((rate("overworld_http_refusals", "code"), "{{code}}"),)),
            Panel("Over a limit", "ops", ((rate("overworld_limiter_refusals", "kind"), "{{kind}}"),
                                          (rate("overworld_limiter_alone"), "counted alone {{instance}}"))),
            Panel("Being answered", "short", ((now("overworld_http_requests_in_flight"), "{{instance}}"),)),
            Panel("Connections to the database", "short",
                  ((now("overworld_database_connections_used"), "used {{instance}}"),
                   (now("overworld_database_connections"), "open {{instance}}"))),
            *_queue("Callers of the database", 'queue="database"'),
        ),
    ),
    "accounts": (
        "Overworld: accounts",
        (
            Panel("Sign-ins and accounts", "reqps",
                  ((rate("overworld_http_requests", "route, status", 'route=~"/v1/auth.*"'), "{{route}} {{status}}"),)),
            Panel("Refusals", "ops",
                  ((rate("overworld_http_refusals", "code", 'code=~"accounts.*"'), "{{code}}"),)),
            *_queue("Queues of accounts", 'queue=~"sign-ins|passwords|avatars"'),
            Panel("Mails", "ops", ((rate("overworld_mail_sent"), "sent {{instance}}"),
                                   (rate("overworld_mail_failed"), "failed {{instance}}"),
                                   (rate("overworld_mail_given_up"), "given up {{instance}}"))),
            Panel("Mails: age of the oldest", "s",
                  ((now("overworld_mail_behind_seconds", how="max"), "{{instance}}"),)),
            Panel("Players not at the normal gate", "short",
                  ((now("overworld_trust_players", "gate", "max"), "{{gate}}"),)),
            Panel("Evidence", "ops", ((rate("overworld_trust_evidence", "kind"), "{{kind}}"),)),
        ),
    ),
    "realtime": (
        "Overworld: realtime",
        (
            Panel("Connections", "short", ((now("overworld_sockets"), "{{instance}}"),
                                           (now("overworld_sockets_bound"), "bound {{instance}}"))),
            Panel("Streams that may be resumed", "short", ((now("overworld_sockets_detached"), "{{instance}}"),)),
            Panel("Frames", "ops", ((rate("overworld_sockets_frames_in"), "in {{instance}}"),
                                    (rate("overworld_sockets_frames_out"), "out {{instance}}"))),
            Panel("Positions left out", "ops", ((rate("overworld_sockets_positions_dropped"), "{{instance}}"),)),
            Panel("Streams that came back", "ops", ((rate("overworld_sockets_resumed"), "resumed {{instance}}"),
                                                    (rate("overworld_sockets_resynced"), "resynced {{instance}}"))),
            Panel("Actions under way", "short", ((now("overworld_sockets_actions_in_flight"), "{{instance}}"),)),
            *_queue("Send queues", 'queue=~"publications|slow-readers"'),
            Panel("Failures of readers", "ops", ((rate("overworld_tail_failures"), "{{instance}}"),)),
        ),
    ),
}  # fmt: skip


def expression(template: str) -> str:
    """An expression as Grafana gets it."""
    return template.replace("{{on}}", "{" + _ON + "}").replace("{{on},", "{" + _ON + ",")


def board(name: str) -> dict[str, Any]:
    """One dashboard, as Grafana imports it."""
    title, panels = BOARDS[name]
    return {
        "uid": f"overworld-{name}",
        "title": title,
        "tags": ["overworld"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "links": [_others()],
        "templating": {"list": [_source(), _choice("job", "up"), _choice("instance", 'up{job="$job"}', multi=True)]},
        "panels": [_panel(i, panel) for i, panel in enumerate(panels)],
    }


def _others() -> dict[str, Any]:
    """A menu of our other dashboards, which keeps the time and what was chosen."""
    return {
        "type": "dashboards",
        "tags": ["overworld"],
        "asDropdown": True,
        "title": "Overworld",
        "icon": "external link",
        "tooltip": "",
        "targetBlank": False,
        "keepTime": True,
        "includeVars": True,
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _choice(name: str, metric: str, *, multi: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "query": {"query": f"label_values({metric}, {name})", "refId": name},
        "refresh": 2,
        "multi": multi,
        "includeAll": multi,
        "current": {"text": "All", "value": "$__all"} if multi else {"text": "overworld", "value": "overworld"},
        **({"allValue": ".*"} if multi else {}),
    }


def _panel(i: int, panel: Panel) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${source}"}
    return {
        "id": i + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": {"x": i % _COLUMNS * _WIDTH, "y": i // _COLUMNS * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {"refId": chr(ord("A") + j), "datasource": source, "expr": expression(line), "legendFormat": legend}
            for j, (line, legend) in enumerate(panel.lines)
        ],
    }


def text(name: str) -> str:
    """The file of one dashboard."""
    return json.dumps(board(name), indent=1) + "\n"


def main() -> None:
    """Writes them all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in BOARDS:
        (FOLDER / f"{name}.json").write_text(text(name))


if __name__ == "__main__":
    main()
