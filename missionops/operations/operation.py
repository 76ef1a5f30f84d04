"""What an operation is: one kind of request, over NATS or HTTP."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from missionops.domain.access import Caller, Role
from missionops.domain.dead_letter import DeadLetter, DeadLetterSummary
from missionops.ingest.limits_cache import LimitsCache
from missionops.ingest.status import IngestStatus
from missionops.store.database import Database
from missionops.store.parameter_sets import ParameterNames

Method = Literal["GET", "POST", "PUT"]


class Stream(Protocol):
    """The stream that telemetry is published to."""

    @property
    def max_payload(self) -> int:
        """The most bytes of one message."""

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> int:
        """Publish messages, each with its spacecraft's id; returns the last one's sequence once the stream has all."""


class DeadLetters(Protocol):
    """The stream that keeps dead letters. All methods raise Unavailable if it cannot be reached."""

    async def newest(
        self, spacecraft_ids: AbstractSet[str] | None, before: int | None, count: int
    ) -> Sequence[DeadLetterSummary]:
        """The newest letters before a sequence, newest first; of these spacecraft, or with None all."""

    async def get(self, sequence: int) -> DeadLetter | None:
        """One letter; None if there is none with this sequence."""

    async def publish(self, letter: DeadLetter) -> None:
        """Publish a letter again as telemetry; returns once the stream of telemetry has acknowledged it."""

    async def delete(self, sequence: int) -> None:
        """Delete a letter; nothing happens if it is gone already."""


class FleetReader(Protocol):
    """Reads the status of every spacecraft; `operations.fleet` has the one there is."""

    async def read(self, context: "Context") -> tuple[datetime, Sequence[Any]]:
        """All spacecraft, as they are after this was called, and at what time."""


class Context(NamedTuple):
    """The parts of the service that operations use."""

    database: Database
    health: Callable[[], Awaitable[Any]]
    """The health of the service: a msgspec Struct."""
    ingest_status: IngestStatus
    stream: Stream
    limits: LimitsCache
    dead_letters: DeadLetters
    readings: AbstractAsyncContextManager[Any]
    """Held while a long range is read: only a few such readings go on at a time."""
    parameter_names: ParameterNames
    fleet: FleetReader


class Request(NamedTuple):
    """One request, decoded."""

    spacecraft_id: str
    """A valid id, or `_fleet` where the operation takes it; empty where the operation is about no spacecraft."""
    request: Any
    """An instance of the operation's request Struct; the body's bytes where it takes a document."""
    source: str
    """Where the request comes from: `manual` unless its `Missionops-Source` header names something else."""
    max_bytes: int
    """The most bytes of the response."""
    caller: Caller
    """Who sent it; `dispatch` has checked that the caller may see and change `spacecraft_id`."""
    headers: Mapping[str, str] = MappingProxyType({})
    """The request's headers, their names in any case."""
    deadline: float = float("inf")
    """The time by which the response is due, by the clock of the event loop; `dispatch` sets it."""
    operation: str = ""
    """The name of the operation that performs it; `dispatch` sets it."""

    @property
    def listing(self) -> str:
        """What a cursor in the response continues: this operation, of this spacecraft."""
        return f"{self.operation} of {self.spacecraft_id}" if self.spacecraft_id else self.operation


class Response(NamedTuple):
    """What an operation responds with."""

    body: bytes
    cursor: str | None = None
    """The cursor that continues the listing; None where nothing remains."""
    is_pending: bool = False
    """What was requested is in the stream TELEMETRY, and not stored yet."""
    is_cut: bool = False
    """The list was cut because the response may have no more bytes."""
    headers: Mapping[str, str] = MappingProxyType({})
    """Headers of its own, over NATS as over HTTP."""


class Route(NamedTuple):
    """Where HTTP offers an operation."""

    method: Method
    path: str
    """With a field of the request in braces, as `{spacecraftId}`, where it stands in the path."""
    status: int = 200
    pending_status: int | None = None
    """The status of a response that is pending; None where none can be."""
    max_body: int = 1 << 20
    names_spacecraft: bool = True
    """Whether the request names the spacecraft, where the operation is about one; otherwise what it names tells which
    spacecraft it is about, and the operation checks whether the caller may see it."""


class RequestHeader(NamedTuple):
    """A header that one operation takes, beside `Missionops-Source`."""

    name: str
    http_name: str
    description: str
    schema: Mapping[str, Any]


class ReplyHeader(NamedTuple):
    """A header that the replies of one operation have, beside `Missionops-Next-Cursor`."""

    name: str
    description: str
    schema: Mapping[str, Any]


class Operation(NamedTuple):
    """One kind of request: its names, what it takes, and the function that performs it."""

    name: str
    """`<resource>.<verb>`."""
    summary: str
    role: Role
    """The least role that may request it."""
    request: type[msgspec.Struct] | None
    """None where the body is a document of the user's own."""
    reply: Any
    """The type of the reply, for the schemas."""
    perform: Callable[[Context, Request], Awaitable[Response]]
    routes: tuple[Route, ...] = ()
    about_spacecraft: bool = True
    """Whether the subject ends in a spacecraft's id."""
    about_fleet: bool = False
    """Whether `_fleet` may stand for the spacecraft's id: for what belongs to no single spacecraft."""
    document: Any = None
    """The type of the document that it takes, alone or in `body_field`, for the schemas; it decodes that itself."""
    headers: tuple[RequestHeader, ...] = ()
    reply_headers: tuple[ReplyHeader, ...] = ()
    subject_name: str | None = None
    """The name in its subject, where that is not its own: that of the same operation over all spacecraft."""
    body_field: str | None = None
    """The field of the request that is the whole body over HTTP, where the others stand in the query."""

    @property
    def subject(self) -> str:
        """The subject of its requests; `*` stands for the spacecraft's id."""
        return f"missionops.{self.subject_name or self.name}" + (".*" if self.about_spacecraft else "")


class EmptyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A request without fields."""
