"""The list of topics: complete, unambiguous, and what the code says."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from overworld.platform.eventlog.retention import kept
from overworld.platform.eventlog.settings import EventLogSettings
from overworld.platform.eventlog.topics import FILE, NoSuchTopic, Topics
from script.reference import events as reference
from script.reference.whole import events

SOURCE = Path(__file__).parents[3] / "src" / "overworld"
NAMED = re.compile(r'"((?:events|commands|analytics|player|rtb)(?:\.[a-z_]+){2,})"')

TABLE = {
    "commands.location.update": (10, 3, 24),
    "commands.coin.collect": (10, 3, 24),
    "commands.quest.complete": (10, 3, 24),
    "events.location.updated": (20, 3, 7 * 24),
    "events.coin.collected": (20, 3, 7 * 24),
    "events.quest.completed": (20, 3, 7 * 24),
    "events.user.registered": (20, 3, 7 * 24),
    "events.ad.viewed": (20, 3, 7 * 24),
    "events.genesis.registered": (20, 3, 7 * 24),
    "events.auth.login": (20, 3, 7 * 24),
    "analytics.raw.events": (50, 2, 30 * 24),
    "analytics.processed.metrics": (50, 2, 30 * 24),
    "player.events.raw": (12, 3, 7 * 24),
    "player.events.processed": (6, 3, 7 * 24),
    "recommendations.generated": (6, 3, 7 * 24),
    "notifications": (1, 3, 30 * 24),
    "system.dlq": (1, 3, 30 * 24),
    "dlq.failed.events": (5, 3, 30 * 24),
}


@pytest.fixture(scope="module")
def topics() -> Topics:
    return Topics.read()


@pytest.fixture
def read(tmp_path):
    """Reads a list that the test writes."""

    def reading(text: str) -> Topics:
        file = tmp_path / "topics.toml"
        group = "partitions = 4, partitions_alone = 1, replicas = 2, kept_h = 24"
        file.write_text(text.replace("GROUP", f'{{ {group}, compression = "zstd" }}').replace("SMALL", SMALL))
        return Topics.read(file)

    return reading


SMALL = '{ partitions = 1, partitions_alone = 1, replicas = 1, kept_h = 1, compression = "none" }'


@pytest.mark.parametrize(("name", "figures"), TABLE.items())
def test_topics_are_kept_as_the_product_promises(topics, name, figures):
    group = topics.find(name).group
    assert (group.partitions, group.replicas, group.kept_h) == figures
    assert 1 <= group.partitions_alone <= 2
    assert (group.compression == "snappy") == name.startswith("analytics.")


@pytest.mark.slow
def test_each_event_has_one_topic_and_each_topic_of_events_an_event(topics):
    of_events = {topic.name for topic in topics if topic.schema == "event"}
    assert of_events == {kind.topic for kind in events()}, "declare it in topics.toml"


@pytest.mark.slow
def test_keys_are_those_of_the_code(topics):
    of_code = {kind.topic: reference._key(kind).replace("`", "").replace("none", "") for kind in events()}
    assert {name: topics.find(name).key for name in of_code} == of_code


def test_each_topic_that_the_code_names_is_declared(topics):
    named = {name for file in SOURCE.rglob("*.py") for name in NAMED.findall(file.read_text())}
    assert "events.quest.completed" in named
    undeclared = [name for name in sorted(named) if name not in topics]
    assert undeclared == []


def test_a_topic_is_found_by_its_other_names(topics):
    assert topics.find("events.coin.collected").name == "events.collectible.collected"
    with pytest.raises(NoSuchTopic):
        topics.find("events.coin.melted")


def test_events_stay_as_long_as_the_list_says_unless_the_operator_says_otherwise(topics):
    assert kept(EventLogSettings()) == topics.events_kept == timedelta(days=7)
    assert kept(EventLogSettings(retention_days=2)) == timedelta(days=2)
    assert topics.failed_kept == timedelta(days=30)


def test_the_longest_pattern_decides(read):
    topics = read('[groups]\n"a.*" = GROUP\n"a.b.*" = SMALL\n[topics]\n"a.b.c" = { key = "", schema = "none" }')
    assert topics.find("a.b.c").group.kept_h == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[groups]\n"a.*" = GROUP\n[topics]\n"b.c" = { key = "", schema = "none" }', "b.c belongs to no group"),
        (
            '[groups]\n"a.*" = GROUP\n[topics]\n"a.b" = { key = "", schema = "none", also = ["a.c"] }\n'
            '"a.c" = { key = "", schema = "none" }',
            "a.c: declared twice",
        ),
        ('[groups]\n"a.*" = GROUP\n[topics]\n"A.b" = { key = "", schema = "none" }', "matching regex"),
        ('[groups]\n"a.*" = GROUP\n[topics]\n"a.b" = { key = "", schema = "json" }', "Invalid enum value"),
        ('[groups]\n"a.*" = GROUP\n[topics]\n"a.b" = { key = "", schema = "none", kept_h = 3 }', "unknown field"),
    ],
)
def test_a_list_that_is_wrong_is_not_read(read, text, reason):
    with pytest.raises((ValueError, msgspec.ValidationError), match=reason):
        read(text)


def test_the_file_is_in_order_of_names():
    names = [line.split('"')[1] for line in FILE.read_text().partition("[topics]")[2].splitlines() if line]
    assert names == sorted(names)
