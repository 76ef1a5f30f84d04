"""The audit: every change leaves an event that says who made it, when, and what was before and after."""

import hashlib
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from missionops.domain.access import Caller
from missionops.domain.event import Event, EventType
from missionops.domain.severity import Severity
from missionops.operations import events
from missionops.store.database import Connection

_SHOWN = 16 << 10
"""Bytes of the value before or after, as JSON; a longer one is given by its hash. An event is one message."""

_encode = msgspec.json.Encoder().encode


class Change(NamedTuple):
    """A change that somebody has made."""

    type: EventType
    spacecraft_id: str | None
    at: datetime
    message: str
    metadata: Mapping[str, Any]
    """Who made it (`by`), and the values before and after (`between`)."""


async def record(connection: Connection, change: Change) -> None:
    """Record the event of a change in the transaction that makes it; the event is published after the commit."""
    name = f"ev_{uuid.uuid4().hex}"
    metadata = msgspec.Raw(_encode(change.metadata))
    event = Event(name, change.spacecraft_id, change.at, change.type, Severity.LOW, change.message, metadata)
    await events.add_and_publish(connection, event, recorded_by=None)


def who(caller: Caller, by: str) -> dict[str, str]:
    """Who made a change, as metadata; `via` where the request itself says who, as one without a token may."""
    return {"by": by} if by == caller.name else {"by": by, "via": caller.name}


def between(before: Any, after: Any) -> dict[str, Any]:
    """The values before and after, as metadata; None stands for a value that was not there, bytes are JSON already."""
    return _shown("before", before) | _shown("after", after)


def _shown(name: str, value: Any) -> dict[str, Any]:
    text = value if isinstance(value, bytes) else _encode(value)
    if len(text) <= _SHOWN:
        return {name: msgspec.Raw(text)}
    return {f"{name}Sha256": hashlib.sha256(text).hexdigest(), f"{name}Bytes": len(text)}
