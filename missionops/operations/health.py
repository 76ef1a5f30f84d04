"""The operation `health`: whether the service works, in the shapes in which it is reported."""

from typing import Literal

import msgspec

from missionops.domain.access import Role
from missionops.operations.operation import Context, EmptyRequest, Operation, Request, Response

Status = Literal["ready", "not ready"]


class Live(msgspec.Struct):
    """The process answers."""

    status: Literal["live"] = "live"


class Readiness(msgspec.Struct):
    """Whether the service works, and nothing else about it."""

    status: Status


class Ingest(msgspec.Struct, rename="camel"):
    """The ingest path, as this instance sees it."""

    role: str
    trouble: str | None
    lag: int | None
    """Messages in the stream that are not handled yet; None while NATS does not answer, and for a standby."""
    lag_seconds: float | None
    """For how long the oldest of them has been in the stream."""
    epoch: int
    sequence: int
    stored: int
    duplicates: int
    lost: int
    anomalies: dict[str, int]
    dead_letters: dict[str, int]


class OutgoingStream(msgspec.Struct, rename="camel"):
    """A stream that anomalies, events or dead letters go to, as the owner sees it."""

    messages: int
    bytes: int
    max_bytes: int | None
    """Where it drops its oldest messages; null where nothing bounds it."""
    dropped: int
    """Messages that it dropped for its size, or that were purged for it, since the start of this process."""
    purged: int
    """Those of them that were purged, of the spacecraft that held the most."""


class Health(msgspec.Struct):
    """Whether the service works, and what keeps it from that."""

    status: Status
    version: str
    nats: Literal["up", "down"]
    database: Literal["up", "down"]
    ingest: Ingest
    streams: dict[str, OutgoingStream]
    """The outgoing streams, by name; none for a standby."""
    warnings: list[str]
    """What stops nothing and needs attention."""


async def health(context: Context, request: Request) -> Response:
    """The state of the service, of its servers and of the ingest path."""
    del request
    return Response(msgspec.json.encode(await context.health()))


OPERATIONS = (
    Operation("health", "Whether the service works", Role.READER, EmptyRequest, Health, health, about_spacecraft=False),
)
