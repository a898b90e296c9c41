"""GraphQL: types made of our Structs, documents within bounds, answers over HTTP, and live figures in streams.

A domain declares what can be asked as `Question`, `Part` and `Feed`: names, Structs and functions, and not a word of
the library. graphql-core is imported when the first document arrives, in a thread: it takes a fifth of a second. Why
it is plain graphql-core: ADR 175.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.platform.graphql.asking import Asker, Catalogue, Feed, Many, Part, Question
    from overworld.platform.graphql.connections import Connection, Edge, Paged, PageInfo, sliced
    from overworld.platform.graphql.settings import GraphqlSettings
    from overworld.platform.graphql.ticker import Ticker
    from overworld.platform.graphql.wiring import GraphqlParts, build
else:
    __getattr__ = door(
        __name__,
        asking=["Asker", "Catalogue", "Feed", "Many", "Part", "Question"],
        connections=["Connection", "Edge", "PageInfo", "Paged", "sliced"],
        settings=["GraphqlSettings"],
        ticker=["Ticker"],
        wiring=["GraphqlParts", "build"],
    )

__all__ = [
    "Asker",
    "Catalogue",
    "Connection",
    "Edge",
    "Feed",
    "GraphqlParts",
    "GraphqlSettings",
    "Many",
    "PageInfo",
    "Paged",
    "Part",
    "Question",
    "Ticker",
    "build",
    "sliced",
]
