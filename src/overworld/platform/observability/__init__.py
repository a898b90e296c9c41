"""What the server says about itself: logs, metrics, health, and the operations port that shows them."""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.platform.observability.health import Health, HealthChecks
    from overworld.platform.observability.logs import configure_logs, info_straight
    from overworld.platform.observability.metrics import Metrics
    from overworld.platform.observability.operations import OperationsApp
    from overworld.platform.observability.settings import LogSettings, OperationsSettings, TracingSettings
    from overworld.platform.observability.spans import SpanQueue
else:
    __getattr__ = door(
        __name__,
        health=["Health", "HealthChecks"],
        logs=["configure_logs", "info_straight"],
        metrics=["Metrics"],
        operations=["OperationsApp"],
        settings=["LogSettings", "OperationsSettings", "TracingSettings"],
        spans=["SpanQueue"],
    )

__all__ = [
    "Health",
    "HealthChecks",
    "LogSettings",
    "Metrics",
    "OperationsApp",
    "OperationsSettings",
    "SpanQueue",
    "TracingSettings",
    "configure_logs",
    "info_straight",
]
