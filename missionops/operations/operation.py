"""What an operation is: one thing that can be asked for, whichever way it comes in."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple

import msgspec

from missionops.database import Database

Method = Literal["GET", "POST", "PUT"]


class Context(NamedTuple):
    """What an operation may use."""

    database: Database
    health: Callable[[], Awaitable[Any]]
    """What the service says of itself: a msgspec Struct."""


class Asked(NamedTuple):
    """One request, decoded."""

    spacecraft_id: str
    """A valid id; empty where the operation is about no spacecraft."""
    request: Any
    """An instance of the operation's request Struct; the body's bytes where it takes a document."""
    source: str
    """Who says so: `manual` unless the request's `Missionops-Source` header names another."""
    max_bytes: int
    """How long the answer may be."""


class Answer(NamedTuple):
    """A reply."""

    body: bytes
    cursor: str | None = None
    """What continues the listing; None where nothing remains."""


class Route(NamedTuple):
    """Where HTTP offers an operation."""

    method: Method
    path: str
    """With `{spacecraftId}` or `{documentId}` where they stand in the path."""
    status: int = 200


class Operation(NamedTuple):
    """One thing that can be asked for: by which names, with what, answered by whom."""

    name: str
    """`<resource>.<verb>`."""
    summary: str
    request: type[msgspec.Struct] | None
    """None where the body is a document of the user's own."""
    reply: Any
    """The type of the reply, for the schemas."""
    perform: Callable[[Context, Asked], Awaitable[Answer]]
    routes: tuple[Route, ...] = ()
    about_spacecraft: bool = True
    """Whether the subject ends in a spacecraft's id."""

    @property
    def subject(self) -> str:
        """The subject it is asked for on; `*` stands for the spacecraft's id."""
        return f"missionops.{self.name}" + (".*" if self.about_spacecraft else "")


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """A request without fields."""
