"""What a domain declares to be asked for, and who asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from overworld.platform.graphql.ticker import Ticker
from overworld.platform.http.caller import Caller
from overworld.platform.http.errors import Forbidden, Unauthenticated


class Asker:
    """Who asks: a caller, and what the app lends them beyond their scopes (`lent`)."""

    __slots__ = ("caller", "lent")

    def __init__(self, caller: Caller, *, lent: frozenset[str] = frozenset()) -> None:
        self.caller = caller
        self.lent = lent

    def require(self, scope: str, *, or_lent: str | None = None) -> None:
        """Passes who holds the scope, by token or by developer key, or was lent a right in its place.

        Raises: the verifier's refusal or Unauthenticated without a token; Forbidden.
        """
        if scope in self.caller.scopes or (or_lent is not None and or_lent in self.lent):
            return
        if self.caller.maybe is None:
            raise Unauthenticated
        raise Forbidden(scope=scope)


class Many(Struct, frozen=True):
    """How many items a list may have, for the cost model: so many, or what an argument of its field says."""

    count: int = 1
    argument: str | None = None


class Question(Struct, frozen=True, kw_only=True):
    """A field of `Query`: what is asked (a Struct whose fields are the arguments), what is answered, and who may ask.

    `answers` is a Struct or a `Connection` of one. `cost` is that of the answer without its fields.
    """

    name: str
    asked: type[Struct] | None
    answers: Any
    scope: str
    cost: int
    resolve: Callable[[Any, Asker], Awaitable[Any]]
    said: str


class Part(Struct, frozen=True, kw_only=True):
    """A field of an answer that is asked for with arguments of its own; it takes the place of the Struct's."""

    asked: type[Struct]
    answers: Any
    resolve: Callable[[Any, Any, Asker], Awaitable[Any]]
    cost: int = 1


class Feed(Struct, frozen=True, kw_only=True):
    """A field of `Subscription`: what is told again and again, the same to all. `or_lent` admits without the scope."""

    name: str
    answers: Any
    scope: str
    cost: int
    ticker: Ticker[Any]
    said: str
    or_lent: str | None = None


class Catalogue(Struct, frozen=True, kw_only=True):
    """Everything that can be asked. `parts` and `sizes` are by Struct and field."""

    questions: Sequence[Question]
    feeds: Sequence[Feed] = ()
    parts: Mapping[tuple[type[Struct], str], Part] = {}
    sizes: Mapping[tuple[type[Struct], str], Many] = {}
