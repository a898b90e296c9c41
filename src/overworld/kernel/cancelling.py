"""A wish to end that must not be lost on the way out."""

from __future__ import annotations

import asyncio


def end_if_cancelled() -> None:
    """Ends this task when that was asked for; for who goes on after an error.

    The way out may fail too: a transaction on a connection that is gone raises its own error in place of the
    cancellation. Whoever takes that error for the only one would go on for ever. Raises: CancelledError.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
