"""How keys are refused, and how those who manage them are."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class BadApiKey(Refusal):
    """The API key is not good.

    Whether it was unknown, over, revoked, or its account is suspended, is never told.
    """

    code = "accounts.bad_api_key"
    status = 401


class BadScopes(Refusal):
    """A key cannot have these scopes.

    `allowed` are those that you can give: what you may do yourself, without what keys never may; and
    `telemetry.write`, which is always alone.
    """

    code = "accounts.bad_scopes"
    status = 400
    public = ("allowed",)


class NoSuchApiKey(Refusal):
    """There is no such key, or it is revoked.

    Only whose key it is may rotate it; to anybody else it is refused alike.
    """

    code = "accounts.no_such_api_key"
    status = 404
    public = ("key_id",)


class TooManyApiKeys(Refusal):
    """There are as many keys as there may be."""

    code = "accounts.too_many_api_keys"
    status = 409
    public = ("keys_max",)
