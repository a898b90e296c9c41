"""The clubs of the game in force, and what being in them brings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from overworld.domains.accounts.membership.errors import NoSuchMembership
from overworld.domains.accounts.membership.types import Club, MembershipRules
from overworld.domains.accounts.types import Membership
from overworld.kernel.money import Currency

_MIN_S = 60


class Clubs:
    """A game's clubs by name."""

    def __init__(self, clubs: Mapping[str, Club]) -> None:
        self._clubs = dict(clubs)

    def named(self, name: str) -> Club:
        """The club of a name. Raises: NoSuchMembership."""
        club = self._clubs.get(name)
        if club is None:
            raise NoSuchMembership
        return club

    def running(self, held: Iterable[Membership], *, now: datetime) -> tuple[str, ...]:
        """The clubs that somebody is in at an instant, by name."""
        return tuple(sorted(one.club for one in held if one.club in self._clubs and one.runs_at(now)))

    def token_life_s(self, names: Iterable[str], *, otherwise_s: int) -> int:
        """How long a token of who is in these clubs lives: the longest that one gives, and never less than others'."""
        lives = (self._clubs[name].rules.benefits.token_life_min for name in names)
        return max([otherwise_s, *(life * _MIN_S for life in lives if life is not None)])


def clubs_of(rules: Mapping[str, MembershipRules], currencies: Mapping[str, Currency]) -> dict[str, Club]:
    """The clubs of a checked definition.

    Raises: KeyError for a currency that is not there; ValueError for a price that its currency cannot express.
    """
    return {name: _club(name, declared, currencies) for name, declared in rules.items()}


def _club(name: str, declared: MembershipRules, currencies: Mapping[str, Currency]) -> Club:
    if declared.price is None or declared.currency is None:
        return Club(name=name, rules=declared)
    currency = currencies[declared.currency]
    return Club(name=name, rules=declared, price_minor=currency.parse(declared.price), currency=currency)
