"""The SQL of analytics, in DuckDB's dialect; `{events}` stands for the events of the time that is asked about."""

from __future__ import annotations

from overworld.domains.analytics.types import By

_ROLLUPS = {
    by: f"""
SELECT since, name, key, count, players, CASE WHEN valued > 0 THEN total / valued END AS mean FROM rollup_{by}
WHERE since >= $since AND since < $until AND dimension = $dimension AND (len($names) = 0 OR list_contains($names, name))
  AND (since, name, key) > ($after_since, $after_name, $after_key)
ORDER BY since, name, key LIMIT $limit"""  # noqa: S608  # one of two words
    for by in By
}


def counts(by: By) -> str:
    """Rows of a rollup after a place, in the order of time, name and key."""
    return _ROLLUPS[by]


OVERVIEW = """
WITH counted AS (
  SELECT name, sum(count)::BIGINT AS count, sum(total) AS total FROM rollup_day
  WHERE dimension = '' AND since >= $since AND name IN ('', $started, $completed, $sent) GROUP BY name)
SELECT
  (SELECT coalesce(sum(count), 0)::BIGINT FROM counted WHERE name = '') AS events,
  (SELECT coalesce(sum(count), 0)::BIGINT FROM counted WHERE name = $started) AS started,
  (SELECT coalesce(sum(count), 0)::BIGINT FROM counted WHERE name = $completed) AS completed,
  (SELECT coalesce(sum(total), 0) FROM counted WHERE name = $sent) AS sent,
  (SELECT count(DISTINCT player) FROM presence WHERE day >= $today) AS active_day,
  (SELECT count(DISTINCT player) FROM presence WHERE day > $today - 7) AS active_week,
  (SELECT count(DISTINCT player) FROM presence WHERE day > $today - 30) AS active_month,
  (SELECT count(*) FROM newcomer WHERE first_at >= $since) AS new_players"""

SESSION_MEAN = """
SELECT avg(lasted_s) AS mean_s FROM (
  SELECT epoch(max(happened_at) - min(happened_at)) AS lasted_s FROM {events}
  WHERE player IS NOT NULL AND session IS NOT NULL GROUP BY player, session)"""

REALTIME = """
SELECT count(DISTINCT player) FILTER (WHERE happened_at >= $five_minutes) AS active_players,
       coalesce(sum(weight) FILTER (WHERE happened_at >= $one_minute), 0)::BIGINT AS last_minute,
       count(*) FILTER (WHERE name = $collected) AS collected,
       count(*) FILTER (WHERE name = $completed) AS completed
FROM {events}"""

TOP_EVENTS = """
SELECT name, sum(weight)::BIGINT AS count FROM {events} GROUP BY name ORDER BY count DESC, name LIMIT $limit"""

RETENTION = """
SELECT cohort, day - cohort AS age, count(*) AS players
FROM (SELECT player, first_at::DATE AS cohort FROM newcomer WHERE first_at >= $since AND first_at < $until)
JOIN presence USING (player) WHERE day >= cohort AND day - cohort <= $ages GROUP BY ALL ORDER BY cohort, age"""

ACTIVE_SINCE = "SELECT min(day) AS since, count(*) AS days FROM presence WHERE player = $player AND day >= $since"

PLAYER = """
SELECT count(*) AS events, count(*) FILTER (WHERE name = $collected) AS collected,
       coalesce(sum(value) FILTER (WHERE name = $collected), 0) AS collected_value,
       coalesce(sum(TRY_CAST(properties ->> 'metres' AS DOUBLE)) FILTER (WHERE name = $moved), 0) AS metres,
       count(*) FILTER (WHERE name = $completed) AS quests_completed,
       coalesce(sum(pause_s) FILTER (WHERE pause_s <= $pause_max_s), 0) AS play_s,
       count(*) FILTER (WHERE pause_s IS NULL OR pause_s > $pause_max_s) AS sessions
FROM (
  SELECT name, value, properties,
         epoch(happened_at - lag(happened_at) OVER (ORDER BY happened_at)) AS pause_s
  FROM {events} WHERE player = $player)"""


EXPECTED = """
SELECT least(
  (SELECT coalesce(sum(count), 0)::BIGINT FROM rollup_hour
   WHERE dimension = '' AND list_contains($names, name) AND since >= $since - INTERVAL 1 HOUR AND since < $until),
  (SELECT coalesce(sum(rows), 0)::BIGINT FROM file WHERE until > $since AND since < $until)
    + (SELECT count(*) FROM event)) AS rows"""
"""At most so many rows of some names: what they stand for, which is more where they are sampled, or all there are."""

STEPS = """
SELECT (player::UHUGEINT >> 64)::UBIGINT AS who, epoch_us(happened_at) AS us,
       (list_position($names, name) - 1)::UTINYINT AS name
FROM {events} WHERE player IS NOT NULL AND list_position($names, name) > 0"""


def heatmap(parent_cell: str, within: str) -> str:
    """Cells by how many players were there; `within` leaves out ranges of cells that cannot matter."""
    return (
        f"SELECT {parent_cell} AS cell, approx_count_distinct(player) AS players, sum(weight)::BIGINT AS events, "  # noqa: S608
        "sum(value * weight) / sum(weight) FILTER (WHERE value IS NOT NULL) AS mean_value "
        f"FROM {{events}} WHERE cell IS NOT NULL{within} GROUP BY 1"
    )


def visits(parent_cell: str, within: str) -> str:
    """Who was in which cell, each once."""
    return (
        f"SELECT DISTINCT {parent_cell} AS cell, (player::UHUGEINT >> 64)::UBIGINT AS who "  # noqa: S608
        f"FROM {{events}} WHERE player IS NOT NULL AND cell IS NOT NULL{within}"
    )
