"""The OpenFeature Remote Evaluation Protocol, so that any OpenFeature client gets its flags here.

Errors are the product's own problem objects with OFREP's members `key`, `errorCode` and `errorDetails` beside the
others. Source: OFREP 0.3.0, https://github.com/open-feature/protocol, service/openapi.yaml.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from litestar.response import Response
from msgspec import Meta, Struct

from overworld.domains.experiments.book import FlagBook
from overworld.domains.experiments.errors import BadContext, FlagNotFound
from overworld.domains.experiments.evaluating import Evaluating
from overworld.domains.experiments.messages import ATTRIBUTES_MAX, FlagGiven, Unit
from overworld.domains.experiments.types import UNIT_LENGTH_MAX, Flag, Reason
from overworld.kernel.identity import Scope
from overworld.platform.http import UNCHANGED, Caller, etag_reply, needs
from overworld.platform.http.errors import Forbidden

PATH = "/ofrep/v1/evaluate/flags"
BODY_BYTES_MAX = 64 << 10

_EXPOSE = "expose"
_KEY = "targetingKey"

FlagPath = Annotated[str, Parameter(max_length=64, description="The flag's key.")]


class OfrepAsked(Struct, frozen=True, kw_only=True):
    """What is known of whom flags are evaluated for.

    `targetingKey` is a player's id; without one it is the caller's. `expose` false only looks. The rest are attributes.
    """

    context: Annotated[dict[str, Any], Meta(max_length=ATTRIBUTES_MAX)] = {}


class OfrepGiven(Struct, frozen=True, kw_only=True):
    """The value that somebody gets of one flag."""

    key: str
    reason: Reason
    variant: str
    value: Any
    metadata: dict[str, bool | int | str]


class OfrepAllGiven(Struct, frozen=True, kw_only=True):
    """What somebody gets of all flags."""

    flags: list[OfrepGiven]


def routes(evaluating: Evaluating, book: FlagBook) -> list[HTTPRouteHandler]:
    """The two handlers of the protocol's core."""

    @post(
        f"{PATH}/{{flag:str}}",
        opt=needs(Scope.GAME_READ, body_bytes_max=BODY_BYTES_MAX, refusals=(BadContext, FlagNotFound)),
        status_code=200,
    )
    async def ofrep_flag(*, caller: Caller, flag: FlagPath, data: OfrepAsked | None = None) -> OfrepGiven:
        """Evaluates one flag for an OpenFeature client; where it is measured, that is an exposure.

        A `targetingKey` of another player than the caller needs the scope `flags.evaluate`.
        """
        context = {} if data is None else data.context
        unit = _unit(caller, context, flag=flag)
        known = book.flags.get(flag)
        if known is None:
            raise FlagNotFound(key=flag, errorCode="FLAG_NOT_FOUND", errorDetails=f"There is no flag {flag}.")
        [given] = await evaluating.many([unit], flags=[flag], expose=_exposes(context))
        return _shown(known, given[flag])

    @post(
        PATH,
        opt=needs(Scope.GAME_READ, body_bytes_max=BODY_BYTES_MAX, refusals=(BadContext,)),
        status_code=200,
        responses=UNCHANGED,
    )
    async def ofrep_flags(
        *, request: Request[Any, Any, Any], caller: Caller, data: OfrepAsked | None = None
    ) -> Response[OfrepAllGiven]:
        """Evaluates all flags for an OpenFeature client, with an `ETag`; an exposure to all that are measured.

        A client that gets all at once and shows few sends `"expose": false`, and asks for each flag as it shows it.
        """
        context = {} if data is None else data.context
        flags = book.flags
        [given] = await evaluating.many([_unit(caller, context)], flags=list(flags), expose=_exposes(context))
        return etag_reply(OfrepAllGiven(flags=_all_shown(list(flags.values()), given)), request)

    return [ofrep_flag, ofrep_flags]


def _all_shown(flags: Sequence[Flag], given: dict[str, FlagGiven]) -> list[OfrepGiven]:
    return [_shown(flag, given[flag.key]) for flag in flags if flag.key in given]


def _shown(flag: Flag, given: FlagGiven) -> OfrepGiven:
    return OfrepGiven(
        key=flag.key,
        reason=given.reason,
        variant=given.variant,
        value=given.value,
        metadata={"revision": flag.revision, "allocation": flag.allocation},
    )


def _exposes(context: dict[str, Any]) -> bool:
    return context.get(_EXPOSE) is not False


def _unit(caller: Caller, context: dict[str, Any], *, flag: str = "") -> Unit:
    """Whom to evaluate for. Raises: BadContext; Forbidden for another player's, without the scope for that."""
    own = str(caller.principal.account_id)
    key = context.get(_KEY)
    may_any = Scope.FLAGS_EVALUATE in caller.scopes
    if key is None or key == "":
        if may_any and caller.principal.sid is None:
            _refuse(flag, "TARGETING_KEY_MISSING", "An API key evaluates for somebody: say for whom.")
        key = own
    if not isinstance(key, str) or len(key) > UNIT_LENGTH_MAX:
        _refuse(flag, "INVALID_CONTEXT", f"targetingKey is text of at most {UNIT_LENGTH_MAX} characters.")
    if key.lower() != own and not may_any:
        raise Forbidden(scope=Scope.FLAGS_EVALUATE)
    return Unit(key=key, attributes={name: value for name, value in context.items() if name not in {_KEY, _EXPOSE}})


def _refuse(flag: str, code: str, details: str) -> NoReturn:
    named = {"key": flag} if flag else {}
    raise BadContext(details, **named, errorCode=code, errorDetails=details)
