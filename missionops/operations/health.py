"""What the service says of itself."""

from typing import Literal

import msgspec

from missionops.domain.access import Role
from missionops.operations.operation import Answer, Asked, Context, Nothing, Operation

Status = Literal["ready", "not ready"]


class Ingest(msgspec.Struct, rename="camel"):
    """The way of telemetry, as this instance sees it."""

    role: str
    trouble: str | None
    lag: int | None
    """Messages in the stream that are not handled yet; None while NATS cannot tell, and for a standby."""
    lag_seconds: float | None
    """For how long the oldest of them has been in the stream."""
    epoch: int
    sequence: int
    stored: int
    duplicates: int
    lost: int
    anomalies: dict[str, int]
    dead_letters: dict[str, int]


class Health(msgspec.Struct):
    """Whether the service does its work, and what keeps it from it."""

    status: Status
    version: str
    nats: Literal["up", "down"]
    database: Literal["up", "down"]
    ingest: Ingest


async def health(context: Context, asked: Asked) -> Answer:
    """What the service says of itself."""
    del asked
    return Answer(msgspec.json.encode(await context.health()))


OPERATIONS = (
    Operation(
        "health", "Whether the service does its work", Role.READER, Nothing, Health, health, about_spacecraft=False
    ),
)
