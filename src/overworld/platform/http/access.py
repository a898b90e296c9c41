"""What a route asks of its callers, declared beside it: `opt=needs(Scope.GAME_READ)` or `opt=open_to_all()`."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from overworld.kernel.refusals import Refusal

OPT_KEY = "overworld_access"


class Access(Struct, frozen=True):
    """The terms of one route. `scope` is None where everybody may come in."""

    scope: str | None
    key_required: bool = False
    body_bytes_max: int | None = None
    refusals: tuple[type[Refusal], ...] = ()
    raw_types: tuple[str, ...] = ()
    answers_as: tuple[str, ...] = ()
    gives_session: bool = False
    renews_session: bool = False
    hot: bool = False


def needs(
    scope: str,
    *,
    key_required: bool = False,
    body_bytes_max: int | None = None,
    refusals: tuple[type[Refusal], ...] = (),
    raw_types: tuple[str, ...] = (),
    hot: bool = False,
) -> dict[str, Any]:
    """A route's `opt`: callers need a token with this scope, or a token and a key with it beside.

    `key_required` refuses calls without an `Idempotency-Key`. `body_bytes_max` replaces the setting for this route.
    `refusals` are the ones this route may answer with beside those of the edge; they are written in its description.
    `raw_types` are the media types of a body that the handler reads itself: as `reader: BodyReader`, part by part, or
    by `await request.body()`. `hot` takes the short way around Litestar (`lanes`): for what is asked for all the time.
    """
    return {
        OPT_KEY: Access(
            scope,
            key_required=key_required,
            body_bytes_max=body_bytes_max,
            refusals=refusals,
            raw_types=raw_types,
            hot=hot,
        )
    }


def open_to_all(
    *,
    body_bytes_max: int | None = None,
    refusals: tuple[type[Refusal], ...] = (),
    gives_session: bool = False,
    answers_as: tuple[str, ...] = (),
) -> dict[str, Any]:
    """A route's `opt`: no token is needed. One that is given is still read, and ignored when it is not valid.

    `gives_session` says that it signs in: a page of ours may ask for cookies in the place of tokens. `answers_as` are
    more media types of its answer, in which it may also say what is wrong with a request (400).
    """
    access = Access(
        None, body_bytes_max=body_bytes_max, refusals=refusals, gives_session=gives_session, answers_as=answers_as
    )
    return {OPT_KEY: access}


def renews_session(*, refusals: tuple[type[Refusal], ...] = ()) -> dict[str, Any]:
    """A route's `opt`: it goes by the cookie with the refresh token, which the handler takes from `caller.browser`."""
    return {OPT_KEY: Access(None, refusals=refusals, renews_session=True)}
