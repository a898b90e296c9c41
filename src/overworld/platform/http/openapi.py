"""The OpenAPI 3.1 document: made from the handlers' types, with what the edge adds to every operation."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import Any, Literal

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import ParameterKwarg
from litestar.routes import HTTPRoute
from litestar.types import Method
from litestar.types.internal_types import PathParameterDefinition
from litestar.typing import FieldDefinition

from overworld.kernel.refusals import Refusal
from overworld.platform.http import errors
from overworld.platform.http.access import OPT_KEY, Access
from overworld.platform.http.cookies import CookieJar
from overworld.platform.http.rates import LIMITED

_BEARER, _COOKIE, _REFRESH, _CSRF = "bearer", "cookie", "refresh_cookie", "csrf"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SUCCESS = range(200, 400)
_BAD_REQUEST = 400
_PROBLEM = "Problem"
_PROBLEM_SCHEMA = {
    "type": "object",
    "title": "Problem",
    "description": "The one error object (RFC 9457). Each code may add public members of its own.",
    "required": ["type", "title", "status", "code", "retryable"],
    "properties": {
        "type": {"type": "string", "description": "A URN that ends with the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable: `domain.situation`."},
        "retryable": {"type": "boolean", "description": "The same request may succeed later."},
        "detail": {"type": "string"},
        "trace_id": {"type": "string", "description": "Names this request in our logs."},
        "errors": {
            "type": "array",
            "description": "Where the request is wrong, and why.",
            "items": {
                "type": "object",
                "properties": {"path": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}
_PROBLEM_CONTENT = {"application/problem+json": {"schema": {"$ref": f"#/components/schemas/{_PROBLEM}"}}}
_RAW = {"schema": {"type": "string", "format": "binary"}}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Names this command: sent again with the same key and body, it has one effect and the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

_SESSION_OF_A_PAGE = (
    "The session of a page that this server serves. Requests of other pages are refused with 403 and "
    "`http.not_our_page`, changes without the CSRF token with 403 and `http.bad_csrf_token`."
)
_TOKENS_IN = {
    "name": "Overworld-Tokens",
    "in": "header",
    "required": False,
    "description": "`cookie` puts both tokens into cookies; for pages that this server serves.",
    "schema": {"type": "string", "enum": ["cookie"]},
}


def openapi_config(*, title: str, version: str, tls: bool = False) -> OpenAPIConfig:
    """How Litestar describes the routes; `describe` makes the document."""
    jar = CookieJar(tls=tls)
    return OpenAPIConfig(
        title=title,
        version=version,
        use_handler_docstrings=True,
        operation_id_creator=_operation_id,
        components=Components(
            security_schemes={
                _BEARER: SecurityScheme(type="http", scheme="bearer", bearer_format="JWT"),
                _COOKIE: _scheme(jar.access, place="cookie", said=_SESSION_OF_A_PAGE),
                _REFRESH: _scheme(jar.refresh, place="cookie", said="What such a session is renewed by."),
                _CSRF: _scheme("X-CSRF-Token", place="header", said=f"The value of the cookie `{jar.csrf}`."),
            }
        ),
        render_plugins=[JsonRenderPlugin()],
    )


def _scheme(name: str, *, place: Literal["cookie", "header"], said: str) -> SecurityScheme:
    return SecurityScheme(type="apiKey", name=name, security_scheme_in=place, description=said)


def describe(app: Litestar) -> dict[str, Any]:
    """The document of an application built with `openapi_config`, completed by what the edge does."""
    document = _with_short_names(app.openapi_schema.to_schema())
    document["components"].setdefault("schemas", {})[_PROBLEM] = _PROBLEM_SCHEMA
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        item = document["paths"].get(route.path_format or "/", {})
        for method, (handler, _) in route.route_handler_map.items():
            if (operation := item.get(method.lower())) is not None:
                _complete(operation, method, path=route.path, access=handler.opt.get(OPT_KEY, Access(None)))
                _bound_parameters(operation, handler)
                if handler.parsed_data_field is not None:
                    document["components"]["schemas"] |= _describe_body(operation, handler.parsed_data_field)
    return document


def _with_short_names(document: dict[str, Any]) -> dict[str, Any]:
    """`Page_overworld.domains.ledger.messages.HistoryItem_` is `PageOfHistoryItem` to clients, where that is free."""
    names = set(document["components"].get("schemas", {}))
    text = msgspec.json.encode(document).decode()
    for name in sorted(names):
        short = _short(name)
        if short not in names:
            names.add(short)
            text = text.replace(f'"{name}"', f'"{short}"').replace(f'schemas/{name}"', f'schemas/{short}"')
    shortened: dict[str, Any] = msgspec.json.decode(text)
    return shortened


def _short(name: str) -> str:
    """`PageOfThing` for `Page_overworld.domains.some.Thing_`; other names stay."""
    outer, _, given = name.removesuffix("_").partition("_")
    inner = given.rpartition(".")[2].lstrip("_0123456789")
    is_generic = name.endswith("_") and outer.isidentifier() and outer[0].isupper() and inner
    return f"{outer}Of{inner}" if is_generic else name


def _bound_parameters(operation: dict[str, Any], handler: HTTPRouteHandler) -> None:
    """Writes the bounds of 0 that Litestar leaves out of parameters which may be null."""
    fields = handler.parsed_fn_signature.parameters
    for parameter in operation.get("parameters", []):
        field = fields.get(parameter["name"])
        kwarg = field.kwarg_definition if field is not None else None
        if isinstance(kwarg, ParameterKwarg):
            bounds = {
                "minimum": kwarg.ge,
                "maximum": kwarg.le,
                "exclusiveMinimum": kwarg.gt,
                "exclusiveMaximum": kwarg.lt,
            }
            parameter["schema"] |= {name: bound for name, bound in bounds.items() if bound == 0}


def _describe_body(operation: dict[str, Any], data: FieldDefinition) -> dict[str, Any]:
    """Writes what a route's body is; gives the schemas that this refers to.

    Bodies are decoded by msgspec, so its schema is the true one: Litestar's leaves out that unknown fields are refused
    and that a body may be missing, and loses a bound of 0 on what may be null.
    """
    (schema,), named = msgspec.json.schema_components([data.raw], ref_template="#/components/schemas/{name}")
    operation["requestBody"]["required"] = data.is_required
    for content in operation["requestBody"]["content"].values():
        content["schema"] = schema
    return {name: each | {"description": cleandoc(each.get("description", ""))} for name, each in named.items()}


def _complete(operation: dict[str, Any], method: str, *, path: str, access: Access) -> None:
    if said := operation.get("description"):
        operation["summary"] = said.strip().splitlines()[0].rstrip(".")
    operation["security"] = _security(method, access)
    if access.scope is not None:
        operation["x-scope"] = access.scope
    if access.key_required:
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    if access.gives_session:
        operation.setdefault("parameters", []).append(_TOKENS_IN)
    if access.raw_types:
        operation["requestBody"] = {"required": True, "content": dict.fromkeys(access.raw_types, _RAW)}
    responses = {status: reply for status, reply in operation["responses"].items() if int(status) in _SUCCESS}
    responses.get("204", {}).pop("content", None)
    more_types: dict[str, Any] = {}
    for reply in responses.values():
        for content in [*reply.get("content", {}).values()][:1]:
            more_types = dict.fromkeys(access.answers_as, content)
            reply["content"] |= more_types
    for status, refusals in sorted(_refusals(operation, path=path, access=access).items()):
        lines = [f"`{refusal.code}`: {refusal.title()}." for refusal in refusals]
        content = _PROBLEM_CONTENT | (more_types if status == _BAD_REQUEST else {})
        responses[str(status)] = {"description": "\n\n".join(lines), "content": content}
    responses["default"] = {"description": "Any other refusal or failure.", "content": _PROBLEM_CONTENT}
    operation["responses"] = responses


def _security(method: str, access: Access) -> list[dict[str, list[str]]]:
    """The ways a caller may show who it is; what changes something takes a cookie only with its CSRF token."""
    if access.renews_session:
        return [{_REFRESH: [], _CSRF: []}]
    if access.scope is None:
        return []
    return [{_BEARER: []}, {_COOKIE: []} if method in _SAFE else {_COOKIE: [], _CSRF: []}]


def _refusals(operation: dict[str, Any], *, path: str, access: Access) -> dict[int, list[type[Refusal]]]:
    declared: list[type[Refusal]] = [errors.BadRequest]
    if access.key_required:
        declared.append(errors.KeyRequired)
    if access.scope is not None:
        declared += [errors.Unauthenticated, errors.Forbidden]
    if access.renews_session:
        declared += [errors.Unauthenticated, errors.NotOurPage, errors.BadCsrfToken]
    if access.gives_session:
        declared += [errors.NotOurPage, errors.CookiesNeedTls]
    if "requestBody" in operation:
        declared += [errors.BodyTooLarge, errors.UnsupportedMediaType]
    if path.startswith(LIMITED):
        declared.append(errors.TooManyRequests)
    by_status: dict[int, list[type[Refusal]]] = {}
    for refusal in [*declared, *access.refusals]:
        by_status.setdefault(refusal.status, []).append(refusal)
    return by_status


def _operation_id(handler: HTTPRouteHandler, method: Method, components: list[str | PathParameterDefinition]) -> str:
    """Method and path: `post_v1_game_coins_by_id_collect`. It changes only when the address does."""
    words = [f"by_{part.name}" if isinstance(part, PathParameterDefinition) else part for part in components]
    return "_".join(re.findall("[A-Za-z0-9]+", "_".join([method.lower(), *words])))
