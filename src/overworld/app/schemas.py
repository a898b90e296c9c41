"""Every schema of the product, in the order in which they are migrated."""

from __future__ import annotations

from overworld.app.versions.wiring import SCHEMA as GAME
from overworld.domains.accounts.wiring import SCHEMA as ACCOUNTS
from overworld.domains.experiments.wiring import SCHEMA as EXPERIMENTS
from overworld.domains.gameplay.wiring import SCHEMA as GAMEPLAY
from overworld.domains.ledger.wiring import SCHEMA as LEDGER
from overworld.domains.telemetry.wiring import SCHEMA as TELEMETRY
from overworld.domains.trust.wiring import SCHEMA as TRUST
from overworld.domains.webhooks.wiring import SCHEMA as WEBHOOKS
from overworld.domains.world.wiring import SCHEMA as WORLD
from overworld.platform.columns.catalogue import SCHEMA as LAKE
from overworld.platform.eventlog import SCHEMA as EVENT_LOG
from overworld.platform.postgres.idempotency import SCHEMA as IDEMPOTENCY

SCHEMAS = (
    EVENT_LOG, IDEMPOTENCY, ACCOUNTS, LEDGER, WORLD, GAMEPLAY, GAME, TRUST, WEBHOOKS, EXPERIMENTS, TELEMETRY, LAKE,
)  # fmt: skip
