"""What the server says about itself: logs, metrics, health, and the operations port that shows them."""

from overworld.platform.observability.health import Health, HealthChecks
from overworld.platform.observability.logs import configure_logs
from overworld.platform.observability.metrics import Metrics
from overworld.platform.observability.operations import OperationsApp
from overworld.platform.observability.settings import LogSettings, OperationsSettings

__all__ = [
    "Health",
    "HealthChecks",
    "LogSettings",
    "Metrics",
    "OperationsApp",
    "OperationsSettings",
    "configure_logs",
]
