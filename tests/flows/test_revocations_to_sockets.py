"""A revoked session's sockets end, in the process that holds them."""

from uuid import UUID

import pytest

from overworld.domains.accounts.messages import SessionRevoked
from overworld.flows.revocations_to_sockets import RevocationsToSockets
from overworld.kernel.clock import FixedClock
from overworld.kernel.events import enclose
from overworld.kernel.ids import IdSource


class Ended:
    """A socket door that writes down what it is asked to end."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, UUID]] = []

    def revoked(self, account_id: UUID, sid: UUID) -> None:
        self.asked.append(("session", sid))

    def account_revoked(self, account_id: UUID) -> None:
        self.asked.append(("account", account_id))


@pytest.mark.parametrize("one_session", [True, False])
async def test_a_revocation_ends_one_session_or_the_whole_account(one_session: bool, ids: IdSource, clock: FixedClock):
    account_id, session_id = ids(), ids()
    event = SessionRevoked(
        account_id=account_id, session_id=session_id if one_session else None, version=1, reason="logged_out"
    )
    ended = Ended()
    await RevocationsToSockets(ended).handle([enclose(event, id=ids(), at=clock.now())])
    assert ended.asked == [("session", session_id) if one_session else ("account", account_id)]
