"""`http.md`: every route, from the OpenAPI document and the examples that a test runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from script.reference.examples import Call
from script.reference.markdown import anchor, code, codes, page, prose, sentence, table
from script.reference.shapes import fields, named, words

_CODE = re.compile(r"`([a-z]+\.[a-z_]+)`:")
_PROBLEM = "Problem"
_JSON = "application/json"
_INTRO = """Every call of the HTTP interface, port 7400 by default. The server itself serves the same as OpenAPI
3.1 at `/openapi.json`, and a page to try it at `/docs`. Bodies and replies are JSON; an unknown field or query
parameter is refused. Times are RFC 3339 in UTC, amounts are decimal text in the places of their currency.

A call that needs a scope takes `Authorization: Bearer TOKEN`; in development `Overworld-Key: KEY`, the developer key of
the data folder, adds the scopes `world.read` and `world.replay`. Every reply carries `X-Request-ID`; every refusal is
one [Problem](#problem), whose code is explained in [errors.md](errors.md). In the examples `<...>` stands for what
differs from run to run; the examples are run by `tests/docs/test_examples.py`."""
_PAGES = """**Lists** come in pages: `limit` says how many (50 when left out), and `cursor` of a reply, handed back,
gives the next page; it is null on the last one."""
_LIMITS = """**Rate limits** hold under `/v1`, see [limits](settings.md#limits): replies carry `RateLimit-Limit`,
`RateLimit-Remaining` and `RateLimit-Reset`, a refusal `Retry-After`. The live map has a limit of its own: 20 calls a
second from one address, of which `/v1/live/collectibles`, `me` and `players` count as 5."""

_OPEN = "Open to all."
_DENIED = "http.unauthenticated"
_ANY = "[http](errors.md#http), [platform](errors.md#platform) and [database](errors.md#database)"


class Route(Struct, frozen=True, kw_only=True):
    """One operation, with the other paths at which the same one answers."""

    method: str
    path: str
    operation: dict[str, Any]
    also: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """As headings and examples name it: `POST /v1/auth/login`."""
        return f"{self.method} {self.path}"


def build(document: Mapping[str, Any], calls: Sequence[Call]) -> str:
    """The page."""
    routes = list(routes_of(document))
    shared = set.intersection(*(set(_refusals(route)) for route in routes))
    every = f"**Any call** may be refused with {codes(sorted(shared))}, and with what concerns no route: see {_ANY}."
    sections: dict[str, list[str]] = {}
    for route in routes:
        sections.setdefault(_section(route.path), []).append(_route(route, calls, shared=shared))
    contents = [f"- [{route.title}](#{anchor(route.title)}): {_summary(route)}" for route in routes]
    parts = [part for name, bodies in sections.items() for part in (f"## {name}", *bodies)]
    return page("HTTP", _INTRO, _PAGES, _LIMITS, every, "\n".join(contents), *parts, *_shapes(document, routes))


def routes_of(document: Mapping[str, Any]) -> Iterator[Route]:
    """Every operation once, by path; those that differ in nothing but a noun of their path are one."""
    found: dict[str, Route] = {}
    for path, item in sorted(document["paths"].items()):
        for method, operation in item.items():
            same = {key: value for key, value in operation.items() if key != "operationId"}
            twin = found.get(key := f"{method}{same}")
            found[key] = (
                Route(method=twin.method, path=twin.path, operation=operation, also=(*twin.also, path))
                if twin
                else Route(method=method.upper(), path=path, operation=operation)
            )
    return iter(found.values())


def _section(path: str) -> str:
    first, *rest = path.strip("/").split("/")
    return f"/{first}" if not rest or first != "v1" else f"/v1/{rest[0]}"


def _summary(route: Route) -> str:
    return sentence(str(route.operation.get("summary", "")))


def _refusals(route: Route) -> list[str]:
    replies = route.operation["responses"]
    return [code for reply in replies.values() for code in _CODE.findall(reply.get("description", ""))]


def _route(route: Route, calls: Sequence[Call], *, shared: set[str]) -> str:
    operation = route.operation
    scope = operation.get("x-scope")
    own = [code for code in _refusals(route) if code not in shared]
    access = f"Needs the scope `{scope}`." if scope else _OPEN if _DENIED not in own else ""
    parts = [
        f"### {route.title}",
        prose(operation.get("description")),
        " ".join(filter(None, [access, *(f"Also at `{path}`." for path in route.also)])),
        _parameters(operation),
        _body(operation),
        _replies(operation),
    ]
    parts.append(f"Refusals: {_linked(own)}." if own else "")
    parts += [call.as_markdown() for call in calls if call.route == route.title and not call.hidden]
    return "\n\n".join(filter(None, parts))


def _linked(refusals: Sequence[str]) -> str:
    return ", ".join(f"[`{code}`](errors.md#{code.partition('.')[0]})" for code in refusals)


def _parameters(operation: Mapping[str, Any]) -> str:
    rows = [
        (
            code(each["name"]),
            each["in"],
            words(each.get("schema", {})),
            _presence(each),
            each.get("description", ""),
        )
        for each in operation.get("parameters", ())
    ]
    return table(("parameter", "in", "type", "", "meaning"), rows)


def _presence(parameter: Mapping[str, Any]) -> str:
    if parameter.get("required"):
        return "required"
    default = parameter.get("schema", {}).get("default")
    return "" if default is None else f"default {code(default)}"


def _body(operation: Mapping[str, Any]) -> str:
    if "requestBody" not in operation:
        return ""
    content = operation["requestBody"]["content"]
    return f"Body: {' or '.join(_content(content))}."


def _replies(operation: Mapping[str, Any]) -> str:
    lines = []
    for status, reply in operation["responses"].items():
        if not status.startswith("2"):
            continue
        shapes = _content(reply.get("content", {}))
        lines.append(f"`{status}` {' or '.join(shapes) or 'without a body'}")
    return f"Reply: {'; '.join(lines)}."


def _content(content: Mapping[str, Any]) -> list[str]:
    """What stands for each body: its shape, or its media type where that is no JSON."""
    return [
        words(each["schema"]) if media_type == _JSON else f"`{media_type}`"
        for media_type, each in content.items()
        if each.get("schema")
    ]


def _shapes(document: Mapping[str, Any], routes: Sequence[Route]) -> list[str]:
    """Every shape that the page links to, those within others included."""
    schemas = document["components"]["schemas"]
    wanted, found = [route.operation for route in routes], {_PROBLEM}
    while wanted:
        new = set(named(wanted)) - found
        found |= new
        wanted = [schemas[name] for name in new]
    return ["## Shapes", *(_shape(name, schemas[name]) for name in sorted(found))]


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    parts = [f"### {name}", prose(schema.get("description")), fields(schema)]
    return "\n\n".join(filter(None, parts))
