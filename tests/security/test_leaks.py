"""Secret leakage: after every attack of this folder none of its secrets stands where somebody else reads.

The last file to run. What was planted, used and made is known to the stage: passwords, tokens of every kind, API keys,
secrets of second factors and webhooks, tokens of mails, and the settings that are secret.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from overworld.domains.accounts.types import Role
from tests.security.stage import PASSWORD, PLANTED, REDIS_PASSWORD, Stage

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

COLUMNS = """
SELECT format('%I.%I', table_schema, table_name) AS relation, column_name, data_type
FROM information_schema.columns AS c
JOIN information_schema.tables AS t USING (table_schema, table_name)
WHERE t.table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
    AND data_type IN ('text', 'bytea', 'jsonb', 'json', 'ARRAY', 'character varying')"""


@pytest_asyncio.fixture(loop_scope="session")
async def secrets(stage: Stage) -> set[str]:
    """Every secret of the run, of each kind at least one that is used here."""
    email, owner = await stage.registered()
    await stage.mailed(email, "confirm your e-mail address")
    await stage.http.post("/v1/auth/login", json={"email": email, "password": f"{PASSWORD}?"})
    await stage.http.post("/v1/auth/refresh", json={"refresh_token": owner.grant["refresh_token"]})
    await stage.api_key("audit.read")
    staff = await stage.new_staff(Role.AUDITOR)
    made = await staff.done("POST", "/v1/auth/totp", {})
    stage.learn(made["secret"])
    wrong = [{"refresh_token": 1, "token": PASSWORD}, {"password": [PASSWORD]}, PASSWORD, [PASSWORD]]
    for path in ("/v1/auth/login", "/v1/auth/refresh", "/v1/auth/password/reset", "/v1/auth/device"):
        for body in wrong:
            await stage.http.post(path, json=body)
    found: set[str] = stage.target._secrets
    assert len(found) > 12
    assert {REDIS_PASSWORD, PASSWORD, *PLANTED.values(), made["secret"]} <= found
    return found


def leaked(text: str, secrets: set[str]) -> list[str]:
    """The secrets in a text, shortened: a report should not leak them either."""
    return sorted(f"{each[:12]}..." for each in secrets if each in text)


async def test_the_log_holds_no_secret(stage, secrets):
    log = stage.target.log()
    assert '"level":"debug"' in log
    assert "redis" in log.lower()
    assert leaked(log, secrets) == []


async def test_the_figures_of_the_operations_port_hold_no_secret(stage, secrets):
    for path in ("/metrics", "/readyz", "/healthz", "/health", "/none"):
        assert leaked((await stage.http.get(f"{stage.server.operations}{path}")).text, secrets) == []


async def test_the_event_log_holds_no_secret(stage, secrets):
    rows = await stage.database.fetch("SELECT events FROM eventlog.outbox")
    assert len(rows) > 10
    assert leaked("".join(row["events"].decode() for row in rows), secrets) == []


async def readable(database: asyncpg.Connection, row: Any) -> str:
    value = await database.fetch(f"SELECT {row['column_name']}::text AS value FROM {row['relation']}")  # noqa: S608
    return "\n".join(each["value"] or "" for each in value)


async def test_a_copy_of_the_database_holds_no_secret_that_works(stage, secrets):
    """Tokens, passwords and keys lie there as digests alone, and signing keys encrypted."""
    told = []
    columns = await stage.database.fetch(COLUMNS)
    assert len(columns) > 50
    for row in columns:
        text = await readable(stage.database, row)
        told += [(row["relation"], row["column_name"], each) for each in leaked(text, secrets)]
        if "PRIVATE KEY" in text:
            assert "ENCRYPTED PRIVATE KEY" in text, row
    # A webhook's secret signs, and so has to be there.
    assert [each for each in told if each[0] != "webhooks.secret"] == []


async def test_no_refusal_repeats_what_it_was_sent(stage, secrets):
    person = await stage.player()
    canary = f"canary-{uuid4().hex}"
    bodies: list[Any] = [{"password": canary}, {canary: 1}, {"email": canary, "password": canary}, canary, [canary]]
    bodies += [{"email": f"{canary}@example.org", "password": canary}, {"refresh_token": canary}, {"token": canary}]
    for path in ("/v1/auth/login", "/v1/auth/register", "/v1/auth/refresh", "/v1/auth/password/reset"):
        for body in bodies:
            text = (await stage.http.post(path, json=body)).text
            assert canary not in text.replace(f"`{canary}`", ""), text
            assert leaked(text, secrets) == []
    headers = {"Authorization": f"Bearer {canary}", "Overworld-Key": canary}
    for method, path in (("GET", "/v1/users/me"), ("POST", "/v1/auth/logout")):
        assert canary not in (await stage.http.request(method, path, headers=headers)).text
    assert canary not in (await person.ask("GET", "/v1/users/me")).text


async def test_the_document_and_the_pages_hold_no_secret(stage, secrets):
    for path in ("/openapi.json", "/docs", "/", "/v1/auth/social", "/.well-known/jwks.json", "/v1/ledger/keys"):
        assert leaked((await stage.http.get(path)).text, secrets) == []
    assert "private" not in json.dumps((await stage.http.get("/.well-known/jwks.json")).json())


async def test_no_process_shows_a_secret_in_its_command_line(stage, secrets):
    for process in stage.server.family:
        assert leaked(" ".join(process.cmdline()), secrets) == []
