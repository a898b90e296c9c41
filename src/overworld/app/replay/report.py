"""What replays came to: checked against the ledger, as a table for people and as JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct
from rich.box import SIMPLE_HEAD
from rich.table import Table

from overworld.app.replay.walk import Walked
from overworld.client import Api, Page
from overworld.kernel.standing import Gate

_PAGE = 200


class Balance(Struct, frozen=True):
    """One line of `GET /v1/tokens/balance`."""

    currency: str
    posted: str


class Movement(Struct, frozen=True):
    """One line of `GET /v1/tokens/history`."""

    id: str
    currency: str
    amount: str
    direction: str
    code: str


async def ledger_faults(api: Api, walked: Walked, *, moved: Mapping[str, Decimal] | None = None) -> list[str]:
    """Where the ledger and the player's own notes differ, a line each; empty when they agree.

    The history must hold as many collections of each amount as were acknowledged, and the balance must be their sum and
    what else came in, less what went out, which `moved` tells by currency.
    """
    balances = (await api.call("GET", "/v1/tokens/balance", reply=Page[Balance])).items
    held = {line.currency: Decimal(line.posted) for line in balances if Decimal(line.posted)}
    due = Counter(walked.earned)
    due.update(moved or {})
    expected = {currency: amount for currency, amount in due.items() if amount}
    faults = [f"balance is {held}, it should be {expected}"] if held != expected else []
    posted = Counter((line.amount, line.currency) for line in await _history(api) if line.code == "collect")
    noted = Counter((one.amount, one.currency) for one in walked.collected if not one.held)
    return faults + [
        f"{amount} {currency}: collected {noted[amount, currency]} times, posted {posted[amount, currency]} times"
        for amount, currency in sorted(posted | noted)
        if posted[amount, currency] != noted[amount, currency]
    ]


async def _history(api: Api) -> list[Movement]:
    lines: list[Movement] = []
    cursor: str | None = None
    while True:
        params: dict[str, str | int | float] = {"limit": _PAGE}
        if cursor is not None:
            params["cursor"] = cursor
        page = await api.call("GET", "/v1/tokens/history", reply=Page[Movement], params=params)
        lines += page.items
        cursor = page.cursor
        if cursor is None:
            return lines


def table(walks: Sequence[Walked], *, noun: str) -> Table:
    """The walks, one line each, and their totals."""
    shown = Table(box=SIMPLE_HEAD, footer_style="bold", show_footer=len(walks) > 1)
    whole = total(walks)
    shown.add_column("track", footer="all", no_wrap=True)
    for name, value in _columns(noun).items():
        shown.add_column(name, justify="right", footer=value(whole), no_wrap=True)
    for walked in walks:
        shown.add_row(walked.file, *(value(walked) for value in _columns(noun).values()))
    return shown


def _columns(noun: str) -> dict[str, Any]:
    return {
        "fixes": lambda w: str(w.fixes),
        "sent": lambda w: str(w.sent),
        "accepted": lambda w: str(w.accepted),
        "refused": lambda w: ", ".join(f"{n} {reason}" for reason, n in sorted(w.refused.items())) or "0",
        "walked": lambda w: f"{w.metres:,.0f} m",
        f"{noun}": lambda w: f"{len(w.collected)} of {len(w.seen)}",
        "standing": lambda w: w.standing.value,
        "earned": lambda w: ", ".join(f"{amount} {code}" for code, amount in sorted(w.earned.items())) or "0",
    }


def total(walks: Sequence[Walked]) -> Walked:
    """All walks as one."""
    whole = Walked(file="all", fixes=0)
    for walked in walks:
        whole.fixes += walked.fixes
        whole.sent += walked.sent
        whole.accepted += walked.accepted
        whole.refused += walked.refused
        whole.metres += walked.metres
        whole.seen |= walked.seen
        whole.collected += walked.collected
        whole.claims_refused += walked.claims_refused
        whole.standing = max(whole.standing, walked.standing, key=list(Gate).index)
    return whole


def as_json(walked: Walked, *, noun: str) -> dict[str, Any]:
    """A walk as programs read it; `noun` is what the game calls its collectibles."""
    return {
        "file": walked.file,
        "fixes": walked.fixes,
        "sent": walked.sent,
        "accepted": walked.accepted,
        "refused": dict(walked.refused),
        "metres": round(walked.metres, 1),
        f"{noun}_seen": len(walked.seen),
        f"{noun}_collected": len(walked.collected),
        "earned": {currency: str(amount) for currency, amount in walked.earned.items()},
        "standing": walked.standing.value,
    }


def write_json(file: Path, walks: Sequence[Walked], *, noun: str) -> None:
    """Writes the walks as a JSON list, whole or not at all. Raises: OSError."""
    draft = file.with_name(f".{file.name}.{uuid4().hex}")
    draft.write_bytes(
        msgspec.json.format(msgspec.json.encode([as_json(walked, noun=noun) for walked in walks])) + b"\n"
    )
    draft.replace(file)
