"""Documents about missions: published, read and searched."""

import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from missionops.domain import identifier
from missionops.domain.access import Role
from missionops.domain.event import EventType
from missionops.domain.timestamp import Timestamp
from missionops.errors import Conflict, NotFound, TooLarge
from missionops.operations import audit, pagination, request_parsing
from missionops.operations.audit import Change
from missionops.operations.operation import Context, Operation, ReplyHeader, Request, Response, Route
from missionops.operations.pagination import PageItem
from missionops.operations.request_parsing import refused
from missionops.store import documents
from missionops.store.documents import Document as Published
from missionops.store.documents import DocumentContent

_MAX_BYTES = 1_000_000

LEFT_OUT = ReplyHeader(
    "Missionops-Left-Out",
    "How many of the documents, as many as were asked for, did not fit into the reply; absent where all did.",
    {"type": "integer"},
)
"""Of a document as JSON: one alone still fits into a NATS message of the usual size."""

_encode = msgspec.json.Encoder().encode

_RULE = f"{identifier.RULE}, and not `search`"

_Id = Annotated[str, Meta(description=_RULE, extra_json_schema={"pattern": f"^(?!search$){identifier.PATTERN}$"})]
_Short = Annotated[str, Meta(min_length=1, max_length=128)]


class DocumentResponse(msgspec.Struct, rename="camel"):
    """A published document."""

    id: str
    spacecraft_id: str | None
    """None where it is about no single spacecraft."""
    title: str
    category: str
    tags: list[str]
    body: str
    published_at: Timestamp


class CreateRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What to publish; with `overwrite` it replaces the document that has its id."""

    title: Annotated[str, Meta(min_length=1, max_length=512)]
    body: str
    spacecraft_id: str | None = None
    category: _Short = "general"
    tags: Annotated[list[_Short], Meta(max_length=100)] = []
    id: _Id | None = None
    overwrite: bool = False


class Created(msgspec.Struct, rename="camel"):
    """The id of the published document."""

    document_id: str


async def create(context: Context, request: Request) -> Response:
    """Publish a document. The same again under one id changes nothing; other content needs `overwrite`."""
    wanted: CreateRequest = request.request
    if wanted.spacecraft_id is not None:
        request_parsing.spacecraft_id(wanted.spacecraft_id)
    _check_reach(request, wanted.spacecraft_id)
    name = f"doc_{uuid.uuid4().hex}" if wanted.id is None else _checked(wanted.id, "id")
    content = DocumentContent(wanted.spacecraft_id, wanted.title, wanted.category, wanted.tags, wanted.body)
    size = len(_encode(DocumentResponse(name, *content, datetime.max)))  # noqa: DTZ901 - only its length counts
    if size > _MAX_BYTES:
        raise TooLarge(f"The document has {size} bytes as JSON; at most {_MAX_BYTES} are kept")
    async with context.database.transaction() as connection:
        known = None
        published_at = await documents.add(connection, name, content)
        if published_at is None:
            known = await documents.lock(connection, name)
            if known is not None and known.content == content:
                return Response(_encode(Created(name)))
            if known is not None and not request.caller.reaches(known.spacecraft_id):
                # The response does not tell which spacecraft the other document is about.
                raise Conflict(f"The document id {name} is taken; choose another")
            if known is None or not wanted.overwrite:
                raise Conflict(f"There is another document with the id {name}; with overwrite it is replaced")
            published_at = await documents.replace(connection, name, content)
        published = Published(name, *content, published_at)
        metadata = {
            "documentId": name,
            "title": wanted.title,
            "by": request.caller.name,
            **audit.between(known and DocumentResponse(*known), DocumentResponse(*published)),
        }
        message = f"Document published: {wanted.title}"
        change = Change(EventType.DOCUMENT_PUBLISHED, wanted.spacecraft_id, published_at, message, metadata)
        await audit.record(connection, change)
    return Response(_encode(Created(name)))


def _check_reach(request: Request, spacecraft_id: str | None) -> None:
    """Refuse a document about a spacecraft that the caller's token does not cover; None: about no single one."""
    if not request.caller.reaches(spacecraft_id):
        raise request_parsing.out_of_reach(request.caller, spacecraft_id)


def _checked(name: str, path: str) -> str:
    if not identifier.is_id(name) or name == "search":
        raise refused(path, f"must be {_RULE}")
    return name


class GetRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The id of the document."""

    document_id: _Id


async def get(context: Context, request: Request) -> Response:
    """One document."""
    wanted: GetRequest = request.request
    name = _checked(wanted.document_id, "documentId")
    async with context.database.transaction() as connection:
        found = await documents.get(connection, name)
    # Everyone may read what is about no single spacecraft, also a caller who is limited to some.
    if found is None or not (found.spacecraft_id is None or request.caller.reaches(found.spacecraft_id)):
        raise NotFound("Document not found")
    return Response(_encode(DocumentResponse(*found)))


class SearchRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What to look for: words, or any part of a text as it is written, without operators; without it the newest."""

    q: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    limit: Annotated[int, Meta(ge=1, le=50)] = 10
    spacecraft_id: str | None = None
    category: str | None = None
    tag: str | None = None


async def search(context: Context, request: Request) -> Response:
    """Documents, best match first, or without a text the newest: as many as were requested and fit into a response."""
    wanted: SearchRequest = request.request
    if wanted.spacecraft_id is not None:
        request_parsing.spacecraft_id(wanted.spacecraft_id)
        _check_reach(request, wanted.spacecraft_id)
    about = wanted.spacecraft_id, wanted.category, wanted.limit
    within, tag = request.caller.spacecraft, wanted.tag
    async with context.database.transaction() as connection:
        if wanted.q is None:
            found = await documents.newest(connection, *about, tag=tag, within=within)
        else:
            found = await documents.search(connection, wanted.q, *about, tag=tag, within=within)
        # Only the best that may fit are read whole; at least one.
        room, fitting = request.max_bytes, list[str]()
        for name, size in found:
            room -= size
            if room < 0 and fitting:
                break
            fitting.append(name)

        read = 0

        async def items() -> AsyncIterator[PageItem]:
            nonlocal read
            async for row in documents.some(connection, fitting):
                read += 1
                yield PageItem(_encode(DocumentResponse(*row)), ())

        page = await pagination.page(request, items(), wanted.limit)
    # A search has no cursor: what did not fit is found by a narrower one.
    left_out = len(found) - read + page.is_cut
    return Response(page.body, is_cut=left_out > 0, headers={LEFT_OUT.name: str(left_out)} if left_out else {})


OPERATIONS = (
    Operation(
        "docs.create", "Publish a document", Role.OPERATOR, CreateRequest, Created, create,
        (Route("POST", "/docs", 201),), about_spacecraft=False,
    ),
    Operation(
        "docs.get", "One document", Role.READER, GetRequest, DocumentResponse, get,
        (Route("GET", "/docs/{documentId}"),), about_spacecraft=False,
    ),
    Operation(
        "docs.search", "Documents, best match first, or the newest", Role.READER, SearchRequest, list[DocumentResponse],
        search, (Route("GET", "/docs/search"),), about_spacecraft=False, reply_headers=(LEFT_OUT,),
    ),
)  # fmt: skip
