"""How the HTTP edge says no, before or after a domain had its say."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class BadRequest(Refusal):
    """The request does not have the shape this route asks for.

    `errors` is a list of `{path, reason}`: where it is wrong (`body.lat`, `query.limit`) and why.
    """

    code = "http.bad_request"
    status = 400
    public = ("errors",)


class Malformed(Refusal):
    """What was sent is not an HTTP request."""

    code = "http.malformed"
    status = 400


class BadCursor(Refusal):
    """The cursor was not made by this list; start again without one."""

    code = "http.bad_cursor"
    status = 400


class KeyRequired(Refusal):
    """This call moves value and needs an Idempotency-Key header."""

    code = "http.key_required"
    status = 400


class Unauthenticated(Refusal):
    """This call needs a bearer token."""

    code = "http.unauthenticated"
    status = 401


class Forbidden(Refusal):
    """The token does not carry the scope this call needs."""

    code = "http.forbidden"
    status = 403
    public = ("scope",)


class NotOurPage(Refusal):
    """A browser's session serves our own pages alone, and this request comes from elsewhere."""

    code = "http.not_our_page"
    status = 403


class BadCsrfToken(Refusal):
    """A change by a browser's session needs its CSRF token, in the cookie and in the header X-CSRF-Token."""

    code = "http.bad_csrf_token"
    status = 403


class CookiesNeedTls(Refusal):
    """Sessions are put in cookies over HTTPS alone."""

    code = "http.cookies_need_tls"
    status = 403


class NotFound(Refusal):
    """There is nothing at this path."""

    code = "http.not_found"
    status = 404


class MethodNotAllowed(Refusal):
    """This path does not answer that method."""

    code = "http.method_not_allowed"
    status = 405
    public = ("allow",)


class RequestTimedOut(Refusal):
    """The request did not arrive in time."""

    code = "http.request_timed_out"
    status = 408
    retryable = True


class PreconditionFailed(Refusal):
    """The resource has changed since it was read; read it again."""

    code = "http.precondition_failed"
    status = 412


class BodyTooLarge(Refusal):
    """The body is larger than this route takes."""

    code = "http.body_too_large"
    status = 413
    public = ("bytes_max",)


class UrlTooLong(Refusal):
    """The URL is longer than this server reads."""

    code = "http.url_too_long"
    status = 414


class UnsupportedMediaType(Refusal):
    """The body is not of a type this route reads."""

    code = "http.unsupported_media_type"
    status = 415
    public = ("expected",)


class TooManyRequests(Refusal):
    """Too many requests; wait for the seconds in Retry-After."""

    code = "http.too_many_requests"
    status = 429
    retryable = True
    public = ("retry_after_s",)


class HeadTooLarge(Refusal):
    """The headers are larger than this server reads."""

    code = "http.head_too_large"
    status = 431


class ClientLeft(Refusal):
    """The client closed the connection before its request was complete.

    Nobody reads this one; it keeps an everyday event out of the bugs. 499 is what web servers log for it.
    """

    code = "http.client_left"
    status = 499


class Internal(Refusal):
    """Something is broken on our side.

    What a client sees of a bug: never more than the trace id, under which the log holds the rest.
    """

    code = "http.internal"
    status = 500
