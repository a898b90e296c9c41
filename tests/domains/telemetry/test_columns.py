"""The parts that columns are made with: ids that went by, countries, machines, and what facts may tell."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest

import overworld.app.compose  # noqa: F401 - declares every event
from overworld.domains.experiments.messages import FlagExposed
from overworld.domains.telemetry.processing.agents import machine_of, told
from overworld.domains.telemetry.processing.countries import Countries
from overworld.domains.telemetry.processing.facts import DROPPED, PEOPLE, Facts
from overworld.domains.telemetry.processing.pseudonyms import Pseudonyms
from overworld.domains.telemetry.processing.seen import SeenIds
from overworld.domains.telemetry.processing.shaping import depth_of
from overworld.geo import cells
from overworld.kernel.events import Event, enclose
from overworld.platform.eventlog.failing import EventFailed


def ids(numbers: list[int]) -> Any:
    return np.frombuffer(b"".join(UUID(int=number).bytes for number in numbers), np.dtype((np.void, 16)))


def test_ids_are_new_once_as_in_a_set() -> None:
    dice, seen, known = random.Random(1), SeenIds(kept_max=1_000_000), set[int]()
    for _ in range(60):
        numbers = [dice.randrange(5_000) for _ in range(dice.randrange(1, 300))]
        expected = []
        for number in numbers:
            expected.append(number not in known)
            known.add(number)
        assert seen.first_times(ids(numbers)).tolist() == expected
    assert len(seen) == len(known)


def test_the_window_of_ids_is_bounded_and_forgets_the_oldest() -> None:
    seen = SeenIds(kept_max=1_000)
    for start in range(0, 20_000, 100):
        assert seen.first_times(ids(list(range(start, start + 100)))).all()
        assert len(seen) <= 1_000
    assert not seen.first_times(ids(list(range(19_900, 20_000)))).any()
    assert seen.first_times(ids([0])).all()


@pytest.mark.parametrize(
    ("lat_deg", "lng_deg", "code"),
    [
        (52.52, 13.40, "DE"),
        (40.71, -74.01, "US"),
        (-33.87, 151.21, "AU"),
        (35.68, 139.69, "JP"),
        (41.90, 12.50, "IT"),
        (-0.53, 166.93, "NR"),
        (1.35, 103.82, "SG"),
        (-18.12, 178.45, "FJ"),
        (64.15, -21.94, "IS"),
        (-75.0, 0.0, "AQ"),
        (42.66, 21.17, "XK"),
        (0.0, -30.0, None),
        (30.0, -45.0, None),
    ],
)
def test_places_lie_in_their_countries(lat_deg: float, lng_deg: float, code: str | None) -> None:
    countries = Countries.bundled()
    leaf = np.array([cells.cell_of(lat_deg, lng_deg, 30)], np.uint64)
    number = int(countries.numbers_of(leaf)[0])
    assert (None if number < 0 else countries.codes[number]) == code


def test_no_place_has_no_country() -> None:
    assert Countries.bundled().numbers_of(np.zeros(3, np.uint64)).tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    ("agent", "platform", "device"),
    [
        ("", None, None),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148", "ios", "phone"),
        ("Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) Mobile/15E148", "ios", "tablet"),
        ("Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/125 Mobile Safari", "android", "phone"),
        ("Mozilla/5.0 (Linux; Android 13; SM-X900) AppleWebKit/537.36 Chrome/125 Safari", "android", "tablet"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/125", "windows", "desktop"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605 Safari", "macos", "desktop"),
        ("Mozilla/5.0 (X11; Linux x86_64; Quest 3) OculusBrowser/33", "linux", "headset"),
        ("posthog-python/7.0", "server", "server"),
        ("curl/8.5", "server", "server"),
        ("something else", None, "other"),
    ],
)
def test_user_agents_tell_platform_and_class(agent: str, platform: str | None, device: str | None) -> None:
    assert machine_of(agent) == (platform, device)


def test_what_a_client_says_of_itself_goes_before_its_user_agent() -> None:
    seen = machine_of("curl/8.5")
    assert told("iOS", "Mobile", seen) == ("ios", "phone")
    assert told("web", None, seen) == ("web", "server")
    assert told("a toaster", "a toaster", seen) == seen


@pytest.mark.parametrize(
    ("text", "depth"), [(b"{}", 1), (b'{"a":[{}]}', 3), (b'{"a":"[[[\\"[["}', 1), (b'{"a":[1],"b":[2]}', 2)]
)
def test_depth_counts_brackets_outside_strings(text: bytes, depth: int) -> None:
    assert depth_of(text) == depth


# Ids of things: of what lies about, is owned or is done, never of who does it.
_THINGS = {
    "appeal_id",
    "collectible_id",
    "event_id",
    "fence_id",
    "item_id",
    "reference",
    "share_id",
    "tool_id",
    "transfer_id",
    "use_id",
}


def test_every_id_in_an_event_is_of_a_thing_or_of_somebody() -> None:
    """A new event cannot bring an account's id into the columns before somebody has decided what it is."""
    undecided = {
        f"{topic}: {field.name}"
        for topic, event in Event.registry.items()
        if event.__module__.startswith("overworld.")
        for field in msgspec.structs.fields(event)
        if _may_tell_who(field) and field.name not in PEOPLE | DROPPED | _THINGS
    }
    assert undecided == set()


def _may_tell_who(field: msgspec.structs.FieldInfo) -> bool:
    return "UUID" in str(field.type) or any(part in field.name for part in ("email", "username", "address", "phone"))


def test_who_was_shown_a_variant_is_an_exposure_and_what_failed_tells_nothing_of_its_player() -> None:
    player, at = UUID(int=7), datetime(2026, 6, 1, 12, tzinfo=UTC)
    shown = FlagExposed(player_id=player, flag="map", variant="new", allocation=1, randomised=True)
    failed = EventFailed(
        consumer="trust",
        event_id=UUID(int=2),
        event_topic="events.tokens.sent",
        event_key=str(player),
        error=f"ValueError: {player}",
        attempts=5,
        data=f'{{"player_id":"{player}"}}',
    )
    facts = Facts(pseudonyms=Pseudonyms(b"s" * 32), countries=Countries.bundled(), room_level=14)
    batch = facts.made([enclose(shown, id=UUID(int=1), at=at), enclose(failed, id=UUID(int=3), at=at)])
    assert batch.column("exposures").to_pylist() == [["map=new"], []]
    assert not [text for text in batch.column("properties").to_pylist() if str(player) in text]
