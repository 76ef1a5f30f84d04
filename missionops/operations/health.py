"""The operation `health`: whether the service works, and the types of its response."""

from typing import Literal, Self

import msgspec

from missionops.domain.access import Role
from missionops.notifications.status import NotificationStatus
from missionops.operations.operation import Context, EmptyRequest, Operation, Request, Response

Status = Literal["ready", "not ready"]


class Live(msgspec.Struct):
    """The response of a process that runs."""

    status: Literal["live"] = "live"


class Readiness(msgspec.Struct):
    """Whether the service works, and nothing else about it."""

    status: Status


class RollUps(msgspec.Struct, rename="camel"):
    """How far roll-ups are behind; series are right meanwhile, and slower."""

    waiting_hours: int
    """Hours of spacecraft that are to be rolled up, up to 10,000."""
    lag_seconds: float
    """Seconds since there was no such hour; 0 while there is none."""


class AlarmFinding(msgspec.Struct, rename="camel"):
    """How far the finding of alarms is behind."""

    state: Literal["up to date", "behind", "failing"]
    """failing: those of some spacecraft could not be found and are tried again."""
    waiting_spans: int
    """Spans of telemetry in which alarms are still to be found, up to 10,000; late telemetry waits for a second."""
    lag_seconds: float
    """For how long the oldest of them has waited."""
    failing: list[str]
    """The spacecraft whose alarms could not be found, at most ten of them."""


class Ingest(msgspec.Struct, rename="camel"):
    """The state of the ingest path in this instance."""

    role: str
    trouble: str | None
    lag: int | None
    """Messages in the stream that are not stored yet; null while NATS does not answer, and for a standby."""
    lag_seconds: float | None
    """Seconds for which the oldest of them has been in the stream."""
    epoch: int
    sequence: int
    stored: int
    duplicates: int
    lost: int
    anomalies: dict[str, int]
    dead_letters: dict[str, int]
    roll_ups: RollUps | None
    """Null until the owner has looked, and for a standby."""
    alarms: AlarmFinding | None
    """Null until the owner has looked, and for a standby."""


class OutgoingStream(msgspec.Struct, rename="camel"):
    """A stream to which the owner of the partition publishes anomalies, events or dead letters."""

    messages: int
    bytes: int
    max_bytes: int | None
    """The size at which it drops its oldest messages; null where it has no bound."""
    dropped: int
    """Messages that it dropped for its size, or that were purged for it, since the start of this process."""
    purged: int
    """Those of the dropped messages that were purged: they were of the spacecraft that held the most."""


class NotificationTarget(msgspec.Struct, rename="camel"):
    """Somewhere that notifications are sent to."""

    sent: int
    """Messages that it has taken from this instance."""
    failed: int
    """Times that it did not take one."""
    waiting: int
    """Messages that are written and wait to be sent, by any instance."""
    waiting_seconds: float
    """For how long the oldest of them has waited."""
    trouble: str | None
    """Why messages do not reach it; null while they do."""


class Notifications(msgspec.Struct):
    """Whether people are notified of alarms."""

    behind: int
    """Messages of the stream ALARMS that are not taken in yet."""
    trouble: str | None
    """Why this instance notifies nobody now; null while it does."""
    targets: dict[str, NotificationTarget]
    """By name."""

    @classmethod
    def of(cls, status: NotificationStatus) -> Self:
        """As it is now."""
        targets = {
            name: NotificationTarget(
                status.sent(name),
                status.failed(name),
                status.waiting[name].messages if name in status.waiting else 0,
                round(status.waiting_seconds(name), 3),
                status.target_trouble(name),
            )
            for name in status.targets
        }
        return cls(status.behind, status.trouble, targets)

    def troubles(self) -> list[str]:
        """Each reason for which somebody is not told, in one sentence."""
        return [trouble for trouble in (self.trouble, *(one.trouble for one in self.targets.values())) if trouble]


class Health(msgspec.Struct):
    """Whether the service works; if it does not, the rest says why."""

    status: Status
    version: str
    nats: Literal["up", "down"]
    database: Literal["up", "down"]
    ingest: Ingest
    streams: dict[str, OutgoingStream]
    """The outgoing streams, by name; none for a standby."""
    warnings: list[str]
    """Faults that need attention, though the service works."""
    notifications: Notifications | None = None
    """Null where no notify file is set: then nobody is told of alarms."""


async def health(context: Context, request: Request) -> Response:
    """The state of the service, of its servers and of the ingest path."""
    del request
    return Response(msgspec.json.encode(await context.health()))


OPERATIONS = (
    Operation("health", "Whether the service works", Role.READER, EmptyRequest, Health, health, about_spacecraft=False),
)
