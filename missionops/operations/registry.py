"""Everything that can be asked of the service."""

from missionops.operations import anomalies, configs, documents, events, health, spacecraft, telemetry
from missionops.operations.operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    *configs.OPERATIONS,
    *telemetry.OPERATIONS,
    *anomalies.OPERATIONS,
    *spacecraft.OPERATIONS,
    *events.OPERATIONS,
    *documents.OPERATIONS,
    *health.OPERATIONS,
)
