"""Properties fit the schemas that an operator keeps, or the event is refused with the place and the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from overworld.domains.telemetry.processing.schemas import BadSchema, Schemas
from overworld.domains.telemetry.reading import Incoming
from tests.domains.telemetry.conftest import Desk

SHOP = {
    "type": "object",
    "properties": {
        "level": {"type": "integer", "minimum": 1, "maximum": 40},
        "way": {"enum": ["map", "menu"]},
        "of-what": {"type": "array", "items": {"type": "string", "maxLength": 3}},
        "price": {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]},
    },
    "required": ["level"],
    "additionalProperties": False,
}


def write(folder: Path, schema: Any, *, version: str = "1") -> Schemas:
    (folder / "shop").mkdir(exist_ok=True)
    (folder / "shop" / f"{version}.json").write_text(json.dumps(schema))
    return Schemas.read(str(folder))


@pytest.mark.parametrize(
    ("properties", "found"),
    [
        ({"level": 3, "way": "map", "of-what": ["a"], "price": {"amount": 1, "more": 2}}, None),
        ({"level": 3}, None),
        ({}, "missing required field `level`"),
        ({"level": 0}, "`int` >= 1 - at `$.level`"),
        ({"level": "3"}, "got `str` - at `$.level`"),
        ({"level": 3, "way": "door"}, "at `$.way`"),
        ({"level": 3, "of-what": ["abcd"]}, "at `$.of-what[0]`"),
        ({"level": 3, "price": {}}, "`amount` - at `$.price`"),
        ({"level": 3, "other": 1}, "unknown field `other`"),
    ],
)
def test_properties_are_checked(tmp_path: Path, properties: dict[str, Any], found: str | None) -> None:
    fault = write(tmp_path, SHOP).fault_of(Incoming(event="shop", properties=properties))
    assert (fault is None) == (found is None)
    if fault is not None and found is not None:
        assert fault.reason == "schema"
        assert found in fault.detail


def test_an_event_names_its_version_or_has_the_newest(tmp_path: Path) -> None:
    write(tmp_path, SHOP, version="9")
    schemas = write(tmp_path, {"type": "object", "required": ["new"]}, version="10")
    assert schemas.fault_of(Incoming(event="shop", schema="9", properties={"level": 1})) is None
    assert schemas.fault_of(Incoming(event="shop", properties={"level": 1})) is not None
    assert schemas.fault_of(Incoming(event="shop", properties={"new": 1})) is None
    unknown = schemas.fault_of(Incoming(event="shop", schema="8", properties={"new": 1}))
    assert unknown is not None
    assert unknown.reason == "unknown_schema"
    assert schemas.fault_of(Incoming(event="other", schema="8")) is None


@pytest.mark.parametrize(
    "schema", [{"oneOf": []}, {"type": "text"}, [], {"type": "string", "minimum": 1}, {"enum": [[]]}]
)
def test_a_schema_that_is_not_understood_is_told(tmp_path: Path, schema: Any) -> None:
    with pytest.raises(BadSchema, match=r"shop/1\.json"):
        write(tmp_path, schema)


async def test_an_event_that_does_not_fit_is_refused_by_the_processor(desk: Desk, tmp_path: Path) -> None:
    write(tmp_path, SHOP)
    desk.set(schemas=str(tmp_path))
    await desk.send({"event": "shop", "properties": {"level": 1}}, {"event": "shop", "properties": {}}, {"event": "b"})
    await desk.process(until=2)
    assert [reason for reason, _ in await desk.refused()] == ["schema"]
