"""The commands, and the shapes that clients read."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from overworld.kernel.secretive import Secretive

CodeText = Annotated[
    str, Meta(min_length=6, max_length=32, description="6 digits from the app, or a recovery code where one is taken.")
]


class BeginFactor(Struct, frozen=True, forbid_unknown_fields=True):
    """The body that begins to set up a second factor: nothing."""


class GiveCode(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody proves that they have the second factor of their account."""

    code: CodeText


class FactorSecret(Secretive, frozen=True, kw_only=True):
    """What goes into the app, typed or as a picture of `uri`; a code has to confirm it within `expires_in` seconds."""

    secret: str
    uri: str
    expires_in: int


class Proved(Secretive, frozen=True, kw_only=True):
    """An access token that carries what a second factor opens; later ones of the session do too, for a while."""

    access_token: str
    expires_in: int
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the type's name, RFC 6750


class ProvedInCookie(Struct, frozen=True, kw_only=True):
    """The same for a page of ours: the token is in its cookie."""

    expires_in: int
    token_type: Literal["Cookie"] = "Cookie"  # noqa: S105 - no token


class RecoveryCodes(Secretive, frozen=True, kw_only=True):
    """Codes for the day the app is lost, each good once. They are shown this one time."""

    recovery_codes: tuple[str, ...]


class Confirmed(Proved, frozen=True, kw_only=True):
    """The same, and the recovery codes, which are shown this one time."""

    recovery_codes: tuple[str, ...]


class ConfirmedInCookie(Secretive, frozen=True, kw_only=True):
    """The same for a page of ours: the token is in its cookie."""

    expires_in: int
    recovery_codes: tuple[str, ...]
    token_type: Literal["Cookie"] = "Cookie"  # noqa: S105 - no token


class FactorSeen(Struct, frozen=True, kw_only=True):
    """Whether an account has a second factor, whether this session needs one, and has proved it lately."""

    set_up: bool
    needed: bool
    proved: bool
    recovery_codes_left: int
