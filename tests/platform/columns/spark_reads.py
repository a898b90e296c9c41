"""Run by script/spark: what Spark finds in an Iceberg table, as JSON. Arguments: the table's metadata file."""

from __future__ import annotations

import json
import os
import sys

from pyspark.sql import SparkSession

_QUESTIONS = {
    "whole": """SELECT count(*), count(DISTINCT player), count(DISTINCT event_id), CAST(sum(value) AS DECIMAL(20, 2)),
                       CAST(min(happened_at) AS STRING), CAST(max(happened_at) AS STRING) FROM events""",
    "names": "SELECT name, count(*), count(DISTINCT player) FROM events GROUP BY name ORDER BY name",
    "days": "SELECT CAST(happened_at AS DATE), count(*), count(DISTINCT player) FROM events GROUP BY 1 ORDER BY 1",
    "cells": "SELECT cell, count(*) FROM events GROUP BY cell ORDER BY count(*) DESC, cell LIMIT 20",
    "one_day": """SELECT count(*) FROM events
                  WHERE happened_at >= TIMESTAMP_NTZ '2026-06-02' AND happened_at < TIMESTAMP_NTZ '2026-06-03'""",
}


def main(metadata: str) -> None:
    """Prints the answers."""
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", os.environ["SPARK_JARS"])
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "1g")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    spark.read.format("iceberg").load(metadata).createOrReplaceTempView("events")
    answers = {name: [list(row) for row in spark.sql(sql).collect()] for name, sql in _QUESTIONS.items()}
    spark.stop()
    sys.stdout.write(json.dumps(answers, default=str) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
