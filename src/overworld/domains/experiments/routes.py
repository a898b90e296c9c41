"""Flags over HTTP: for players, for servers that ask for many of them, and for staff."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, QueryParameter
from litestar.response import Response

from overworld.domains.experiments.errors import BadFlag, FlagExists, NoSuchFlag, NotMeasured, TooManyFlags
from overworld.domains.experiments.evaluating import Evaluating
from overworld.domains.experiments.messages import (
    BulkAsked,
    BulkGiven,
    FlagBody,
    FlagsAsked,
    FlagsGiven,
    FlagShown,
    NewFlagBody,
    PlayerGiven,
    Unit,
)
from overworld.domains.experiments.ports import Page as ReportPage
from overworld.domains.experiments.report.service import Reports
from overworld.domains.experiments.report.types import Report
from overworld.domains.experiments.service import Flags
from overworld.kernel.identity import Scope
from overworld.platform.http import (
    UNCHANGED,
    Caller,
    CursorQuery,
    LimitQuery,
    Page,
    decode_cursor,
    encode_cursor,
    etag_of,
    etag_reply,
    needs,
    require_match,
)
from overworld.platform.http.errors import BadCursor, PreconditionFailed
from overworld.platform.http.paging import LIMIT_DEFAULT

PATH = "/v1/flags"
ADMIN_PATH = "/v1/admin/flags"
_BODY_BYTES_MAX = 64 << 10
_BULK_BYTES_MAX = 4 << 20
_FLAG_BYTES_MAX = 256 << 10
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

KeyPath = Annotated[str, Parameter(max_length=64, description="The flag's key.")]
FlagQuery = Annotated[
    list[str] | None,
    QueryParameter(name="flag", max_items=32, description="Only these flags, of which those that there are."),
]
CountryQuery = Annotated[
    str | None, Parameter(max_length=64, description="Where the player says to be: the attribute `country`.")
]
PlatformQuery = Annotated[
    str | None, Parameter(max_length=64, description="What the game runs on: the attribute `platform`.")
]
VersionQuery = Annotated[
    str | None, Parameter(max_length=64, description="The client's version: the attribute `app_version`.")
]


def routes(*, flags: Flags, evaluating: Evaluating, reports: Reports, page: ReportPage) -> list[HTTPRouteHandler]:
    """The handlers."""
    return [*_for_players(evaluating), _for_servers(evaluating), *_for_staff(flags), *_reports(reports, page)]


def _for_players(evaluating: Evaluating) -> list[HTTPRouteHandler]:
    @get(PATH, opt=needs(Scope.GAME_READ), responses=UNCHANGED)
    async def flags_look(
        *,
        request: Request[Any, Any, Any],
        caller: Caller,
        chosen: FlagQuery = None,
        country: CountryQuery = None,
        platform: PlatformQuery = None,
        app_version: VersionQuery = None,
    ) -> Response[FlagsGiven]:
        """What you get of each flag, with an `ETag`. It only looks: nobody counts as exposed by it."""
        said = {"country": country, "platform": platform, "app_version": app_version}
        unit = _own(caller, {name: value for name, value in said.items() if value is not None})
        [given] = await evaluating.many([unit], flags=chosen, expose=False)
        return etag_reply(FlagsGiven(flags=given), request)

    @post(PATH, opt=needs(Scope.GAME_READ, body_bytes_max=_BODY_BYTES_MAX), status_code=200)
    async def flags_evaluate(*, caller: Caller, data: FlagsAsked) -> FlagsGiven:
        """What you get of the flags that you are about to be shown; of those that are measured, you count as exposed.

        What is not there is left out. What the server knows of you (`level`) goes before what the body says.
        """
        [given] = await evaluating.many([_own(caller, data.attributes)], flags=data.flags, expose=data.expose)
        return FlagsGiven(flags=given)

    return [flags_look, flags_evaluate]


def _for_servers(evaluating: Evaluating) -> HTTPRouteHandler:
    @post(f"{PATH}/bulk", opt=needs(Scope.FLAGS_EVALUATE, body_bytes_max=_BULK_BYTES_MAX), status_code=200)
    async def flags_bulk(*, data: BulkAsked) -> BulkGiven:
        """What many players get of some flags, for a server that shows it to them; they count as exposed."""
        units = [Unit(key=str(one.player_id), attributes=one.attributes) for one in data.players]
        given = await evaluating.many(units, flags=data.flags, expose=data.expose)
        return BulkGiven(
            players=[
                PlayerGiven(player_id=one.player_id, flags=flags)
                for one, flags in zip(data.players, given, strict=True)
            ]
        )

    return flags_bulk


def _for_staff(flags: Flags) -> list[HTTPRouteHandler]:
    @get(ADMIN_PATH, opt=needs(Scope.FLAGS_READ, refusals=(BadCursor,)))
    async def flags_list(*, limit: LimitQuery = LIMIT_DEFAULT, cursor: CursorQuery = None) -> Page[FlagShown]:
        """All flags, by key."""
        [after] = decode_cursor(cursor, (str,)) if cursor else [""]
        found = await flags.every(after=after, limit=limit + 1)
        more = encode_cursor(found[limit - 1].key) if len(found) > limit else None
        return Page(found[:limit], more)

    made = (BadFlag, FlagExists, TooManyFlags)

    @post(ADMIN_PATH, opt=needs(Scope.FLAGS_WRITE, body_bytes_max=_FLAG_BYTES_MAX, refusals=made))
    async def flag_make(*, caller: Caller, data: NewFlagBody) -> Response[FlagShown]:
        """Makes a flag; from then on it is evaluated, on every server within a moment."""
        shown = await flags.make(data.key, data, staff=caller.staff)
        return Response(shown, status_code=201, headers={"ETag": etag_of(shown)})

    @get(f"{ADMIN_PATH}/{{key:str}}", opt=needs(Scope.FLAGS_READ, refusals=(NoSuchFlag,)), responses=UNCHANGED)
    async def flag_show(*, request: Request[Any, Any, Any], key: KeyPath) -> Response[FlagShown]:
        """A flag with its `ETag`."""
        return etag_reply(await flags.one(key), request)

    @put(
        f"{ADMIN_PATH}/{{key:str}}",
        opt=needs(
            Scope.FLAGS_WRITE, body_bytes_max=_FLAG_BYTES_MAX, refusals=(BadFlag, NoSuchFlag, PreconditionFailed)
        ),
    )
    async def flag_change(
        *, request: Request[Any, Any, Any], caller: Caller, key: KeyPath, data: FlagBody
    ) -> Response[FlagShown]:
        """Replaces all that is declared of a flag; `If-Match` says of which one.

        When variants, their weights or values, or the salt change, a new allocation begins, compared by itself.
        """
        after = await flags.change(key, data, staff=caller.staff, matches=lambda there: require_match(there, request))
        return Response(after, headers={"ETag": etag_of(after)})

    @delete(f"{ADMIN_PATH}/{{key:str}}", opt=needs(Scope.FLAGS_WRITE, refusals=(NoSuchFlag, PreconditionFailed)))
    async def flag_delete(*, request: Request[Any, Any, Any], caller: Caller, key: KeyPath) -> None:
        """Deletes a flag, so that clients get their own defaults. `If-Match` says which one is meant."""
        await flags.delete(key, staff=caller.staff, matches=lambda there: require_match(there, request))

    return [flags_list, flag_make, flag_show, flag_change, flag_delete]


def _reports(reports: Reports, page: ReportPage) -> list[HTTPRouteHandler]:
    refusals = (NoSuchFlag, NotMeasured)

    @get(f"{ADMIN_PATH}/{{key:str}}/report", opt=needs(Scope.FLAGS_READ, refusals=refusals))
    async def flag_report(*, key: KeyPath) -> Report:
        """What the experiment of a flag came to so far: it may be looked at as often as one likes."""
        return await reports.make(key)

    @get(
        f"{ADMIN_PATH}/{{key:str}}/report.html", opt=needs(Scope.FLAGS_READ, refusals=refusals), media_type="text/html"
    )
    async def flag_report_page(*, key: KeyPath) -> Response[str]:
        """The same as one HTML page with its charts in it."""
        report = await reports.make(key)
        return Response(page(report), media_type="text/html", headers={"Content-Security-Policy": _PAGE_POLICY})

    return [flag_report, flag_report_page]


def _own(caller: Caller, attributes: dict[str, Any]) -> Unit:
    return Unit(key=str(caller.principal.account_id), attributes=attributes)
