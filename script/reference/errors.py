"""`errors.md`: every refusal, and every code that ends a socket."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, convert

from overworld.kernel.refusals import Refusal
from script.reference.markdown import code, codes, page, prose, sentence, table
from script.reference.whole import refusals

FILE = Path(__file__).with_name("advice.toml")
_INTRO = """Every way in which Overworld says no. HTTP and the socket carry the same object (RFC 9457):

```json
{
  "type": "urn:overworld:problem:gameplay.too_far",
  "title": "The player stands farther from the collectible than the game allows",
  "status": 409,
  "code": "gameplay.too_far",
  "retryable": false,
  "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
  "collectible_id": "...",
  "reach_m": 50.0
}
```

Decide by `code`: it is stable and never reused; `title` and `detail` are for people. `retryable` says that the same
request may succeed later, under the same `Idempotency-Key`. *Fields* are the members that a refusal may add.
`trace_id` names the request in the server's log. What the server says no to while it starts stands on standard error
with its code, and the process exits with 1. On the command line it is the same."""
_SOCKET = """## How a socket ends

The close codes 4400 to 4503 and what to do about each stand in
[protocol.md](../protocol.md#how-a-connection-ends)."""


class Advice(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client does: by status, and by code where that says more."""

    by_status: dict[str, str]
    by_code: dict[str, str]

    @classmethod
    def read(cls) -> Advice:
        """The advice of `advice.toml`."""
        return convert(tomllib.loads(FILE.read_text()), cls)

    def on(self, refusal: type[Refusal]) -> str:
        """What to do about a refusal. Raises: KeyError when neither its code nor its status is advised on."""
        return self.by_code.get(refusal.code) or self.by_status[str(refusal.status)]


def build() -> str:
    """The page."""
    advice = Advice.read()
    sections: dict[str, list[type[Refusal]]] = {}
    for refusal in refusals():
        sections.setdefault(refusal.code.partition(".")[0], []).append(refusal)
    parts = [part for name, held in sections.items() for part in (f"## {name}", _table(held, advice))]
    return page("Errors", _INTRO, *parts, _SOCKET)


def _table(held: list[type[Refusal]], advice: Advice) -> str:
    rows = [
        (
            code(refusal.code),
            str(refusal.status),
            "yes" if refusal.retryable else "",
            codes(refusal.public),
            cause(refusal),
            sentence(advice.on(refusal)),
        )
        for refusal in held
    ]
    return table(("code", "status", "retryable", "fields", "cause", "what to do"), rows)


def cause(refusal: type[Refusal]) -> str:
    """The docstring on one line: the title that clients read, and what stands behind it."""
    return " ".join(prose(refusal.__doc__).split())


def unused(advice: Advice) -> Mapping[str, str]:
    """Advice on codes and statuses that no refusal has."""
    kinds = refusals()
    known = {kind.code for kind in kinds} | {str(kind.status) for kind in kinds}
    return {key: text for key, text in (advice.by_code | advice.by_status).items() if key not in known}
