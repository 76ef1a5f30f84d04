"""Every operation that can be requested."""

from missionops.operations import anomalies, config_check, configs, documents, events, health, spacecraft, telemetry
from missionops.operations.operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    *configs.OPERATIONS,
    *config_check.OPERATIONS,
    *telemetry.OPERATIONS,
    *anomalies.OPERATIONS,
    *spacecraft.OPERATIONS,
    *events.OPERATIONS,
    *documents.OPERATIONS,
    *health.OPERATIONS,
)
