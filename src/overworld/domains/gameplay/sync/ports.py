"""What sync needs from elsewhere, beside the kernel's `LastFix`."""

from __future__ import annotations

from typing import Any, Protocol

from overworld.domains.gameplay.messages import AsOf
from overworld.domains.gameplay.sync.messages import OfflineAction
from overworld.kernel.identity import Answer, Principal


class Act(Protocol):
    """Does what an action says, under its `request_id`, as if it had come at once.

    Actions of one kind are handed over in their order, several before the first has answered; those of one player are
    to be done in that order.
    """

    async def __call__(self, principal: Principal, action: OfflineAction, as_of: AsOf) -> Answer[Any]:
        """The answer. `as_of` is where and when it was done. Raises: the refusals of the action."""
        ...
