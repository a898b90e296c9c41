"""The archive as an Apache Iceberg table, which Spark, Trino and others read: a commit names files, it writes none.

The catalogue lies in PostgreSQL, in the schema `lake`. Files keep the names of their columns and carry no Iceberg ids;
the table has a name mapping, as the standard provides for files that were not written by Iceberg.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import obstore
import pg8000.dbapi
from obstore.exceptions import BaseError
from obstore.store import ObjectStore
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform
from pyiceberg.types import DoubleType, ListType, LongType, NestedField, StringType, TimestampType, UUIDType
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from overworld.kernel.refusals import Fault
from overworld.platform.columns.archive import PREFIX, Change
from overworld.platform.columns.layout import COLUMNS

CATALOGUE = "overworld"
NAMESPACE = "overworld"
TABLE = (NAMESPACE, "events")
_FOLDER = "lake/events"
_ORPHAN_AGE = timedelta(hours=1)
_KINDS: dict[str, Any] = {
    "event_id": UUIDType(),
    "happened_at": TimestampType(),
    "received_at": TimestampType(),
    "player": UUIDType(),
    "cell": LongType(),
    "value": DoubleType(),
    "weight": LongType(),
    "exposures": ListType(element_id=100, element=StringType(), element_required=False),
}
SCHEMA = Schema(
    *(
        NestedField(field_id=number, name=name, field_type=_KINDS.get(name, StringType()), required=False)
        for number, name in enumerate(COLUMNS, 1)
    )
)
_HAPPENED_AT = COLUMNS.index("happened_at") + 1
_BY_DAY = PartitionSpec(
    PartitionField(source_id=_HAPPENED_AT, field_id=1000, transform=DayTransform(), name="happened_at_day")
)
_PROPERTIES = {
    "format-version": "2",
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "8",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "16",
    # Nobody looks for a player by range, and manifests outlive an erasure.
    "write.metadata.metrics.column.player": "counts",
    "write.metadata.metrics.column.session": "counts",
    "write.metadata.metrics.column.properties": "counts",
}


class PostgresCatalogue(SqlCatalog):
    """Iceberg's catalogue in tables that a migration has made."""

    def __init__(self, dsn: str, **properties: str) -> None:
        Catalog.__init__(self, CATALOGUE, **properties)
        self.engine = create_engine("postgresql+pg8000://", creator=lambda: connected(dsn), poolclass=NullPool)
        self._init_catalog()


class EventTable:
    """The table of events. `root` is how Iceberg names what `objects` holds: `file:///...` or `s3://bucket/folder`."""

    def __init__(self, *, dsn: str, root: str, objects: ObjectStore, properties: dict[str, str]) -> None:
        self._dsn = dsn
        self._root = root.rstrip("/")
        self._objects = objects
        self._properties = properties

    def commit(self, changes: Sequence[Change]) -> None:
        """Makes the changes in one commit; what was changed already is let be. Raises: Fault."""
        with _faults():
            self._commit(changes)

    def _commit(self, changes: Sequence[Change]) -> None:
        table = self.table()
        here = {file.file_path: file for file in _files(table)}
        new = [self._where(change.path) for change in changes if change.path]
        old = [self._where(path) for change in changes for path in change.replaced]
        leaving = {path: here[path] for path in old if path in here}
        # What was made over in the same round goes straight to its heir.
        coming = [path for path in new if path not in here and path not in old]
        if not coming and not leaving:
            return
        with table.transaction() as work, work.update_snapshot().overwrite() as files:
            for gone in leaving.values():
                files.delete_data_file(gone)
            for path in coming:
                files.append_data_file(parquet_file_to_data_file(table.io, table.metadata, path))

    def tidy(self, *, before: datetime) -> None:
        """Expires snapshots made before, and removes files that none of those left knows. Raises: Fault."""
        with _faults():
            self._tidy(before)

    def _tidy(self, before: datetime) -> None:
        table = self.table()
        head = table.current_snapshot()
        if head is None:
            return
        stale = [
            snapshot.snapshot_id
            for snapshot in table.snapshots()
            if snapshot.snapshot_id != head.snapshot_id and snapshot.timestamp_ms < before.timestamp() * 1000
        ]
        if not stale:
            return
        table.maintenance.expire_snapshots().by_ids(stale).commit()
        self._remove_orphans(self.table())

    def paths(self) -> set[str]:
        """The data files of the newest snapshot, below `PREFIX`. Raises: Fault."""
        with _faults():
            return {file.file_path.removeprefix(self._where("")) for file in _files(self.table())}

    def forget(self) -> None:
        """Expires every snapshot but the newest, and lets that one forget what it replaced. Raises: Fault.

        A snapshot lists the files that it took out, with the least and the greatest of their values.
        """
        with _faults():
            table = self.table()
            if table.current_snapshot() is None:
                return
            with table.transaction() as work, work.update_snapshot().fast_append():
                pass
            self._tidy(datetime.now(UTC) + _ORPHAN_AGE)

    def table(self) -> Table:
        """The table as it is now, made when there is none."""
        catalogue = PostgresCatalogue(self._dsn, warehouse=f"{self._root}/lake", **self._properties)
        try:
            return _brought_up(catalogue.load_table(TABLE))
        except NoSuchTableError:
            catalogue.create_namespace_if_not_exists(NAMESPACE)
            return catalogue.create_table(
                TABLE,
                SCHEMA,
                location=f"{self._root}/{_FOLDER}",
                partition_spec=_BY_DAY,
                properties={**_PROPERTIES, "schema.name-mapping.default": SCHEMA.name_mapping.model_dump_json()},
            )

    def _where(self, path: str) -> str:
        return f"{self._root}/{PREFIX}/{path}"

    def _remove_orphans(self, table: Table) -> None:
        """Files that are not yet of any snapshot are young, and stay."""
        known = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
        for snapshot in table.snapshots():
            known.add(snapshot.manifest_list)
            for manifest in snapshot.manifests(table.io):
                known.add(manifest.manifest_path)
                known.update(entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io))
        young = datetime.now(UTC) - _ORPHAN_AGE
        for page in obstore.list(self._objects, prefix=f"{_FOLDER}/"):
            orphans = [
                found["path"]
                for found in page
                if f"{self._root}/{found['path']}" not in known and found["last_modified"] < young
            ]
            if orphans:
                obstore.delete(self._objects, orphans)


def _brought_up(table: Table) -> Table:
    """The table with every column that events have now; in older files a new one is null."""
    if not set(COLUMNS) <= set(table.schema().column_names):
        with table.update_schema() as schema:  # which keeps the name mapping in step
            schema.union_by_name(SCHEMA)
    return table


def connected(dsn: str) -> Any:
    """A connection of SQLAlchemy's driver to the database that asyncpg knows under this DSN."""
    parts = urlsplit(dsn)
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    host, port = asked.get("host") or parts.hostname or "localhost", int(asked.get("port") or parts.port or 5432)
    local = host.startswith("/")  # PostgreSQL speaks no TLS there, and to read the system's authorities takes 50 ms
    secure = asked.get("sslmode", "prefer") in ("require", "verify-ca", "verify-full")
    connection = pg8000.dbapi.connect(
        user=unquote(parts.username or asked.get("user", "postgres")),
        password=unquote(parts.password) if parts.password else None,
        database=unquote(parts.path.lstrip("/")) or "postgres",
        ssl_context=False if local else (secure or None),
        **({"unix_sock": f"{host}/.s.PGSQL.{port}"} if local else {"host": host, "port": port}),
    )
    cursor = connection.cursor()
    cursor.execute("SET search_path TO lake")
    cursor.close()
    connection.commit()
    return connection


@contextmanager
def _faults() -> Iterator[None]:
    """The catalogue, the object storage, or somebody else who committed first: the next round tries again."""
    try:
        yield
    except (SQLAlchemyError, CommitFailedException, BaseError, OSError) as error:
        raise Fault(f"the Iceberg table cannot be changed: {error}") from error


def _files(table: Table) -> Iterator[DataFile]:
    """The data files of the newest snapshot."""
    snapshot = table.current_snapshot()
    if snapshot is None:
        return
    for manifest in snapshot.manifests(table.io):
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            yield entry.data_file
