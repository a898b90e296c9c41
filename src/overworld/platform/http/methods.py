"""What may be done at a path: the answer to OPTIONS."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from http import HTTPStatus

from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response
from litestar.types import ControllerRouterHandler


def options_of(handlers: Iterable[ControllerRouterHandler]) -> Iterator[HTTPRouteHandler]:
    """Handlers of OPTIONS for the paths that several handlers share; put them before those.

    Litestar makes one by itself, but of the first handler of a path alone.
    """
    sharing: defaultdict[str, list[HTTPRouteHandler]] = defaultdict(list)
    for handler in handlers:
        if isinstance(handler, HTTPRouteHandler):
            for path in handler.paths:
                sharing[path].append(handler)
    for path, mine in sharing.items():
        if len(mine) > 1:
            yield _options(path, frozenset().union(*(handler.http_methods for handler in mine)) | {"OPTIONS"})


def _options(path: str, methods: Iterable[str]) -> HTTPRouteHandler:
    allow = ", ".join(sorted(map(str, methods)))

    @route(
        path, http_method=["OPTIONS"], include_in_schema=False, status_code=HTTPStatus.NO_CONTENT, sync_to_thread=False
    )
    def options() -> Response[None]:
        return Response(None, status_code=HTTPStatus.NO_CONTENT, headers={"Allow": allow})

    return options
