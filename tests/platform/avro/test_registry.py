"""The client of schema registries, against a small one of our own and, where it is installed, against Apicurio."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import pytest

from overworld.app.event_desk.schemas import Registering, registry_of
from overworld.domains.gameplay.messages import LevelReached
from overworld.kernel.events import enclose
from overworld.platform.avro import BadFrame, Codec, Confluent, RegistryRefused, RegistryUnavailable
from overworld.platform.avro.registering import decoded, register_all, subject_of
from overworld.platform.avro.registry import SchemaRegistry
from overworld.platform.eventlog import EventLogSettings

from .registries import apicurio, has_apicurio, small
from .samples import AT, CODEC, LEVEL, RELEASED


def thing(**fields: object) -> str:
    made = [{"name": name, "type": kind} for name, kind in fields.items()]
    return json.dumps({"type": "record", "name": "Thing", "namespace": "overworld.tests", "fields": made})


@pytest.fixture
def subject() -> str:
    return f"thing-{uuid4().hex}-value"


@pytest.fixture
def shelf():
    with small() as shelf:
        yield shelf


@pytest.fixture(scope="module", params=["small", pytest.param("apicurio", marks=pytest.mark.slow)])
def url(request, tmp_path_factory):
    if request.param == "small":
        with small() as shelf:
            yield shelf.url
    elif not has_apicurio():
        pytest.skip("Apicurio is not installed; tests/platform/avro/registries.py says how")
    else:
        with apicurio(tmp_path_factory.mktemp("apicurio")) as url:
            yield url


@pytest.fixture
async def registry(url):
    made = SchemaRegistry(url)
    yield made
    await made.close()


async def test_a_schema_is_known_by_the_number_that_it_got(registry, url, subject):
    number = await registry.register(subject, thing(a="long"))
    other = SchemaRegistry(url)
    assert await other.register(subject, thing(a="long")) == number
    assert (await other.schema(number))["fields"] == [{"name": "a", "type": "long"}]
    await other.close()


async def test_a_version_that_is_not_understood_is_refused(registry, subject):
    await registry.require(subject, "BACKWARD_TRANSITIVE")
    first = await registry.register(subject, thing(a="long"))
    assert await registry.register(subject, thing(a="double")) != first
    with pytest.raises(RegistryRefused, match="409"):
        await registry.register(subject, thing(a="string"))


async def test_what_is_no_schema_is_refused(registry, subject):
    with pytest.raises(RegistryRefused, match="422"):
        await registry.register(subject, '{"type": "nothing"}')


async def test_a_number_that_nobody_has_is_refused(registry):
    with pytest.raises(RegistryRefused, match="404"):
        await registry.schema(999_999)


@pytest.mark.slow
async def test_every_released_schema_is_taken_and_events_travel_by_number(registry, url):
    ids = await register_all(registry, RELEASED)
    assert {version.topic for version in ids.values()} == RELEASED.topics
    assert await register_all(SchemaRegistry(url), RELEASED) == ids
    framing = Confluent(RELEASED, ids)
    codec = Codec(RELEASED, framing)
    [event] = await decoded([codec.encode(LEVEL)], codec=codec, framing=framing, registry=registry)
    assert event.decode() == LEVEL.decode()


async def test_what_a_newer_build_wrote_is_looked_up_and_read(registry):
    """It has a field that this build does not know, which is passed over."""
    newer = json.loads(RELEASED.newest(LevelReached.topic).text)
    newer["fields"][-1]["type"]["fields"].insert(0, {"name": "title", "type": "string", "default": "none"})
    number = await registry.register(subject_of(LevelReached.topic), json.dumps(newer))
    envelope = enclose(
        LevelReached(player_id=UUID(int=7), level=2, level_before=1, experience=50), id=UUID(int=1), at=AT
    )
    raw = CODEC.encode(envelope)[10:]
    cut = 1 + 36 + 8 + 1 + len(envelope.key) + 1  # id, time, key, game; then comes the event
    frame = b"\x00" + number.to_bytes(4, "big") + raw[:cut] + b"\x06new" + raw[cut:]
    framing = Confluent(RELEASED, {})
    [event] = await decoded([frame], codec=Codec(RELEASED, framing), framing=framing, registry=registry)
    assert event.decode() == envelope.decode()


async def test_what_is_known_is_not_asked_again(shelf, subject):
    registry = SchemaRegistry(shelf.url)
    for _ in range(3):
        number = await registry.register(subject, thing(a="long"))
        await registry.schema(number)
    await registry.close()
    assert shelf.asked == [f"POST /subjects/{subject}/versions", f"GET /schemas/ids/{number}"]


async def test_a_registry_with_a_password_wants_it(shelf, subject):
    shelf.password = "open sesame"
    stranger, known = SchemaRegistry(shelf.url), SchemaRegistry(shelf.url, user="user", password=shelf.password)
    with pytest.raises(RegistryRefused, match="401"):
        await stranger.register(subject, thing(a="long"))
    assert await known.register(subject, thing(a="long")) == 1
    await stranger.close()
    await known.close()


async def test_a_registry_that_fails_or_is_gone_is_a_fault_to_be_tried_again(shelf, subject):
    shelf.broken = True
    for url in (shelf.url, "http://127.0.0.1:1"):
        registry = SchemaRegistry(url)
        with pytest.raises(RegistryUnavailable) as fault:
            await registry.register(subject, thing(a="long"))
        assert fault.value.retryable
        await registry.close()


async def test_a_frame_without_a_number_is_not_looked_up(shelf):
    framing = Confluent(RELEASED, {})
    with pytest.raises(BadFrame):
        await decoded([b"nothing"], codec=Codec(RELEASED, framing), framing=framing, registry=SchemaRegistry(shelf.url))
    assert shelf.asked == []


@pytest.mark.slow
async def test_a_server_registers_what_it_has(shelf):
    opened = registry_of(EventLogSettings(schema_registry=shelf.url))
    assert opened is not None
    await Registering(opened, RELEASED).run()
    assert set(shelf.subjects) == {subject_of(topic) for topic in RELEASED.topics}
    assert set(shelf.levels.values()) == {"BACKWARD_TRANSITIVE"}
