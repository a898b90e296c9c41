"""What a server does beside answering: it folds the log, settles what is due, seals, and throws away what is old."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from overworld.app import quest_loops, telemetry, webhooks
from overworld.app.compose import House
from overworld.app.experiments import wiring as experiments
from overworld.app.upkeep import ROWS_MAX, old_answers, throw_away
from overworld.domains.gameplay.boards import scoring
from overworld.domains.trust import folding as trust_folding
from overworld.flows import facts_to_trust, trust_to_rewards


async def run(house: House) -> None:
    """Starts every loop, each under a name of its own. Raises: Fault when a first step fails."""
    loops, domains = house.loops, house.domains
    loops.run("eventlog-maintenance", house.log.keep_maintained)
    house.backbone.run(loops)
    if house.schemas is not None:
        loops.run("schema-registry", house.schemas.run)
    quest_loops.run(loops, quests=domains.quests, log=house.log, clock=house.clock)
    await webhooks.run(loops, webhooks=domains.webhooks, log=house.log)
    await experiments.run(loops, experiments=domains.experiments, log=house.log)
    telemetry.run(loops, telemetry=domains.telemetry)
    _run_folds(house)
    loops.run("held-rewards-due", domains.gameplay.releasing.run)
    loops.run("trust-recovery", domains.trust.recovery.run)
    loops.run("leaderboard-turning", domains.boards.turning.run)
    loops.run("leaderboard-moves", domains.boards.moves.run)
    loops.run("leaderboard-load", domains.boards.service.load)
    loops.run("ledger-expiry", domains.ledger.expiry.run)
    await domains.ledger.sealer.prepare()
    loops.run("ledger-sealer", domains.ledger.sealer.run)
    loops.run("ledger-auditor", domains.ledger.auditor.run)
    loops.run("audit-sealer", domains.audit.sealer.run)
    loops.run("log-watch", house.watch.run)
    loops.run("api-keys", domains.accounts.book.run)
    loops.run("signing-keys", domains.accounts.keys.run)
    loops.run("avatars", domains.profiles.avatars.run)
    loops.run("upkeep", partial(throw_away, *_old(house)))


def _run_folds(house: House) -> None:
    domains = house.domains
    decided = trust_to_rewards.TrustToRewards(domains.gameplay.held)
    of_trust = house.backbone.log.consumer(trust_to_rewards.NAME, topics=trust_to_rewards.TOPICS, handle=decided.handle)
    house.loops.run("held-rewards", of_trust.run)
    facts = facts_to_trust.FactsToTrust(domains.trust.folding)
    judging = house.log.fold(trust_folding.NAME, topics=facts_to_trust.TOPICS, apply=facts.apply)
    house.loops.run("trust", judging.run)
    scores = house.log.fold(scoring.NAME, topics=scoring.TOPICS, apply=domains.boards.scoring.apply)
    house.loops.run("leaderboard-scores", scores.run)


def _old(house: House) -> Sequence[Callable[[], Awaitable[int]]]:
    """What there is to throw away."""
    domains = house.domains
    return [
        partial(old_answers, house.database, clock=house.clock),
        partial(domains.accounts.sessions.forget_ended, rows_max=ROWS_MAX),
        partial(domains.accounts.mail.changes.forget_tokens, rows_max=ROWS_MAX),
        partial(domains.external.visits.forget, rows_max=ROWS_MAX),
        partial(domains.api_keys.service.forget, rows_max=ROWS_MAX),
        partial(domains.webhooks.service.forget, rows_max=ROWS_MAX),
        partial(domains.sync.service.forget_devices, rows_max=ROWS_MAX),
        partial(domains.trust.service.forget, rows_max=ROWS_MAX),
        partial(domains.experiments.flags.forget, rows_max=ROWS_MAX),
    ]
