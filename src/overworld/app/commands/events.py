"""`overworld events`: the event log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from cyclopts import App, Parameter
from cyclopts.validators import Number

from overworld.app.commands.flags import Flags
from overworld.app.plain_json import print_json

app = App(name="events", help="Look into the event log: who reads it, what failed, and what its topics hold.")
schema = App(name="schema", help="Keep the Avro schemas of events.")
app.command(schema)


@app.command
def lag(
    *,
    warn_events: Annotated[int | None, Parameter(validator=Number(gte=0))] = None,
    warn_s: Annotated[float | None, Parameter(validator=Number(gte=0))] = None,
    json: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    flags: Flags = Flags(),
) -> int:
    """Show how far each durable consumer is behind, what failed for good, and what came into the log.

    It looks into the database of the running server, or the one given by --database, and starts and changes nothing.
    Events that wait are those of all topics, also of topics that a consumer passes over.

    For example:
      overworld events lag
      overworld events lag --json --database postgresql://me@db.example/game
      overworld events lag --warn-s 60    for a cron job or a probe

    Exit codes: 0 done, 1 there is no such database, or a consumer is farther behind than a --warn option allows.

    Parameters
    ----------
    warn_events
        Exit with 1 when a consumer is more events behind.
    warn_s
        Exit with 1 when a consumer is more seconds behind.
    json
        Print one JSON object.
    """
    settings = flags.settings().tree

    from overworld.app import events_lag

    looked = events_lag.look(settings)
    if json:
        print_json(events_lag.as_json(looked))
    else:
        sys.stdout.writelines(f"{line}\n" for line in events_lag.lines(looked))
    late = events_lag.warnings(looked.log, events_max=warn_events, behind_max_s=warn_s)
    sys.stderr.writelines(f"overworld: {line}\n" for line in late)
    return 1 if late else 0


@app.command
def topics(
    *, json: Annotated[bool, Parameter(negative="", show_default=False)] = False, flags: Flags = Flags()
) -> None:
    """Show every topic: how it is kept, whose messages stay in order, its schema, and its dead letters.

    It looks into the database of the running server, or the one given by --database, and changes nothing.

    For example:
      overworld events topics
      overworld events topics --json

    Exit codes: 0 done, 1 there is no such database.

    Parameters
    ----------
    json
        Print one JSON array.
    """
    settings = flags.settings().tree

    from overworld.app.event_desk import tools

    seen = tools.topics(settings)
    if json:
        print_json(seen)
    else:
        sys.stdout.writelines(f"{line}\n" for line in tools.topic_lines(seen))


@app.command
def tail(
    topic: str, *, count: Annotated[int | None, Parameter(validator=Number(gte=1))] = None, flags: Flags = Flags()
) -> None:
    """Print the events of a topic as they happen, one JSON object a line, until it is interrupted.

    It reads the log of the running server, or of the database given by --database, from now on, and keeps no place
    there. Events may tell where players are: mind where the output goes.

    For example:
      overworld events tail events.quest.completed
      overworld events tail events.level.reached --count 1

    Exit codes: 0 done, 1 there is no such topic or database, 130 it was interrupted.

    Parameters
    ----------
    topic
        A topic that `overworld events topics` shows.
    count
        End after so many events.
    """
    settings = flags.settings().tree

    from overworld.app.event_desk import tools

    tools.tail(settings, topic, count=count)


@app.command
def refused(*, reason: str | None = None, flags: Flags = Flags()) -> None:
    """Write down the telemetry that was refused, one JSON object a line: its id, the reason, and the event.

    It looks into the database of the running server, or the one given by --database, and changes nothing. Events are
    as their clients sent them: they may tell who and where players are.

    For example:
      overworld events refused > refused.jsonl
      overworld events refused --reason too_old

    Exit codes: 0 done, 1 there is no such database.

    Parameters
    ----------
    reason
        Only what was refused for this reason: malformed, schema, too_old and so on.
    """
    settings = flags.settings().tree

    from overworld.app.event_desk import tools

    tools.refused(settings, reason=reason)


@app.command(name="replay-dlq")
def replay_dlq(
    topic: str,
    *,
    consumer: str | None = None,
    event: list[UUID] | None = None,
    reason: str | None = None,
    mended: Path | None = None,
    flags: Flags = Flags(),
) -> None:
    """Hand dead letters to the consumers that gave up on them, again; or put refused telemetry back into its log.

    Mend first what made them fail. The running server takes them within seconds; only the consumer that failed gets
    them. What fails again stays a dead letter. That it was asked for stands in the audit log.

    system.dlq stands for telemetry that was refused. `overworld events refused` writes it down; change what is wrong,
    and give the file back with --mended. Without a file it is put back as it is, which helps after limits were changed.

    For example:
      overworld events replay-dlq events.quest.completed
      overworld events replay-dlq dlq.failed.events --consumer webhooks
      overworld events replay-dlq system.dlq --mended mended.jsonl

    Exit codes: 0 it is asked for, 1 there is no such topic or database.

    Parameters
    ----------
    topic
        The topic of the events; dlq.failed.events stands for all of them.
    consumer
        Only what this one gave up on.
    event
        Only the event with this id; may be given several times.
    reason
        Of system.dlq: only what was refused for this reason.
    mended
        Of system.dlq: a file of events, one JSON object a line, each with the id that it was written down with.
    """
    settings = flags.settings().tree

    from overworld.app.event_desk import tools

    if topic == tools.REFUSED_TOPIC:
        count = tools.put_back(settings, reason=reason, mended=mended)
        sys.stdout.write(f"{count} events were put back; the processor takes them within seconds\n")
        return
    replays = tools.replay(settings, topic, consumer=consumer, event_ids=event)
    sys.stdout.writelines(f"{line}\n" for line in tools.replay_lines(replays))


def _named(_: Any, player: str) -> None:
    if not player:
        raise ValueError("a player has a name")


@app.command
def erase(player: Annotated[str, Parameter(validator=_named)], *, flags: Flags = Flags()) -> None:
    """Erase a player from what analysts can ask: hot rows, sealed files, the archive and the lake, for good.

    The server that processes telemetry does it: from ten seconds on nothing of the player comes in, and within some
    minutes what was there is gone. Counts of all players together stay. Asking again erases what has come in since.
    That it was asked for stands in the audit log.

    What came in stays in its log as it came for telemetry.retention_days, and is not shown to analysts. Accounts and
    the ledger have erasures of their own.

    For example:
      overworld events erase 01890a5d-ac96-774b-bcce-b302099a8057
      overworld events erasures    to see when it is done

    Exit codes: 0 it is asked for, 1 there is no such database.

    Parameters
    ----------
    player
        The player's id, or what clients with an ingest key call him in events.
    """
    settings = flags.settings().tree

    from overworld.app.event_desk import tools

    tools.erase(settings, player)
    sys.stdout.write("it is asked for; `overworld events erasures` tells when it is done\n")


@app.command
def erasures(
    *, json: Annotated[bool, Parameter(negative="", show_default=False)] = False, flags: Flags = Flags()
) -> None:
    """Show who was to be erased from the columns, by pseudonym, and since when nothing is left.

    It looks into the database of the running server, or the one given by --database, and changes nothing. An erasure is
    remembered for telemetry.erased_days after it is done.

    For example:
      overworld events erasures
      overworld events erasures --json

    Exit codes: 0 done, 1 there is no such database.

    Parameters
    ----------
    json
        Print one JSON array.
    """
    settings = flags.settings().tree

    from overworld.app.event_desk import tools

    found = tools.erasures(settings)
    if json:
        print_json(found)
    else:
        sys.stdout.writelines(f"{line}\n" for line in tools.erasure_lines(found))


@schema.command(name="check")
def schema_check(*, folder: Path | None = None) -> int:
    """Compare what the code says of events with the schemas that were released.

    It needs no server. A change passes when the new schema understands what was written with every version, and has
    been released as the next one by `overworld events schema add`.

    For example:
      overworld events schema check

    Exit codes: 0 all of them are released, 1 something is not, or would not be understood: field and reason are named.

    Parameters
    ----------
    folder
        Where the released schemas are, if not in the package.
    """
    from overworld.app.event_desk import schemas

    found = schemas.check(folder)
    sys.stderr.writelines(f"overworld: {line}\n" for finding in found for line in schemas.lines(finding))
    if not found:
        sys.stdout.write(f"{len(schemas.events())} events: every schema is as it was released\n")
    return 1 if found else 0


@schema.command(name="add")
def schema_add(*, folder: Path | None = None) -> None:
    """Release what the code says of events, where that is new or has changed, as the next version of its schema.

    It writes files beside the code, to be committed with the change. A file that was committed never changes again.

    For example:
      overworld events schema add

    Exit codes: 0 done, 1 a change would not be understood, and nothing is written: field and reason are named.

    Parameters
    ----------
    folder
        Where the released schemas are, if not in the package.
    """
    from overworld.app.event_desk import schemas

    added = schemas.add(folder)
    sys.stdout.writelines(f"{version.topic}: version {version.number}\n" for version in added)
    if not added:
        sys.stdout.write("Nothing is new.\n")


@schema.command(name="push")
def schema_push(*, flags: Flags = Flags()) -> None:
    """Make every released schema known to the registry that `events.schema_registry` names.

    A server does so by itself when it starts. What the registry has already stays as it is.

    For example:
      overworld events schema push

    Exit codes: 0 done, 1 no registry is set, it does not answer, or it refuses a schema.
    """
    settings = flags.settings().tree

    from overworld.app.event_desk import schemas

    sys.stdout.write(f"{schemas.push(settings)} versions are registered\n")
