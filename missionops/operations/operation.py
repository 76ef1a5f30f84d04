"""What an operation is: one thing that can be asked for, whichever way it comes in."""

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from missionops.domain.access import Caller, Role
from missionops.domain.dead_letter import DeadLetter, DeadLetterSummary
from missionops.ingest.status import IngestStatus
from missionops.operations.compiled_limits import CompiledRules
from missionops.store.database import Database

Method = Literal["GET", "POST", "PUT"]


class Stream(Protocol):
    """The stream that telemetry is given to."""

    @property
    def max_payload(self) -> int:
        """How long one message may be."""

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> int:
        """Give it messages, each for a spacecraft's id; returns the last one's sequence once the stream has all."""


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


class Context(NamedTuple):
    """What an operation may use."""

    database: Database
    health: Callable[[], Awaitable[Any]]
    """What the service says of itself: a msgspec Struct."""
    progress: IngestStatus
    stream: Stream
    rules: CompiledRules
    dead_letters: DeadLetters


class Request(NamedTuple):
    """One request, decoded."""

    spacecraft_id: str
    """A valid id, or `_fleet` where the operation takes it; empty where the operation is about no spacecraft."""
    request: Any
    """An instance of the operation's request Struct; the body's bytes where it takes a document."""
    source: str
    """Who says so: `manual` unless the request's `Missionops-Source` header names another."""
    max_bytes: int
    """How long the answer may be."""
    caller: Caller
    """Who asks; `performing` has seen to it that he may ask this of `spacecraft_id`."""


class Response(NamedTuple):
    """A reply."""

    body: bytes
    cursor: str | None = None
    """What continues the listing; None where nothing remains."""
    is_pending: bool = False
    """What was asked for is safe, and not done yet."""
    is_cut: bool = False
    """It ends where it does because it may have no more bytes."""


class Route(NamedTuple):
    """Where HTTP offers an operation."""

    method: Method
    path: str
    """With a field of the request in braces, as `{spacecraftId}`, where it stands in the path."""
    status: int = 200
    pending_status: int | None = None
    """The status of an answer that is pending; None where none can be."""
    max_body: int = 1 << 20


class Operation(NamedTuple):
    """One thing that can be asked for: by which names, with what, answered by whom."""

    name: str
    """`<resource>.<verb>`."""
    summary: str
    role: Role
    """What whoever asks has to be, at least."""
    request: type[msgspec.Struct] | None
    """None where the body is a document of the user's own."""
    reply: Any
    """The type of the reply, for the schemas."""
    perform: Callable[[Context, Request], Awaitable[Response]]
    routes: tuple[Route, ...] = ()
    about_spacecraft: bool = True
    """Whether the subject ends in a spacecraft's id."""
    about_fleet: bool = False
    """Whether `_fleet` may stand for the spacecraft's id: what is about no one of them."""
    document: Any = None
    """The type of the document that it takes, for the schemas; it is read by the operation itself."""

    @property
    def subject(self) -> str:
        """The subject it is asked for on; `*` stands for the spacecraft's id."""
        return f"missionops.{self.name}" + (".*" if self.about_spacecraft else "")


class EmptyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A request without fields."""
