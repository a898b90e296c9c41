"""Flags made, changed and deleted: kept with their history, and known to every server."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from overworld.domains.experiments.consumers import flags_tail
from overworld.domains.experiments.errors import BadFlag, FlagExists, NoSuchFlag, TooManyFlags
from overworld.domains.experiments.messages import FlagsChanged
from overworld.domains.experiments.types import Metric, Rule, Variant
from overworld.platform.http.errors import PreconditionFailed
from tests.domains.experiments.conftest import HALVES, STAFF, body, measured, unit

ANY = lambda _there: None  # noqa: E731 - a caller that does not mind


async def test_a_flag_is_kept_told_and_recorded(lab):
    made = await lab.parts.flags.make("map", body(Rule(), experiment=measured()), staff=STAFF)
    assert await lab.parts.flags.one("map") == made
    assert (made.revision, made.allocation, made.salt) == (1, 1, "map")
    assert lab.outbox.events == [FlagsChanged(flag="map", revision=1, changed_by=UUID(int=8))]
    assert lab.trail.did == [("flag.make", "map")]
    assert lab.parts.book.flags["map"].definition.variants == HALVES


async def test_a_key_is_taken_once_and_there_are_only_so_many(lab):
    await lab.flag()
    with pytest.raises(FlagExists):
        await lab.flag()
    async with lab.database.transaction() as tx:
        await tx.execute(
            "INSERT INTO experiments.flag SELECT gen_random_uuid(), 'f' || i, definition, 1, 1, now(), now(), now() "
            "FROM experiments.flag, generate_series(1, 499) AS i"
        )
    with pytest.raises(TooManyFlags):
        await lab.flag("one-more")


async def test_a_change_of_what_is_drawn_begins_a_new_allocation_and_others_do_not(lab):
    await lab.flag()
    wider = await lab.parts.flags.change("map", body(Rule(rollout_pct=50)), staff=STAFF, matches=ANY)
    assert (wider.revision, wider.allocation) == (2, 1)
    lab.tomorrow()
    heavier = (HALVES[0], Variant(name="on", value=True, weight=9))
    other = await lab.parts.flags.change("map", body(Rule(), variants=heavier), staff=STAFF, matches=ANY)
    assert (other.revision, other.allocation) == (3, 2)
    assert other.allocated_at > other.created_at
    same = await lab.parts.flags.change("map", body(Rule(), variants=heavier), staff=STAFF, matches=ANY)
    assert same.revision == 3
    assert lab.trail.did == [("flag.make", "map"), ("flag.change", "map"), ("flag.change", "map")]


async def test_who_changes_what_is_no_longer_there_is_refused_and_changes_nothing(lab):
    await lab.flag()

    def stale(_there):
        raise PreconditionFailed

    with pytest.raises(PreconditionFailed):
        await lab.parts.flags.change("map", body(enabled=False), staff=STAFF, matches=stale)
    with pytest.raises(PreconditionFailed):
        await lab.parts.flags.delete("map", staff=STAFF, matches=stale)
    with pytest.raises(NoSuchFlag):
        await lab.parts.flags.change("no", body(), staff=STAFF, matches=ANY)
    assert (await lab.parts.flags.one("map")).revision == 1


async def test_a_flag_that_measures_what_nobody_counts_is_refused(lab):
    with pytest.raises(BadFlag) as refused:
        await lab.flag(experiment=measured(primary=Metric(name="tears")))
    assert refused.value.fields["allowed"] == ["coins", "metres"]


async def test_another_server_decides_by_a_change_as_soon_as_it_hears_of_it(lab):
    other = lab.again()
    heard = flags_tail(other.book)
    player = UUID(int=1)
    await lab.flag("map", Rule(variant="on"))
    await heard(lab.outbox.envelopes)
    assert (await other.evaluating.one(unit(player), flag="map")).value is True
    await lab.parts.flags.delete("map", staff=STAFF, matches=ANY)
    await heard(lab.outbox.envelopes[-1:])
    with pytest.raises(NoSuchFlag):
        await other.evaluating.one(unit(player), flag="map")


async def test_values_come_back_as_they_were_declared(lab):
    """A float that is whole stays one, and an object keeps the order of its members."""
    values = ({"b": 1, "a": [1.0, 2, None, "č"]}, {"b": 2, "a": []})
    variants = tuple(Variant(name=f"v{i}", value=value) for i, value in enumerate(values))
    await lab.flag("shop", variants=variants, default="v0")
    await lab.flag(
        "speed", variants=(Variant(name="slow", value=1e300), Variant(name="fast", value=2.0)), default="slow"
    )
    other = lab.again()
    await other.book.follow()
    found = other.book.flags["shop"].definition.variants[0].value
    assert list(found) == ["b", "a"]
    assert found == values[0]
    assert [type(one.value) for one in other.book.flags["speed"].definition.variants] == [float, float]


async def test_flags_are_listed_by_key_in_pages(lab):
    for key in ("c", "a", "b"):
        await lab.flag(key)
    assert [one.key for one in await lab.parts.flags.every(after="", limit=2)] == ["a", "b"]
    assert [one.key for one in await lab.parts.flags.every(after="b", limit=2)] == ["c"]


async def test_the_metrics_that_are_measured_are_told_at_every_reading(lab):
    heard: list[frozenset[str]] = []
    lab.parts.book.on_metrics = heard.append
    await lab.flag("one", experiment=measured(guard_rails=(Metric(name="metres"),)))
    await lab.flag("two")
    await lab.parts.flags.delete("one", staff=STAFF, matches=ANY)
    assert heard == [{"coins", "metres"}, {"coins", "metres"}, frozenset()]


async def test_changes_made_at_once_are_made_one_after_another(lab):
    await lab.flag()
    bodies = [body(Rule(rollout_pct=i)) for i in range(8)]
    changed = await asyncio.gather(*(lab.parts.flags.change("map", one, staff=STAFF, matches=ANY) for one in bodies))
    assert sorted(one.revision for one in changed) == list(range(2, 10))
    assert lab.parts.book.flags["map"].revision == 9
