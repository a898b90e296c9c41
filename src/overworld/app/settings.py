"""Every setting of the server in one typed tree, and where it is read from.

Defaults < `overworld.toml` (in the working directory, or the file named by `--config`) < `OVERWORLD_SECTION__KEY` <
flags. `overworld config show` prints what is in force and who decided it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from overworld.app.demo.settings import DemoSettings
from overworld.app.settings_sources import (
    DATA,
    FILE_NAME,
    BadSettings,
    Resolved,
    SettingFault,
    Source,
    all_sources,
    resolve,
)
from overworld.app.settings_tree import T
from overworld.domains.accounts.external.types import SignInSettings
from overworld.domains.accounts.types import AccountsSettings
from overworld.domains.experiments.types import ExperimentSettings
from overworld.domains.gameplay.carry.types import CarrySettings
from overworld.domains.gameplay.quests.types import QuestSettings
from overworld.domains.gameplay.types import GameplaySettings
from overworld.domains.ledger.types import LedgerSettings
from overworld.domains.realtime.types import RealtimeSettings
from overworld.domains.telemetry.types import TelemetrySettings
from overworld.domains.trust.types import TrustSettings
from overworld.domains.webhooks.types import WebhookSettings
from overworld.domains.world.history.types import HistorySettings
from overworld.domains.world.shares.types import SharingSettings
from overworld.domains.world.types import WorldSettings
from overworld.platform.blobs.settings import BlobSettings
from overworld.platform.columns.settings import ColumnSettings
from overworld.platform.eventlog.settings import EventLogSettings
from overworld.platform.graphql.settings import GraphqlSettings
from overworld.platform.http.settings import HttpSettings, LimitSettings
from overworld.platform.kafka.settings import KafkaSettings
from overworld.platform.mail.settings import MailSettings
from overworld.platform.observability.settings import LogSettings, OperationsSettings, TracingSettings
from overworld.platform.postgres.settings import DatabaseSettings
from overworld.platform.redis.settings import RedisSettings

_NO_FLAGS = Source(name="flags")


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator may set. What a game may set stands in its game.toml."""

    mode: Annotated[
        Literal["development", "production"],
        Meta(description="production honours no developer key, and starts with no built-in secret and no demo"),
    ] = "development"
    game: Annotated[str, Meta(min_length=1, max_length=255, description="game to run: a name in games/, or a path")] = (
        "ore"
    )
    data: Annotated[Path, Meta(description="folder of everything the server keeps on this machine")] = DATA
    config: Annotated[Path, Meta(description="this file; chosen by --config or the environment only")] = Path(FILE_NAME)
    migrate: Annotated[bool, Meta(description="bring a database given by DSN up to date at start")] = False
    stop_max_s: Annotated[
        float, Meta(gt=0, le=3600, description="longest that an orderly stop may take, should the database hang")
    ] = 60.0
    http: HttpSettings = HttpSettings()
    realtime: RealtimeSettings = RealtimeSettings()
    operations: OperationsSettings = OperationsSettings()
    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
    limits: LimitSettings = LimitSettings()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    events: EventLogSettings = EventLogSettings()
    kafka: KafkaSettings = KafkaSettings()
    blobs: BlobSettings = BlobSettings()
    columns: ColumnSettings = ColumnSettings()
    graphql: GraphqlSettings = GraphqlSettings()
    accounts: AccountsSettings = AccountsSettings()
    mail: MailSettings = MailSettings()
    sign_in: SignInSettings = SignInSettings()
    world: WorldSettings = WorldSettings()
    history: HistorySettings = HistorySettings()
    sharing: SharingSettings = SharingSettings()
    gameplay: GameplaySettings = GameplaySettings()
    carry: CarrySettings = CarrySettings()
    quests: QuestSettings = QuestSettings()
    ledger: LedgerSettings = LedgerSettings()
    trust: TrustSettings = TrustSettings()
    webhooks: WebhookSettings = WebhookSettings()
    experiments: ExperimentSettings = ExperimentSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    demo: DemoSettings = DemoSettings()

    def __post_init__(self) -> None:
        ports = [port for port in (self.http.port, self.realtime.port, self.operations.port) if port]
        if len(set(ports)) < len(ports):
            raise ValueError("http.port, realtime.port and operations.port must differ; 0 takes any free port")
        if self.events.log == "kafka" and not self.kafka.servers:
            raise ValueError('events.log = "kafka" needs kafka.servers')
        if self.telemetry.erased_days <= self.events.retention_days:
            raise ValueError(
                "telemetry.erased_days must be more than events.retention_days, or who was erased could come back"
            )


def load(*, flags: Source = _NO_FLAGS, environment: Mapping[str, str], folder: Path) -> Resolved[Settings]:
    """The settings in force; `folder` is where the file is looked for.

    Raises: BadSettings with everything that is wrong, in all sources.
    """
    tree = Settings()
    resolved = resolve(tree, all_sources(flags=flags, environment=environment, folder=folder, tree=tree))
    if faults := [*built_in_secrets(resolved), *demo_in_production(resolved)]:
        raise BadSettings(faults)
    return resolved


def built_in_secrets(resolved: Resolved[T]) -> Iterator[SettingFault]:
    """Each secret that still is what the source says, where others can reach the server: it would protect nothing."""
    exposed = [key for key, value in resolved.values.items() if _is_host(key) and not _is_loopback(value)]
    reasons = ['mode = "production"'] * (resolved.values["mode"] == "production")
    reasons += [f"{key} is not a loopback address" for key in exposed]
    if not reasons:
        return
    for leaf in resolved.leaves:
        if leaf.secret and leaf.default and resolved.values[leaf.key] == leaf.default:
            problem = f"still has its built-in value, which is public; set your own, because {reasons[0]}"
            yield SettingFault(resolved.origins[leaf.key], leaf.key, problem)


def demo_in_production(resolved: Resolved[T]) -> Iterator[SettingFault]:
    """Simulated players where real ones are: they would take what is theirs and stand in every figure."""
    if resolved.values["mode"] == "production" and resolved.values["demo.enabled"]:
        problem = 'walks simulated players through the game, which mode = "production" does not allow'
        yield SettingFault(resolved.origins["demo.enabled"], "demo.enabled", problem)


def _is_host(key: str) -> bool:
    return key.rpartition(".")[2] == "host"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
