"""How the store of events refuses."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class TooLong(Refusal):
    """The answer takes more time or memory than the store may spend on it."""

    code = "analytics.too_long"
    status = 422


class BadSql(Refusal):
    """The question cannot be asked like that."""

    code = "analytics.bad_sql"
    status = 400


class NoStore(Refusal):
    """There is no store of events there."""

    code = "analytics.no_store"
    status = 503
