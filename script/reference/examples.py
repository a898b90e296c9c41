"""Example calls: read from `examples.toml`, run by a test, shown in `http.md`.

`<name>` in a request is filled in when it is run; in a reply it stands for a value that was kept under that name
before, for any value of a kind (`KINDS`), or for any list.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

FILE = Path(__file__).with_name("examples.toml")
KINDS: dict[str, re.Pattern[str]] = {
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"),
    "number": re.compile(r"-?\d+(\.\d+)?(e-?\d+)?"),
    "amount": re.compile(r"\d+(\.\d+)?"),
    "text": re.compile(r"(?s).+"),
}
_PLACE = re.compile(r"<([a-z_]+)>")
_BARE = re.compile(r'(?<!")<([a-z_]+)>(?!")')


class Call(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One call and its answer. `hidden` ones only prepare what others need; `keep` names values of the reply.

    `file` is sent as it is, in the place of a `body`: its path in the repository; its type stands in the `headers`.
    """

    name: str
    route: str
    path: str | None = None
    as_: str | None = msgspec.field(default=None, name="as")
    headers: dict[str, str] = {}
    body: str | None = None
    file: str | None = None
    status: int
    reply: str = ""
    reply_headers: dict[str, str] = {}
    keep: dict[str, str] = {}
    hidden: bool = False

    @property
    def method(self) -> str:
        """The method of the route."""
        return self.route.partition(" ")[0]

    @property
    def target(self) -> str:
        """The path with its query, placeholders still in it."""
        return self.path or self.route.partition(" ")[2]

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers, the token's included."""
        return ({"Authorization": f"Bearer <{self.as_}>"} if self.as_ else {}) | self.headers

    def as_markdown(self) -> str:
        """The call and its answer, as http.md shows them."""
        head = "\n".join([f"{self.method} {self.target}", *(f"{k}: {v}" for k, v in self.all_headers.items())])
        body = self.body if self.file is None else f"<the bytes of {self.file}>"
        sent = f"{head}\n\n{body.strip()}" if body is not None else head
        marks = "".join(f" and `{name}: {value}`" for name, value in self.reply_headers.items())
        answer = f"answers `{self.status}`{marks}"
        shown = f"{answer}:\n\n```json\n{self.reply.strip()}\n```" if self.reply else f"{answer}."
        return f"Example: {self.name}.\n\n```http\n{sent}\n```\n\n{shown}"


def read() -> list[Call]:
    """The calls in the order in which they are run."""
    return msgspec.convert(tomllib.loads(FILE.read_text())["call"], list[Call])


def fill(text: str, kept: Mapping[str, Any]) -> str:
    """The text with its placeholders filled in. Raises: KeyError for one that was not kept."""
    return _PLACE.sub(lambda place: str(kept[place[1]]), text)


def differences(shown: str, got: Any, kept: Mapping[str, Any]) -> list[str]:
    """Where an answer is not what the example shows, a line each."""
    quoted = _BARE.sub(r'"<\1>"', shown)
    return list(_compare(msgspec.json.decode(quoted), got, kept, "$"))


def value_at(got: Any, path: str) -> Any:
    """The value at a dotted path such as `items.0.id`."""
    for part in path.split("."):
        got = got[int(part)] if isinstance(got, list) else got[part]
    return got


def _compare(shown: Any, got: Any, kept: Mapping[str, Any], at: str) -> Iterator[str]:
    if isinstance(shown, dict) and isinstance(got, dict):
        if shown.keys() != got.keys():
            yield f"{at}: shown {sorted(shown)}, got {sorted(got)}"
        for name in shown.keys() & got.keys():
            yield from _compare(shown[name], got[name], kept, f"{at}.{name}")
    elif isinstance(shown, list) and isinstance(got, list) and len(shown) == len(got):
        for i, (one, other) in enumerate(zip(shown, got, strict=True)):
            yield from _compare(one, other, kept, f"{at}.{i}")
    elif isinstance(shown, str) and (place := _PLACE.fullmatch(shown)):
        if not _fits(place[1], got, kept):
            yield f"{at}: {got!r} is no {shown}"
    elif shown != got:
        yield f"{at}: shown {shown!r}, got {got!r}"


def _fits(name: str, got: Any, kept: Mapping[str, Any]) -> bool:
    if name in kept:
        return bool(kept[name] == got)
    if name == "list" or isinstance(got, list):
        return name == "list" and isinstance(got, list)
    if name == "number_or_null":
        return got is None or _fits("number", got, kept)
    is_number = isinstance(got, int | float) and not isinstance(got, bool)
    return is_number == (name == "number") and KINDS[name].fullmatch(str(got)) is not None
