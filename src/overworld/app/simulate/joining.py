"""People join the clubs of the game that they can afford, and stay in those that they have to renew."""

from __future__ import annotations

import asyncio

from overworld.app.simulate.profiles import Person
from overworld.app.simulate.stage import Stage
from overworld.app.simulate.turns import Tally, Turn
from overworld.domains.accounts.membership.messages import Apply, ClubSeen


class Joining:
    """As they set out, some look at a club and apply where they are no member and it is free or they have its price."""

    def __init__(self, stage: Stage, *, tally: Tally) -> None:
        self._stage = stage
        self._tally = tally
        self._clubs = [name for name, rules in stage.game.memberships.items() if rules.proof is None]

    async def play(self, turn: Turn) -> None:
        """Lets those who arrive apply, each to one club at most."""
        chosen = [
            (person, person.random.choice(self._clubs))
            for person in turn.arriving
            if self._clubs and person.random.random() < person.profile.joins
        ]
        if not chosen:
            return
        self._stage.move_to(turn.begins_us)
        now = self._stage.clock.now()
        seen = {name: await self._stage.memberships.seen(name) for name in self._clubs}
        willing = [(person, name) for person, name in chosen if name not in person.memberships(now)]
        paying = await asyncio.gather(*(self._pays(person, seen[name]) for person, name in willing))
        applying = [each for each, pays in zip(willing, paying, strict=True) if pays and seen[each[1]].left != 0]
        answers = await self._tally.told(
            self._stage.memberships.apply(Apply(account_id=person.id, membership=name, key=self._tally.key("join")))
            for person, name in applying
        )
        for (person, name), answer in zip(applying, answers, strict=True):
            if not isinstance(answer, Exception):
                person.joined[name] = answer.value.ends_at

    async def _pays(self, person: Person, club: ClubSeen) -> bool:
        """Whether a club costs no more than what the person will spend."""
        if club.price is None or club.currency is None:
            return True
        currency = self._stage.ledger.currencies[club.currency]
        balances = await self._stage.ledger.balances(person.id)
        held_minor = next(one.posted_minor for one in balances if one.currency == club.currency)
        return currency.parse(club.price) <= held_minor * person.profile.spends
