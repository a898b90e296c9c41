"""Puts analytics together for the app."""

from __future__ import annotations

from collections.abc import Collection

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld.domains.analytics.graphql import catalogue_of
from overworld.domains.analytics.ports import Boards, Columns, Levels, Looks, Pseudonyms, Supply, Wallets
from overworld.domains.analytics.routes import routes
from overworld.domains.analytics.service import Answers
from overworld.kernel.clock import Clock
from overworld.platform.graphql import Catalogue


class AnalyticsParts(Struct, frozen=True, kw_only=True):
    """What analytics contributes to the app."""

    answers: Answers
    routes: list[HTTPRouteHandler]
    catalogue: Catalogue


def build(
    *,
    columns: Columns,
    clock: Clock,
    pseudonyms: Pseudonyms,
    levels: Levels,
    boards: Boards,
    supply: Supply,
    wallets: Wallets,
    looks: Looks,
    room_level: int,
    sampled: Collection[str],
    frame_every_s: float,
) -> AnalyticsParts:
    """Analytics over the store of events; of `sampled` names only some sessions are kept.

    Live figures are told every `frame_every_s`.
    """
    answers = Answers(
        columns=columns,
        clock=clock,
        pseudonyms=pseudonyms,
        levels=levels,
        boards=boards,
        supply=supply,
        wallets=wallets,
        looks=looks,
        room_level=room_level,
        sampled=sampled,
    )
    return AnalyticsParts(
        answers=answers,
        routes=routes(answers, clock=clock),
        catalogue=catalogue_of(answers, clock=clock, frame_every_s=frame_every_s),
    )
