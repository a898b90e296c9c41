"""What can be wrong with the audit log."""

from __future__ import annotations

from overworld.kernel.refusals import Fault


class AuditBroken(Fault):
    """The audit log does not hold: an entry was changed, or entries are not sealed. The log of the server says more."""

    code = "accounts.audit_broken"
    retryable = False
