"""Hooks at work: called with claims, their answers checked, their time watched."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import structlog

from overworld.app.definition import DefinitionError
from overworld.app.hooks.loading import FILE_NAME, Hooks, located
from overworld.domains.gameplay.hooked import AS_IT_IS_BP, MULTIPLIER_BP_MAX, ClaimColumns, Verdict, columns_of
from overworld.domains.gameplay.types import CollectibleRules

BUDGET_S = 0.010
SLOW_MAX = 3
SLOW_WITHIN_S = 60.0
_TOLD_EVERY_S = 10.0
_REASON = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_ANSWERS = {"multiplier_bp", "refused"}


def try_out(hooks: Hooks, rules: CollectibleRules) -> list[DefinitionError]:
    """What goes wrong when each hook is called with claims such as may come, of every type; empty when all is well."""
    function = hooks.functions.get("on_claim")
    if function is None:
        return []
    rows = [
        (UUID(int=i), name, one.currency, 1, 1.0 + i, 46.05, 14.5, 1.0, tuple(rules.member_bonus), False, 0)
        for i, (name, one) in enumerate(sorted(rules.types.items()))
    ]
    try:
        verdicts = verdicts_of(function(columns_of(rows)), len(rows))
    except Exception as error:
        where = located(error, Path(function.__code__.co_filename))
        return [DefinitionError(path=f"{FILE_NAME}: on_claim", problem=where.problem, line=where.line)]
    failed = [row[1] for row, verdict in zip(rows, verdicts, strict=True) if verdict is None]
    problem = f"the verdict on {', '.join(failed)} is none"
    allowed = f"multiplier_bp from 1 to {MULTIPLIER_BP_MAX}, refused a word such as `closed_at_night`, or empty"
    return [DefinitionError(path=f"{FILE_NAME}: on_claim", problem=problem, allowed=allowed)] if failed else []


def verdicts_of(answer: Any, count: int) -> list[Verdict]:
    """What a hook returned, a verdict for each claim; None for one that is out of bounds.

    Raises: TypeError, ValueError for what is no answer about so many claims.
    """
    if not isinstance(answer, Mapping) or not answer.keys() <= _ANSWERS:
        raise TypeError(f"a hook returns a dict with {' and '.join(sorted(_ANSWERS))}")
    multipliers = np.asarray(answer.get("multiplier_bp", np.full(count, AS_IT_IS_BP)))
    refused = list(answer.get("refused", [""] * count))
    if multipliers.shape != (count,) or len(refused) != count:
        raise ValueError(f"{count} claims, {len(refused)} in refused, multiplier_bp of shape {multipliers.shape}")
    if multipliers.dtype.kind not in "iu":
        raise TypeError("multiplier_bp are whole numbers: 10_000 pays the value as it is, 15_000 half more")
    return [_verdict(bp, reason) for bp, reason in zip(multipliers.tolist(), refused, strict=True)]


def _verdict(multiplier_bp: int, reason: Any) -> Verdict:
    if reason is None or (isinstance(reason, str) and reason == ""):
        return multiplier_bp if 1 <= multiplier_bp <= MULTIPLIER_BP_MAX else None
    return str(reason) if isinstance(reason, str) and _REASON.fullmatch(reason) else None


class Counted:
    """What hooks did since the server began, whichever version they were of."""

    def __init__(self) -> None:
        self.calls = 0
        self.claims = 0
        self.slow = 0
        self.failed = 0
        self.off = 0


class OnClaim:
    """The hook `on_claim` at work; implements gameplay's `ClaimRule`.

    A failure is narrowed down by halves, as long as the budget lasts. Claims whose rule failed are refused.
    """

    def __init__(
        self,
        function: Callable[[ClaimColumns], Any],
        *,
        counted: Counted,
        monotonic_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._function = function
        self._counted = counted
        self._monotonic_s = monotonic_s
        self._slow_at_s: deque[float] = deque(maxlen=SLOW_MAX)
        self._told_at_s = -_TOLD_EVERY_S
        self.is_off = False

    def __call__(self, claims: ClaimColumns) -> list[Verdict]:
        """What becomes of each claim, (n,); as it is, where the hook is off."""
        if self.is_off:
            return [AS_IT_IS_BP] * len(claims)
        began_s = self._monotonic_s()
        faults: list[Exception] = []
        verdicts = self._judged(claims, until_s=began_s + BUDGET_S, faults=faults)
        ended_s = self._monotonic_s()
        if faults:
            self._tell(faults[-1], claims=len(claims))
        self._counted.calls += 1
        self._counted.claims += len(claims)
        self._counted.failed += sum(verdict is None for verdict in verdicts)
        if ended_s - began_s > BUDGET_S:
            self._late(ended_s, took_s=ended_s - began_s, claims=len(claims))
        return verdicts

    def _judged(self, claims: ClaimColumns, *, until_s: float, faults: list[Exception]) -> list[Verdict]:
        try:
            return verdicts_of(self._function(claims), len(claims))
        except Exception as error:
            faults.append(error)
        if len(claims) == 1 or self._monotonic_s() > until_s:
            return [None] * len(claims)
        half = len(claims) // 2
        return [
            *self._judged(claims.part(0, half), until_s=until_s, faults=faults),
            *self._judged(claims.part(half, len(claims)), until_s=until_s, faults=faults),
        ]

    def _tell(self, error: Exception, *, claims: int) -> None:
        """Says at most every ten seconds what went wrong; the metrics count every claim."""
        now_s = self._monotonic_s()
        if now_s - self._told_at_s < _TOLD_EVERY_S:
            return
        self._told_at_s = now_s
        where = located(error, Path(getattr(self._function, "__code__", located.__code__).co_filename))
        structlog.get_logger("overworld.hooks").error(
            "hook failed", hook="on_claim", claims=claims, fault=where.problem, line=where.line
        )

    def _late(self, now_s: float, *, took_s: float, claims: int) -> None:
        log = structlog.get_logger("overworld.hooks")
        self._counted.slow += 1
        self._slow_at_s.append(now_s)
        log.warning("hook was slow", hook="on_claim", claims=claims, took_ms=round(took_s * 1_000, 1))
        if len(self._slow_at_s) == SLOW_MAX and now_s - self._slow_at_s[0] < SLOW_WITHIN_S:
            self.is_off = True
            self._counted.off += 1
            log.error("hook switched off until the next version", hook="on_claim", slow_count=SLOW_MAX)


def rule_of(hooks: Hooks, *, counted: Counted) -> OnClaim | None:
    """The rule for claims that a definition declares; None where it declares none."""
    function = hooks.functions.get("on_claim")
    return None if function is None else OnClaim(function, counted=counted)
