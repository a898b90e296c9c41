"""The proof of script/prove backbone in a small form, on the broker of these tests."""

from __future__ import annotations

import pytest

from bench.prove.backbone import prove_on
from overworld.platform.eventlog import SCHEMA

pytestmark = [pytest.mark.slow]


async def test_every_event_has_its_effect_once_whoever_dies(open_database, broker):
    async with open_database(SCHEMA) as database:
        outcome = await prove_on(database, broker, events=300, kills=5, broker_kills=0, seed=4)
    assert outcome.faults == []
    assert outcome.figures["postgres_effects"] == outcome.figures["kafka_effects"] == 300
    died = {name for name in outcome.figures if name.startswith("kafka_")} - {"kafka_events", "kafka_effects"}
    assert "kafka_relays_killed" in died
    assert len(died) > 1
