"""Mails as files, for who develops a game and has no mail server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from overworld.kernel.clock import Clock
from overworld.kernel.mail import TAKEN, Carried, Mail
from overworld.platform.mail.composing import CannotAddress, composed

_log = logging.getLogger(__name__)


class FolderCarrier:
    """Writes each mail into a folder that only its owner can read, and says so in the log: nobody else gets it."""

    def __init__(self, folder: Path, *, sender: str, sender_name: str, clock: Clock) -> None:
        self._folder = folder
        self._sender = sender
        self._sender_name = sender_name
        self._clock = clock

    async def carry(self, mails: Sequence[Mail]) -> list[Carried]:
        """What came of each mail, (n,)."""
        return [await asyncio.to_thread(self._write, mail) for mail in mails]

    def _write(self, mail: Mail) -> Carried:
        at = self._clock.now()
        file = self._folder / f"{at:%Y%m%d-%H%M%S}-{mail.id}.eml"
        try:
            content = bytes(composed(mail, sender=self._sender, sender_name=self._sender_name, at=at))
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_bytes(content)
        except CannotAddress as error:
            return Carried(taken=False, error=f"no mail can be addressed so: {error}")
        except OSError as error:
            return Carried(taken=False, again=True, error=f"cannot write to {self._folder}: {error.strerror}")
        _log.warning("a mail was written to %s and not sent, for mail.server is not set", file)
        return TAKEN
