"""`docs/protocol.md` names everything a client of the socket can meet, and nothing else."""

from __future__ import annotations

import re
from typing import Any, get_args

import msgspec

from overworld.domains.realtime import errors, messages
from overworld.domains.realtime.types import CloseCode, RealtimeSettings
from overworld.kernel.identity import Scope
from overworld.kernel.refusals import Refusal
from script.reference.whole import refusals
from tests.docs.pages import read

PROTOCOL = read("docs/protocol.md")
EVENTS = {
    "around.changed",
    "players.nearby",
    "chat.message",
    "peer.message",
    "inventory.changed",
    "level.reached",
    "location.share_ended",
    "location.shared",
    "quest.completed",
    "quest.progress",
    "tokens.sent",
    "leaderboard.updated",
    "reward.denied",
    "reward.released",
    "standing.changed",
    "zone.crossed",
    "zone.dwelt",
    "zone.entered",
    "zone.left",
    "unsubscribed",
    "reconnect",
}
NOUN_EVENTS = {"coins.nearby"}  # the game's own noun


def first_cells(heading: str) -> list[str]:
    return [code for row in PROTOCOL.rows(heading)[1:] for code in re.findall(r"`([^`]+)`", row[0])]


def tags(kinds: Any) -> set[str]:
    return {kind.__struct_config__.tag for kind in kinds}


def test_its_messages_of_the_client_are_those_that_the_server_takes():
    assert set(first_cells("Messages of the client")) == tags(get_args(messages.AnyClientMessage))


def test_its_messages_of_the_server_are_the_replies_and_the_events():
    replies = tags(messages.ServerMessage.__subclasses__())
    assert set(first_cells("Messages of the server")) == replies | EVENTS | NOUN_EVENTS


def test_its_close_codes_are_those_of_the_server():
    written = {int(row[0]) for row in PROTOCOL.rows("How a connection ends")[1:]}
    assert written == {code.value for code in CloseCode}


def test_each_refusal_of_the_socket_is_there_with_its_status():
    ours = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Refusal)]
    codes = {one.code: one.status for one in ours if one is not Refusal}
    rows = PROTOCOL.rows("Errors")[1:] + [[row[1], row[0]] for row in PROTOCOL.rows("Connecting")[1:]]
    written = {code: int(row[1]) for row in rows for code in re.findall(r"`(realtime\.\w+)`", row[0])}
    assert written == codes


def test_no_other_code_is_named_that_does_not_exist():
    known = {kind.code for kind in refusals()}
    domains = {code.partition(".")[0] for code in known}
    named = {code for code in PROTOCOL.code if re.fullmatch(rf"(?:{'|'.join(domains)})\.[a-z_]+", code)}
    settings = {f"realtime.{field.name}" for field in msgspec.structs.fields(RealtimeSettings)}
    assert named - known <= settings | set(vars(Scope).values())


def test_each_setting_is_there_with_its_default():
    written: dict[str, str] = {}
    for row in PROTOCOL.rows("Limits")[1:]:
        names = re.findall(r"`([^`]+)`", row[0])
        values = row[1].split(", ") if len(names) > 1 else [row[1]]
        written |= zip(names, values, strict=True)
    defaults = {field.name: shown(field.default) for field in msgspec.structs.fields(RealtimeSettings)}
    assert written == defaults


def shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"{value:,.10g}" if isinstance(value, float | int) and value != RealtimeSettings().port else str(value)
