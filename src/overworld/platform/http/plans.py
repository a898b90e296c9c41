"""What the edge checks before a handler runs, worked out once per route when the application is built."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar.constants import RESERVED_KWARGS
from litestar.enums import ParamType, RequestEncodingType
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import BodyKwarg, ParameterKwarg
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import Scope
from litestar.typing import FieldDefinition
from msgspec import Meta, Struct
from msgspec.structs import replace

from overworld.platform.http.access import OPT_KEY, Access
from overworld.platform.http.errors import BadRequest, UnsupportedMediaType
from overworld.platform.http.problems import ERRORS_MAX, fault
from overworld.platform.http.settings import HttpSettings

QUERY_PARAMETERS_MAX = 64

_PLAN_KEY = "overworld_plan"
_JSON = b"application/json"


class Plan(Struct, frozen=True, kw_only=True):
    """The checks of one route. `query` is None where any query is taken (mounted applications)."""

    access: Access
    body_bytes_max: int
    body_timeout_s: float
    media_types: tuple[bytes, ...] = ()
    decoder: Any = None
    query: frozenset[str] | None = None
    required: frozenset[str] = frozenset()
    repeatable: frozenset[str] = frozenset()
    finite: frozenset[str] = frozenset()

    def check_query(self, query_string: bytes) -> None:
        """Raises: BadRequest for a parameter that is unknown, missing, given twice, not UTF-8 or not finite."""
        if self.query is None or not (query_string or self.required):
            return
        try:
            pairs = parse_qsl(query_string.decode("ascii"), True, errors="strict", max_num_fields=QUERY_PARAMETERS_MAX)
        except ValueError as error:
            raise BadRequest(errors=[fault("query", "", "The query cannot be read")]) from error
        seen: set[str] = set()
        errors: list[dict[str, str]] = []
        for name, value in pairs:
            reason = self._query_fault(name, value, seen)
            if reason is not None:
                errors.append(fault("query", name[:64], reason))
            seen.add(name)
        errors += [fault("query", name, "The parameter is required") for name in sorted(self.required - seen)]
        if errors:
            raise BadRequest(errors=errors[:ERRORS_MAX])

    def check_media_type(self, content_type: bytes | None) -> None:
        """Raises: UnsupportedMediaType when the body is declared to be something this route does not read."""
        if not self.media_types or content_type is None:
            return
        essence = content_type.split(b";", 1)[0].strip().lower()
        if essence not in self.media_types and not (_JSON in self.media_types and essence.endswith(b"+json")):
            raise UnsupportedMediaType(expected=", ".join(each.decode() for each in self.media_types))

    def _query_fault(self, name: str, value: str, seen: set[str]) -> str | None:
        if self.query is not None and name not in self.query:
            return "There is no such parameter"
        if name in seen and name not in self.repeatable:
            return "The parameter is given twice"
        if "\x00" in value:
            return "Text must not contain U+0000"
        if name in self.finite and not _is_finite(value):
            return "The number must be finite"
        return None


def plan_routes(routes: Iterable[BaseRoute], settings: HttpSettings) -> None:
    """Works out the plan of every handler and keeps it in its `opt`.

    Raises: TypeError for a route that does not declare who may call it, or whose bounds would not be checked.
    """
    for route in routes:
        handlers = route.route_handlers if isinstance(route, HTTPRoute) else [route.route_handler]  # type: ignore[attr-defined]
        for handler in handlers:
            handler.opt[_PLAN_KEY] = _plan(handler, route, settings)


def plan_of(scope: Scope) -> Plan:
    """The plan of the route that answers this request. Raises: KeyError when none does."""
    return plan_of_handler(scope["route_handler"])


def plan_of_handler(handler: BaseRouteHandler) -> Plan:
    """The plan of a handler. Raises: KeyError before `plan_routes`."""
    plan: Plan = handler.opt[_PLAN_KEY]
    return plan


def _plan(handler: BaseRouteHandler, route: BaseRoute, settings: HttpSettings) -> Plan:
    access = handler.opt.get(OPT_KEY)
    if access is None and isinstance(handler, HTTPRouteHandler) and handler.http_methods == {"OPTIONS"}:
        access = Access(None)
    if access is None:
        raise TypeError(f"{route.path}: {handler} must say who may call it: opt=needs(Scope....) or opt=open_to_all()")
    plan = Plan(
        access=access,
        body_bytes_max=access.body_bytes_max or settings.body_bytes_max,
        body_timeout_s=settings.body_timeout_s,
    )
    if not isinstance(handler, HTTPRouteHandler):
        return plan
    query = dict(_query_fields(handler, route))
    data = handler.parsed_data_field
    return replace(
        plan,
        media_types=_media_types(data, access),
        decoder=msgspec.json.Decoder(data.raw) if data else None,
        query=frozenset(query),
        required=frozenset(name for name, field in query.items() if field.is_required and not field.is_optional),
        repeatable=frozenset(name for name, field in query.items() if field.is_non_string_sequence),
        finite=frozenset(name for name, field in query.items() if _holds_float(field)),
    )


def _query_fields(handler: HTTPRouteHandler, route: HTTPRoute | Any) -> Iterable[tuple[str, FieldDefinition]]:
    elsewhere = RESERVED_KWARGS | set(route.path_parameters) | set(handler.resolve_dependencies())
    for name, field in handler.parsed_fn_signature.parameters.items():
        if name != "data" and any(isinstance(each, Meta) for each in field.metadata):
            raise TypeError(f"{route.path}: {name}: Litestar reads no msgspec Meta here: Annotated[T, Parameter(...)]")
        if name in elsewhere:
            continue
        kwarg = field.kwarg_definition
        if not isinstance(kwarg, ParameterKwarg):
            yield name, field
        elif kwarg.param_type is ParamType.QUERY and not (kwarg.header or kwarg.cookie):
            yield kwarg.query or kwarg.name or name, field


def _media_types(data: FieldDefinition | None, access: Access) -> tuple[bytes, ...]:
    if data is None:
        return tuple(each.encode() for each in access.raw_types)
    declared = data.kwarg_definition.media_type if isinstance(data.kwarg_definition, BodyKwarg) else None
    chosen = declared or RequestEncodingType.JSON
    return (str(chosen.value if isinstance(chosen, RequestEncodingType) else chosen).encode(),)


def _holds_float(field: FieldDefinition) -> bool:
    return field.annotation is float or any(_holds_float(inner) for inner in field.inner_types)


def _is_finite(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return True
