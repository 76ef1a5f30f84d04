"""Everything that can be asked of the service."""

from missionops.operations import anomalies, configs, dead_letters, documents, events, health, spacecraft, telemetry
from missionops.operations.operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    *configs.OPERATIONS,
    *telemetry.OPERATIONS,
    *anomalies.OPERATIONS,
    *spacecraft.OPERATIONS,
    *events.OPERATIONS,
    *dead_letters.OPERATIONS,
    *documents.OPERATIONS,
    *health.OPERATIONS,
)
