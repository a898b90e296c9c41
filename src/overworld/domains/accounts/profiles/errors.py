"""How profiles refuse."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class BadProfileSettings(Refusal):
    """The settings are too large, too deep, or hold a number that would not come back as it is."""

    code = "accounts.bad_settings"
    status = 400
    public = ("bytes_max", "depth_max", "values_max")


class BadImage(Refusal):
    """The picture cannot be read: it has to be a whole JPEG, PNG or WebP.

    What exactly is wrong with it stays in our logs.
    """

    code = "accounts.bad_image"
    status = 400


class ImageTooLarge(Refusal):
    """The picture has more pixels than can be taken."""

    code = "accounts.image_too_large"
    status = 413
    public = ("pixels_max",)


class TooManyAvatars(Refusal):
    """Too many pictures were sent; try again later."""

    code = "accounts.too_many_avatars"
    status = 429
    retryable = True
    public = ("retry_after_s",)


class NoSuchAvatar(Refusal):
    """There is no such picture, or no longer."""

    code = "accounts.no_such_avatar"
    status = 404
