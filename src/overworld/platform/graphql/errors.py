"""How GraphQL refuses. The codes stand in `extensions.code` of its errors."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class NotADocument(Refusal):
    """The document is not GraphQL."""

    code = "graphql.syntax"
    status = 400


class NotInSchema(Refusal):
    """The document, or a variable, does not fit the schema."""

    code = "graphql.invalid"
    status = 400


class WrongOperation(Refusal):
    """The document has no operation of that name, or several and none is named."""

    code = "graphql.no_operation"
    status = 400


class AnsweredElsewhere(Refusal):
    """Queries are answered at /graphql, subscriptions at /graphql/stream."""

    code = "graphql.other_route"
    status = 400


class TooLong(Refusal):
    """The document is longer than this server reads."""

    code = "graphql.too_long"
    status = 400
    public = ("tokens_max",)


class TooDeep(Refusal):
    """The document is nested more deeply than is answered."""

    code = "graphql.too_deep"
    status = 400
    public = ("depth", "depth_max")


class TooManyAliases(Refusal):
    """The document has more aliases than are answered."""

    code = "graphql.too_many_aliases"
    status = 400
    public = ("aliases", "aliases_max")


class TooManyFields(Refusal):
    """The document names more fields than are answered."""

    code = "graphql.too_many_fields"
    status = 400
    public = ("fields", "fields_max")


class TooCostly(Refusal):
    """The operation may cost more than one may; ask for shorter lists, or for less at once."""

    code = "graphql.too_costly"
    status = 400
    public = ("cost", "cost_max")


class BadArgument(Refusal):
    """An argument is not what this field takes."""

    code = "graphql.bad_argument"
    status = 400
    public = ("errors",)


class NotAcceptable(Refusal):
    """Streams are sent as text/event-stream alone; accept it."""

    code = "graphql.not_acceptable"
    status = 406
    public = ("expected",)


class TooManyStreams(Refusal):
    """This caller has as many streams open as one may; close one."""

    code = "graphql.too_many_streams"
    status = 429
    retryable = True
    public = ("retry_after_s",)


class NoStreamFree(Refusal):
    """This server has as many streams open as it may; try again shortly."""

    code = "graphql.no_stream_free"
    status = 503
    retryable = True
    public = ("retry_after_s",)
