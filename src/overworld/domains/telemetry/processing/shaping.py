"""Properties as they may lie in the columns: no place, no name, no address; of bounded size and depth."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

# A place becomes a cell. The first pair that is there is taken; all of them go.
_PLACES = (
    ("lat_deg", "lng_deg"),
    ("lat", "lng"),
    ("latitude", "longitude"),
    ("$geoip_latitude", "$geoip_longitude"),
)
_PLACE_KEYS = frozenset(key for pair in _PLACES for key in pair)
# Who somebody is: the pseudonym says it for us.
_PERSON_KEYS = frozenset(
    {
        "$anon_distinct_id",
        "$device_id",
        "$email",
        "$ip",
        "$name",
        "$raw_user_agent",
        "$set",
        "$set_once",
        "$user_id",
        "address",
        "distinct_id",
        "email",
        "ip",
        "ip_address",
        "phone",
        "player_id",
        "token",
        "user_agent",
        "user_id",
        "username",
    }
)
_EXPOSURE = "$feature/"
CALLED, _CALLED_FLAG, _CALLED_ANSWER = "$feature_flag_called", "$feature_flag", "$feature_flag_response"
NO_PLACE = (float("nan"), float("nan"))
_NUMBERS = frozenset({int, float})
_HUGE = 1e300
_AMOUNTS = ("value", "amount_minor", "amount")

_SYSTEMS = ("platform", "$os")
_KINDS = ("device", "$device_type")
_DISTINCT, _SESSION = "distinct_id", "$session_id"
_SHAPES_MAX = 10_000

encode = msgspec.json.Encoder().encode


class Shape(NamedTuple):
    """Which of an event's properties mean something to us: worked out once for all events with the same keys.

    `drops` are the keys that do not go into the columns.
    """

    places: tuple[tuple[str, str], ...]
    amounts: tuple[str, ...]
    exposures: tuple[str, ...]
    system: str | None
    kind: str | None
    has_distinct: bool
    has_session: bool
    drops: tuple[str, ...]

    @classmethod
    def of(cls, keys: tuple[str, ...]) -> Shape:
        """The shape of properties with these keys."""
        exposures = tuple(key for key in keys if key.startswith(_EXPOSURE))
        dropped = _PLACE_KEYS | _PERSON_KEYS | {_SESSION, *exposures}
        return cls(
            places=tuple(pair for pair in _PLACES if pair[0] in keys and pair[1] in keys),
            amounts=tuple(key for key in _AMOUNTS if key in keys),
            exposures=exposures,
            system=next((key for key in _SYSTEMS if key in keys), None),
            kind=next((key for key in _KINDS if key in keys), None),
            has_distinct=_DISTINCT in keys,
            has_session=_SESSION in keys,
            drops=tuple(key for key in keys if key in dropped),
        )


class Shapes:
    """The shapes met so far. Clients of one game have few; who sends many makes us forget them, no more."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], Shape] = {}

    def of(self, properties: dict[str, Any]) -> Shape:
        """The shape of an event's properties."""
        keys = tuple(properties)
        shape = self._known.get(keys)
        if shape is None:
            if len(self._known) >= _SHAPES_MAX:
                self._known.clear()
            shape = self._known[keys] = Shape.of(keys)
        return shape


def place_of(shape: Shape, properties: dict[str, Any]) -> tuple[float, float]:
    """Latitude and longitude in degrees; NaN where they are none on Earth."""
    for lat_key, lng_key in shape.places:
        lat, lng = properties[lat_key], properties[lng_key]
        if is_number(lat) and is_number(lng) and -90 <= lat <= 90 and -360 <= lng <= 360:  # noqa: PLR2004
            return float(lat), float(lng)
    return NO_PLACE


def value_of(shape: Shape, properties: dict[str, Any]) -> float | None:
    """The number that sums are made of: `value`, or the amount."""
    for key in shape.amounts:
        value = properties[key]
        if is_number(value):
            return float(value)
    return None


def exposures_of(shape: Shape, properties: dict[str, Any], *, name: str, told: dict[str, str] | None) -> list[str]:
    """The variants of flags that the player saw, as `flag=variant`: told with the event, or as PostHog's clients do."""
    found = [f"{flag}={variant}" for flag, variant in told.items()] if told else []
    found += [f"{key[len(_EXPOSURE) :]}={_variant(properties[key])}" for key in shape.exposures]
    if name == CALLED and isinstance(flag := properties.get(_CALLED_FLAG), str):
        found.append(f"{flag}={_variant(properties.get(_CALLED_ANSWER))}")
    return list(dict.fromkeys(found))


def depth_of(text: bytes) -> int:
    """How deep brackets nest in JSON without looking at what they hold; brackets inside strings do not count."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in text:
        if in_string:
            in_string, escaped = byte != 0x22 or escaped, byte == 0x5C and not escaped  # noqa: PLR2004
        elif byte == 0x22:  # noqa: PLR2004
            in_string = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _variant(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return str(value)[:200]


def is_number(value: Any) -> bool:
    """Whether a value is a number that may be summed: not true or false, not endless."""
    return type(value) in _NUMBERS and -_HUGE < value < _HUGE
