"""Who of the staff may handle whom. Pure."""

from __future__ import annotations

from uuid import UUID

from overworld.domains.accounts.rules import scopes_of
from overworld.domains.accounts.types import Role
from overworld.domains.accounts.users.errors import BeyondYou, NotYourself
from overworld.kernel.identity import Scope


def require_authority(*, actor_id: UUID | None, holds: frozenset[str], over: UUID, role: Role) -> None:
    """Lets somebody through who `holds` some scopes and is about to handle the account `over`, of this role.

    Raises: NotYourself, BeyondYou.
    """
    if actor_id == over:
        raise NotYourself
    require_reach(holds=holds, role=role)


def require_reach(*, holds: frozenset[str], role: Role) -> None:
    """Lets somebody through whose scopes contain all of the role's; for a role of staff with `users.manage` among them.

    Raises: BeyondYou.
    """
    theirs = scopes_of(role)
    is_staff = Scope.USERS_SUSPEND in theirs
    if not theirs <= holds or (is_staff and Scope.USERS_MANAGE not in holds):
        raise BeyondYou
