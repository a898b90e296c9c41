"""How telemetry says no."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class BadEvents(Refusal):
    """The body is no event and no batch of events.

    Nothing of it was kept. A batch in which single events are wrong is taken, and its answer names them.
    """

    code = "telemetry.bad_body"
    status = 400
    public = ("reason",)


class EventRefused(Refusal):
    """The event cannot be taken; the reason says why."""

    code = "telemetry.bad_event"
    status = 400
    public = ("reason", "found")


class TooManyEvents(Refusal):
    """The request has more events than one may have. Send them in several."""

    code = "telemetry.too_many"
    status = 413
    public = ("events_max",)


class TooLargeUnpacked(Refusal):
    """The body is too large once it is unpacked. Send it in several requests."""

    code = "telemetry.too_large"
    status = 413
    public = ("bytes_max",)


class NotAWriter(Refusal):
    """Events are written with an ingest key, or with a player's token.

    Other API keys cannot: a key that reads must not be shipped with a game, where the ones that write are.
    """

    code = "telemetry.not_a_writer"
    status = 403


class TelemetryBusy(Refusal):
    """More comes in than can be kept just now. Nothing of this request was kept; send it again after a while."""

    code = "telemetry.busy"
    status = 429
    retryable = True
    public = ("retry_after_s",)
