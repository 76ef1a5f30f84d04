"""Every operation that can be requested."""

from missionops.operations import (
    anomalies,
    config_check,
    configs,
    dead_letters,
    documents,
    events,
    fleet,
    health,
    latest,
    preview,
    series,
    spacecraft,
    states,
    telemetry,
)
from missionops.operations.operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    *configs.OPERATIONS,
    *config_check.OPERATIONS,
    *preview.OPERATIONS,
    *telemetry.OPERATIONS,
    *series.OPERATIONS,
    *states.OPERATIONS,
    *latest.OPERATIONS,
    *anomalies.OPERATIONS,
    *spacecraft.OPERATIONS,
    *fleet.OPERATIONS,
    *events.OPERATIONS,
    *dead_letters.OPERATIONS,
    *documents.OPERATIONS,
    *health.OPERATIONS,
)
