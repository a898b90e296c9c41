"""`overworld migrate` on each kind of database: one of its own, one that a server is using, and one given by DSN."""

from __future__ import annotations

from pathlib import Path

import pytest

from overworld.app import migrate
from overworld.app.schemas import SCHEMAS
from overworld.app.settings import Settings
from overworld.platform.postgres import DatabaseSettings, DataFolderInUse, EmbeddedPostgres, running_dsn
from overworld.platform.postgres.folder_lock import FolderLock
from overworld.platform.postgres.migrations import read_steps

pytestmark = pytest.mark.slow

SMALL = DatabaseSettings(shared_buffers_mb=16)
STEPS = [str(step) for schema in SCHEMAS for step in read_steps(schema)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    tmp_path.chmod(0o755)  # under root the database runs as another user
    return Settings(data=tmp_path / "data", database=SMALL)


def test_a_database_of_its_own_is_started_planned_migrated_once_and_stopped(settings):
    assert migrate.plan(settings) == STEPS
    assert migrate.up(settings) == STEPS
    assert migrate.plan(settings) == migrate.up(settings) == []
    assert running_dsn(settings.data) is None


def test_a_database_that_a_server_is_using_is_migrated_where_it_runs_and_left_running(settings):
    server = EmbeddedPostgres(settings.data, settings=SMALL)
    server.start()
    try:
        assert migrate.up(settings) == STEPS
        assert migrate.plan(settings) == []
        assert running_dsn(settings.data) is not None
    finally:
        server.stop()


def test_a_folder_that_is_in_use_without_a_database_is_left_alone(settings):
    settings.data.mkdir()
    lock = FolderLock(settings.data)
    lock.take()
    try:
        with pytest.raises(DataFolderInUse):
            migrate.up(settings)
    finally:
        lock.release()
    assert not (settings.data / "postgres").exists()
