"""How signing in with accounts elsewhere, linking and letting go refuse."""

from __future__ import annotations

from overworld.kernel.refusals import Fault, Refusal


class NoSuchProvider(Refusal):
    """Nobody signs in this way here."""

    code = "accounts.no_such_provider"
    status = 404


class RedirectRefused(Refusal):
    """Providers may not send people back to this page.

    An operator lists the pages in `sign_in.redirect_uris`.
    """

    code = "accounts.redirect_refused"
    status = 400


class BadAnswer(Refusal):
    """What came back from the provider is not whole.

    It has a code with its state, or an ID token, or the fields of OpenID 2.0: exactly one of them.
    """

    code = "accounts.bad_answer"
    status = 400


class NotProved(Refusal):
    """The account elsewhere is not proved: begin again.

    Whether the visit was unknown, over or used, or the proof was wrong, is never told; `reason` stays in the log.
    """

    code = "accounts.not_proved"
    status = 401


class ProviderUnavailable(Fault):
    """The provider does not answer as it should; try again shortly."""

    code = "accounts.provider_unavailable"


class ExternalTaken(Refusal):
    """This account elsewhere belongs to another account here."""

    code = "accounts.external_taken"
    status = 409
    public = ("way",)


class AlreadyLinked(Refusal):
    """Your account has another one of this kind already: unlink that first."""

    code = "accounts.already_linked"
    status = 409
    public = ("way",)


class NotLinked(Refusal):
    """Your account has no such way in."""

    code = "accounts.not_linked"
    status = 404
    public = ("way",)
