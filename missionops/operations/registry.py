"""Every operation that can be requested."""

from missionops.operations import (
    alarm_actions,
    alarm_shelves,
    alarm_statistics,
    alarms,
    anomalies,
    config_check,
    configs,
    dead_letters,
    documents,
    events,
    fleet,
    health,
    latest,
    series,
    spacecraft,
    standing_alarms,
    states,
    telemetry,
)
from missionops.operations.operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    *configs.OPERATIONS,
    *config_check.OPERATIONS,
    *telemetry.OPERATIONS,
    *series.OPERATIONS,
    *states.OPERATIONS,
    *latest.OPERATIONS,
    *anomalies.OPERATIONS,
    *alarms.OPERATIONS,
    *standing_alarms.OPERATIONS,
    *alarm_actions.OPERATIONS,
    *alarm_shelves.OPERATIONS,
    *alarm_statistics.OPERATIONS,
    *spacecraft.OPERATIONS,
    *fleet.OPERATIONS,
    *events.OPERATIONS,
    *dead_letters.OPERATIONS,
    *documents.OPERATIONS,
    *health.OPERATIONS,
)
