"""The pure core: facts in, states and evidence out. No database, no clock: a proof drives it as a server does.

    core = Core(rules=TrustRules())
    for fact in facts:            # Window, Claimed, SignedIn, in the order in which they happened
        core.take(fact)
    core.standing(player_id, at_us=now_us)

`heard` and `assess` are the two halves of it: what needs no state of a player, and what does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, MutableMapping
from typing import TypeVar
from uuid import UUID

from msgspec import Struct

from overworld.domains.trust import rules as rule
from overworld.domains.trust import scoring
from overworld.domains.trust.model import Anomaly, Model
from overworld.domains.trust.rules import Sighting
from overworld.domains.trust.together import Together
from overworld.domains.trust.tracks import Tracks
from overworld.domains.trust.types import (
    Claimed,
    Evidence,
    Fact,
    Kind,
    PlayerState,
    SignedIn,
    TrustRules,
    Window,
)
from overworld.kernel.standing import Standing

CLAIMS_KEPT = 24
CLAIMS_BETWEEN = 8
"""After a row of regular claims so many more have to come before they are looked at again."""

_PLAYERS_MAX = 200_000

V = TypeVar("V")


class Places:
    """Which accounts signed in from where: what the table says of places, and what is new since."""

    def __init__(self) -> None:
        self._players: dict[bytes, set[UUID]] = {}

    def load(self, place: bytes, player_ids: Iterable[UUID]) -> None:
        """Adds what the table says."""
        self._players.setdefault(place, set()).update(player_ids)

    def count(self, signed_in: SignedIn) -> int:
        """How many accounts have signed in there, this one among them."""
        if signed_in.place is None:
            return 0
        players = self._players.setdefault(signed_in.place, set())
        players.add(signed_in.player_id)
        return len(players)


class Recent:
    """What is kept of players in memory alone: the times of their claims, and who signed in and moves together.

    A restart forgets them, which puts off what they would show. Hearing one twice changes nothing.
    """

    def __init__(self, *, players_max: int = _PLAYERS_MAX) -> None:
        self._players_max = players_max
        self._claims: dict[UUID, deque[int]] = {}
        self._looked: dict[UUID, int] = {}
        self.together = Together()

    def claimed(self, claim: Claimed, rules: TrustRules) -> Sighting | None:
        """What the row of claims says with this one."""
        times_us = self._claims.get(claim.player_id)
        if times_us is None:
            _make_room(self._claims, self._players_max)
            times_us = self._claims[claim.player_id] = deque(maxlen=CLAIMS_KEPT)
        if times_us and claim.at_us <= times_us[-1]:
            return None
        times_us.append(claim.at_us)
        left = self._looked.get(claim.player_id, 0)
        if left:
            self._looked[claim.player_id] = left - 1
            if left > 1:
                return None
            del self._looked[claim.player_id]
        sighting = rule.of_claims(times_us, rules=rules)
        if sighting is not None:
            _make_room(self._looked, self._players_max)
            self._looked[claim.player_id] = CLAIMS_BETWEEN
        return sighting


class Heard(Struct, frozen=True):
    """What facts came to that alone say nothing: regular claims, many accounts in a place, or some that are one."""

    player_id: UUID
    at_us: int
    sighting: Sighting


class Assessed(Struct, frozen=True):
    """What one fact came to: evidence, and whose states were changed, whether it made evidence or not."""

    evidence: list[Evidence]
    player_ids: tuple[UUID, ...]


def heard(fact: Fact, *, recent: Recent, places: Places, rules: TrustRules) -> tuple[Window | Heard, ...]:
    """What a fact has to say to `assess`: most claims and sign-ins nothing. Needs no state of the player.

    `places` has to hold what is known of the place of a sign-in.
    """
    if isinstance(fact, Window):
        alike = recent.together.moved(fact)
        return (fact, *(Heard(one.player_id, one.at_us, rule.of_alike(one)) for one in alike))
    if isinstance(fact, Claimed):
        sighting = recent.claimed(fact, rules)
    else:
        recent.together.signed_in(fact)
        sighting = rule.of_accounts(places.count(fact))
    return () if sighting is None else (Heard(fact.player_id, fact.at_us, sighting),)


def assess(
    fact: Window | Heard,
    states: MutableMapping[UUID, PlayerState],
    *,
    tracks: Tracks,
    model: Model | None,
    rules: TrustRules,
) -> Assessed:
    """Takes one fact into the states of those it is about; gives the evidence that it makes, and whose states they are.

    `states` makes the state of a player it does not know, or holds everybody it can be about. Gates are worked out
    anew. `tracks` has to hold what is known of the window's stretches. Without a model nothing is an anomaly.
    """
    if isinstance(fact, Window):
        return _window(fact, states, tracks=tracks, model=model, rules=rules)
    player_id, at_us = fact.player_id, fact.at_us
    state = states[player_id]
    evidence = scoring.marked(state, fact.sighting, player_id=player_id, at_us=at_us, rules=rules)
    state.gate = scoring.gate_at(state, at_us, rules)
    return Assessed([] if evidence is None else [evidence], (player_id,))


def _window(
    window: Window, states: MutableMapping[UUID, PlayerState], *, tracks: Tracks, model: Model | None, rules: TrustRules
) -> Assessed:
    made: list[Evidence | None] = []
    state = states[window.player_id]
    scoring.next_window(state)
    leaders = rule.leaders(window, tracks)
    for leader_id, count in leaders.items():
        leader = states[leader_id]
        made.append(scoring.marked(leader, rule.led(count), player_id=leader_id, at_us=window.at_us, rules=rules))
        leader.gate = scoring.gate_at(leader, window.at_us, rules)
    found = list(rule.sightings(window, state, tracks, rules=rules))
    anomaly = None if model is None else model.take(window, explain_from=rules.anomaly_min)
    if anomaly is not None and anomaly.score >= rules.anomaly_min:
        found.append(_of_anomaly(anomaly, rules))
    rule.remember(window, state)
    if not found and rule.is_clean(window):
        scoring.clean_window(state, window.at_us, rules)
    made += [scoring.sighted(state, sighting, window, rules) for sighting in found]
    state.gate = scoring.gate_at(state, window.at_us, rules)
    return Assessed([one for one in made if one is not None], (window.player_id, *leaders))


def _of_anomaly(anomaly: Anomaly, rules: TrustRules) -> Sighting:
    beyond = (anomaly.score - rules.anomaly_min) / max(1e-9, 1 - rules.anomaly_min)
    named = " and ".join(anomaly.because) or "all of it together"
    return Sighting(
        Kind.ANOMALY,
        0.25 + 0.75 * beyond,
        f"moved unlike nearly everybody else ({named})",
        {"score": anomaly.score, **{f"because_{name}": share for name, share in anomaly.because.items()}},
    )


def _make_room(kept: MutableMapping[UUID, V], count_max: int) -> None:
    """Forgets who came first when there are too many."""
    if len(kept) >= count_max:
        del kept[next(iter(kept))]


class _States(dict[UUID, PlayerState]):
    def __missing__(self, player_id: UUID) -> PlayerState:
        state = self[player_id] = PlayerState()
        return state


class Core:
    """Everything in memory, for proofs and tests: what a server does with a database, without one."""

    def __init__(self, *, rules: TrustRules | None = None, model: Model | None = None) -> None:
        self.rules = rules or TrustRules()
        self.model = Model() if model is None else model
        self.states: dict[UUID, PlayerState] = _States()
        self._tracks = Tracks()
        self._places = Places()
        self._recent = Recent()

    def take(self, fact: Fact) -> list[Evidence]:
        """The evidence that a fact makes."""
        said = heard(fact, recent=self._recent, places=self._places, rules=self.rules)
        return [
            evidence
            for one in said
            for evidence in assess(one, self.states, tracks=self._tracks, model=self.model, rules=self.rules).evidence
        ]

    def standing(self, player_id: UUID, *, at_us: int) -> Standing:
        """Where a player stands at an instant that is not before the last fact."""
        state = self.states.get(player_id, PlayerState())
        return Standing(scoring.score_at(state, at_us, self.rules), scoring.gate_at(state, at_us, self.rules))
