"""Where the catalogue of the Iceberg tables lies in PostgreSQL; apart from what reads it, which is slow to import."""

from __future__ import annotations

from pathlib import Path

from overworld.platform.postgres.migrations import Schema

SCHEMA = Schema(name="lake", folder=Path(__file__).parent / "schema")
