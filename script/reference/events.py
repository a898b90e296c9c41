"""`events.md`: every event of the log."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec

from overworld.app.settings_tree import Leaf, allowed
from overworld.kernel.events import Envelope, Event
from script.reference.markdown import code, page, prose, table
from script.reference.whole import events

_INTRO = """The facts that domains write into the [event log](../concepts/event-log.md), in the transaction that made
them true. Each lies there in an envelope: `{envelope}`; `key` says whose event it is, and events of one key
are delivered in order. Events grow only by fields with defaults, and a field never changes its type. What a socket
carries is another thing: [protocol.md](../protocol.md)."""
_FIELD = re.compile(r"self\.(\w+)")


def build() -> str:
    """The page."""
    names = ", ".join(field.name for field in msgspec.structs.fields(Envelope))
    return page("Events", _INTRO.format(envelope=names), *(part for kind in events() for part in _event(kind)))


def _event(kind: type[Event]) -> Iterator[str]:
    yield f"## {kind.topic}"
    yield prose(kind.__doc__)
    yield f"`{kind.__name__}` of `{_home(kind)}`; key: {_key(kind)}."
    rows = [(code(field.name), _type(field.type), _default(field)) for field in msgspec.structs.fields(kind)]
    yield table(("field", "type", "default"), rows)


def _home(kind: type[Event]) -> str:
    return f"src/{kind.__module__.replace('.', '/')}.py"


def _key(kind: type[Event]) -> str:
    """The fields that the key is made of, in the order in which they are tried."""
    key = inspect.getattr_static(kind, "key")
    named = _FIELD.findall(inspect.getsource(key.fget))
    return " or ".join(map(code, named)) or "none"


def _type(annotation: Any) -> str:
    said = allowed(Leaf(key="", type=annotation, default=None))
    return f"{said} or null" if type(None) in get_args(annotation) else said


def _default(field: msgspec.structs.FieldInfo) -> str:
    return "" if field.required else code(msgspec.json.encode(field.default).decode())
