"""No queue without its figures: every bound of a queue that the code has is found here, and leads to a queue shown."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from overworld.app.settings import Settings
from overworld.app.settings_tree import leaves
from overworld.app.traces import measure
from overworld.platform.observability import SpanQueue, TracingSettings
from script.reference import house

SOURCE = Path(__file__).parents[2] / "src" / "overworld"
IS_BOUND = re.compile(r"(?:^|_)(?:queue|waiting|inbox|unsent_bytes|in_flight)_max$")
OUR_TOOLS = ("client/", "app/bots/", "app/demo/", "app/simulate/", "app/replay/", "app/doctor/")

BOUNDS = {
    "accounts.avatar_queue_max": "avatars",
    "accounts.mails_waiting_max": "mails",
    "accounts.membership_queue_max": "memberships-0",
    "accounts.password_queue_max": "passwords",
    "accounts.sign_ins_waiting_max": "sign-ins",
    "carry.queue_max": "carry-0",
    "database.waiting_max": "database",
    "gameplay.queue_max": "claims-0",
    "history.waiting_max": "history",
    "ledger.transfer_queue_max": "transfers-0",
    "quests.queue_max": "quests-0",
    "realtime.publish_queue_max": "publications",
    "realtime.unsent_bytes_max": "slow-readers",
    "tracing.queue_max": "spans",
    "webhooks.waiting_max": "webhooks",
    "world.events_waiting_max": "movement-events",
    "world.fence_events_waiting_max": "fence-events",
    "world.inbox_max": "fixes",
}
NO_QUEUE = {"realtime.in_flight_max": "a limit for each connection, whose work is under way and not waiting"}

QUEUES = {
    "domains/accounts/membership/service.py": "memberships-0",
    "domains/experiments/evaluating.py": "exposures",
    "domains/gameplay/carry/service.py": "carry-0",
    "domains/gameplay/quests/completing.py": "quests-0",
    "domains/gameplay/service.py": "claims-0",
    "domains/gameplay/sync/service.py": "sync-0",
    "domains/ledger/sending.py": "transfers-0",
    "domains/realtime/publishing.py": "publications",
    "domains/world/fences/writing.py": "fence-events",
    "domains/world/history/recorder.py": "history",
    "domains/world/service/events.py": "movement-events",
    "platform/observability/spans.py": "spans",
    "domains/telemetry/intake.py": "telemetry",
    "platform/redis/limiter.py": "limits",
}
NOTHING_WAITS = {
    "app/hooks/work.py": "times of slow calls, the last few",
    "app/live/recent.py": "what was collected last, to be shown",
    "domains/trust/core.py": "a player's last claims",
    "domains/trust/together.py": "a player's last windows",
    "kernel/waiting.py": "marks of a queue that is somebody else's",
    "platform/eventlog/recent.py": "the end of the log, kept for readers: lag of consumers, which is shown as such",
    "platform/kafka/membership.py": "fetched and not yet handled: lag of a Kafka consumer, which is shown as such",
}
ONLY_WITH = {"limits": "redis.url", "spans": "tracing.endpoint"}


class Nowhere:
    """An exporter that is never asked."""

    def export(self, spans: object) -> bool:
        raise AssertionError(spans)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture(scope="module")
def shown() -> dict[str, set[str]]:
    """The queues that each of the four figures is shown of."""
    metrics = house.described().metrics
    measure(metrics, SpanQueue(Nowhere(), settings=TracingSettings()))
    found = {}
    for name in ("depth", "bound", "oldest_seconds", "refusals_total"):
        families = metrics.registry.restricted_registry([f"overworld_queue_{name}"]).collect()
        found[name] = {sample.labels["queue"] for family in families for sample in family.samples}
    return found


def made() -> set[str]:
    """The files of the server in which something is made that things can wait in."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        file = path.relative_to(SOURCE).as_posix()
        if file.startswith(OUR_TOOLS):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and re.fullmatch(
                r"deque|GroupCommit|asyncio\.(?:Priority|Lifo)?Queue", ast.unparse(node.func)
            ):
                is_drain = any(ast.unparse(one.value) == "0" for one in node.keywords if one.arg == "maxlen")
                if not is_drain:
                    found.add(file)
    return found


def test_every_queue_shows_all_four_figures(shown):
    assert shown["depth"] == shown["bound"] == shown["oldest_seconds"] == shown["refusals_total"]
    assert len(shown["depth"]) > 15


def test_every_bound_of_a_queue_that_can_be_set_leads_to_a_queue_that_is_shown(shown):
    bounds = {leaf.key for leaf in leaves(Settings()) if IS_BOUND.search(leaf.key.rpartition(".")[2])}
    assert bounds == BOUNDS.keys() | NO_QUEUE.keys()
    assert {name for name in BOUNDS.values() if name not in shown["depth"]} == set()


def test_every_queue_that_the_code_makes_is_shown(shown):
    assert made() == QUEUES.keys() | NOTHING_WAITS.keys()
    assert {name for name in QUEUES.values() if name not in shown["depth"]} <= ONLY_WITH.keys()
