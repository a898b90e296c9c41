"""A schema as a list of steps, which kernels go through for each event: between Avro and what msgspec reads and writes.

A step is a row of three numbers: what to do, and two more, which `Step` tells of. Literal bytes stand one after the
other in `texts`; `words` are the symbols of enums, a start and a length there for each.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from overworld.platform.avro.schema import INSTANT, UUID, Schema

U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]

DEPTH_MAX = 16


class Step(IntEnum):
    """What there is to do.

    `TEXT` start length: those bytes of `texts` go out. `SKIP` length: so many that came in are passed over. `ENUM`
    first count: one of these `words`. `OPTION` null after: `null` is that branch's number, `after` the step behind the
    value. `BEGIN` is_map: a list or a map begins; `NEXT` after is_map: its next item, or on to step `after`; `AGAIN`
    step: back there. The others are values, without more to say.
    """

    END = 0
    TEXT = 1
    SKIP = 2
    STRING = 3
    ID = 4
    LONG = 5
    DOUBLE = 6
    BOOLEAN = 7
    INSTANT = 8
    ENUM = 9
    OPTION = 10
    BEGIN = 11
    NEXT = 12
    AGAIN = 13


class Unsteady(TypeError):
    """No steps are made of a schema: it contains itself, nests too deep, or has items without a byte."""


class Program(Struct, frozen=True):
    """Steps, int64 (n, 3); texts, uint8; words, int64 (m, 2); and a place to count the items of nested lists in.

    `text_bytes_max` is the length of the longest text.
    """

    steps: I64
    texts: U8
    words: I64
    left: I64
    text_bytes_max: int


_PLAIN = {
    "boolean": (Step.BOOLEAN, 1),
    "long": (Step.LONG, 1),
    "double": (Step.DOUBLE, 8),
    "string": (Step.STRING, 1),
}


class Making:
    """A program in the making."""

    def __init__(self) -> None:
        self._steps: list[list[int]] = []
        self._texts = bytearray()
        self._words: list[tuple[int, int]] = []
        self._named: dict[str, Schema] = {}
        self._within: list[str] = []
        self._depth = 0
        self._joinable = False

    def text(self, *, raw: bytes) -> None:
        """Bytes that go out; what directly follows others becomes one step with them."""
        self._step(Step.TEXT, len(self._texts), len(raw))
        self._texts += raw

    def skip(self, length: int) -> None:
        """Bytes of what comes in that say nothing."""
        self._step(Step.SKIP, length)

    def plain(self, step: Step) -> None:
        """A value that has neither parts nor choices."""
        self._step(step)

    def value(self, schema: Schema) -> int:
        """A value of a schema; gives how many bytes of Avro it has at least. Raises: Unsteady."""
        match schema:
            case str() if schema in self._named:
                return self.value(self._named[schema])
            case {"name": name}:
                self._named[name] = schema
                return self._named_one(schema)
            case [_, _]:
                return self._optional(schema)
            case {"type": "array", "items": items}:
                return self._repeated(items, is_map=False)
            case {"type": "map", "values": values}:
                return self._repeated(values, is_map=True)
        return self._plain(schema)

    def record(self, fields: list[Any]) -> int:
        """What stands around fields and between them; gives how many bytes they have at least."""
        raise NotImplementedError

    def symbol(self, symbol: str) -> bytes:
        """What `words` have of a symbol."""
        raise NotImplementedError

    def made(self) -> Program:
        """The program, which ends here."""
        self._step(Step.END)
        return Program(
            np.array(self._steps, dtype=np.int64),
            np.frombuffer(bytes(self._texts) or b"\0", dtype=np.uint8),
            np.array(self._words or [(0, 0)], dtype=np.int64),
            np.zeros(DEPTH_MAX, dtype=np.int64),
            max(
                [row[2] for row in self._steps if row[0] == Step.TEXT] + [length for _, length in self._words],
                default=0,
            ),
        )

    def _named_one(self, schema: Schema) -> int:
        if schema["type"] == "enum":
            return self._enum(schema["symbols"])
        return self._inside(schema["name"], schema["fields"])

    def _plain(self, schema: Schema) -> int:
        name = schema if isinstance(schema, str) else schema["type"]
        step, length = _PLAIN[name]
        self._step(Step.INSTANT if name != schema and schema.get("logicalType") == INSTANT else step)
        return length

    def _inside(self, name: str, fields: list[Any]) -> int:
        if name in self._within:
            raise Unsteady(f"{name} contains itself")
        self._within.append(name)
        length = self.record(fields)
        self._within.pop()
        return length

    def _optional(self, branches: list[Any]) -> int:
        place = branches.index("null")
        at = self._step(Step.OPTION, place)
        self.value(branches[1 - place])
        self._steps[at][2] = len(self._steps)
        self._apart()
        return 1

    def _repeated(self, items: Schema, *, is_map: bool) -> int:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise Unsteady("lists nest too deep")
        self._step(Step.BEGIN, is_map)
        at = self._step(Step.NEXT, 0, is_map)
        if self.value(items) + is_map == 0:
            raise Unsteady("items without a byte")
        self._step(Step.AGAIN, at)
        self._steps[at][1] = len(self._steps)
        self._apart()
        self._depth -= 1
        return 1

    def _enum(self, symbols: list[str]) -> int:
        self._step(Step.ENUM, len(self._words), len(symbols))
        for symbol in symbols:
            raw = self.symbol(symbol)
            self._words.append((len(self._texts), len(raw)))
            self._texts += raw
        return 1

    def _apart(self) -> None:
        """What comes next is jumped to, so that it must not become one step with what stands before it."""
        self._joinable = False

    def _step(self, what: Step, first: int = 0, second: int = 0) -> int:
        last = self._steps[-1] if self._steps else None
        if what is Step.TEXT and self._joinable and last and last[1] + last[2] == len(self._texts):
            last[2] += second
            return len(self._steps) - 1
        self._joinable = what is Step.TEXT
        self._steps.append([int(what), first, second])
        return len(self._steps) - 1


HEAD: list[dict[str, Any]] = [
    {"name": "id", "type": {"type": "string", "logicalType": UUID}},
    {"name": "at", "type": {"type": "long", "logicalType": INSTANT}},
    {"name": "key", "type": "string"},
    {"name": "game", "type": "string"},
]
"""The fields of every envelope, before the event."""


def event_of(schema: Schema) -> Schema:
    """The event's own schema out of its envelope's. Raises: Unsteady when that is no envelope as we write them."""
    *head, event = schema["fields"]
    if [{"name": field["name"], "type": field["type"]} for field in head] != HEAD or event["name"] != "data":
        raise Unsteady("another envelope")
    return event["type"]
