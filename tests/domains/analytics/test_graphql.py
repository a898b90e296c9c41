"""The schema of analytics: whatever its Structs say has a word in GraphQL, and bounds that can be checked."""

from __future__ import annotations

from typing import Any

from graphql import get_named_type, is_object_type

from overworld.domains.analytics import messages
from overworld.domains.analytics.graphql import catalogue_of
from overworld.kernel.clock import SystemClock
from overworld.platform.graphql.engine import Engine
from overworld.platform.graphql.settings import GraphqlSettings


class Nothing:
    """Answers nothing: nobody asks."""

    async def realtime(self, *, age_max_s: float) -> Any:
        raise AssertionError


def test_every_struct_that_the_routes_answer_with_is_a_type_with_all_its_fields():
    answers: Any = Nothing()
    schema = Engine(catalogue_of(answers, clock=SystemClock(), frame_every_s=1.0), GraphqlSettings()).schema
    assert schema.query_type is not None
    for field in schema.query_type.fields.values():
        assert is_object_type(get_named_type(field.type))
    for name in (
        "Count",
        "Overview",
        "Realtime",
        "Funnel",
        "Retention",
        "Heat",
        "Heatmap",
        "PlayerMetrics",
        "Rankings",
    ):
        kind: Any = schema.type_map[name]
        written = getattr(messages, name).__struct_fields__
        assert [each.replace("_", "").lower() for each in written] == [each.lower() for each in kind.fields], name
