"""A game's names stand beside the platform's, for every noun that has routes."""

from __future__ import annotations

from litestar import get, post

from overworld.app.aliases import also_named
from overworld.app.game import CANONICAL_NOUNS, RouteNames


@get("/v1/game/tools")
async def tools() -> None:
    """Looks."""


@post(["/v1/game/tools/{id:str}/upgrade"])
async def upgrade(id: str) -> None:
    """Upgrades."""


@get("/v1/memberships/mine")
async def mine() -> None:
    """A membership."""


@get("/v1/game/toolsmiths")
async def smiths() -> None:
    """Another noun that begins alike."""


def test_every_noun_can_have_a_name():
    assert set(RouteNames.__struct_fields__) == set(CANONICAL_NOUNS)


def test_a_name_stands_beside_the_noun_and_in_its_place():
    also_named([tools, upgrade, mine, smiths], RouteNames(tools="pickaxe", memberships="genesis"))
    assert tools.paths == {"/v1/game/tools", "/v1/game/pickaxe"}
    assert upgrade.paths == {"/v1/game/tools/{id:str}/upgrade", "/v1/game/pickaxe/{id:str}/upgrade"}
    assert mine.paths == {"/v1/memberships/mine"}, "its name stands for one club, and its own routes know which"
    assert smiths.paths == {"/v1/game/toolsmiths"}
