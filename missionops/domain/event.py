"""Mission events: what happened, beside telemetry."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from missionops.domain.severity import Severity
from missionops.domain.timestamp import Timestamp


class EventType(StrEnum):
    """What kind of thing happened."""

    ANOMALY = "ANOMALY"
    CONTACT_LOST = "CONTACT_LOST"
    MODE_CHANGE = "MODE_CHANGE"
    COMMAND_SENT = "COMMAND_SENT"
    INFO = "INFO"
    CONFIG_CHANGED = "CONFIG_CHANGED"
    DOCUMENT_PUBLISHED = "DOCUMENT_PUBLISHED"


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """One event, as it is listed and as it is published; in the order and with the names of the wire."""

    id: str
    spacecraft_id: str | None
    """None where it is about no one spacecraft."""
    timestamp: Timestamp
    type: EventType
    severity: Severity
    message: str
    metadata: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]
