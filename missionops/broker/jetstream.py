"""The JetStream API: requests with their errors by name, and messages read from a stream page by page (ADR-31).

Everything that asks JetStream for something uses this module. All its functions raise `Unavailable` in one sentence
if JetStream refuses, is away or is too slow, and `SetupError` if NATS does not permit this user to ask; a refusal by
JetStream itself is an `ApiError`, whose `error_code` tells the cases apart.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import Any, NamedTuple, Self

import nats.errors
from nats.aio.client import Client

from missionops.broker import client as nats_client
from missionops.broker import permissions
from missionops.errors import TooLarge, Unavailable
from missionops.wire import headers as wire_headers

TIMEOUT = 5.0

_SUBJECTS_IN_A_REQUEST = 50  # each answer carries a whole message, up to a dead letter of 1 MB
_END_OF_PAGE, _NOTHING_FOUND, _NO_RESPONDERS = "204", "404", "503"


class ErrorCode(IntEnum):
    """The errors of JetStream that we tell apart, by nats-server's numbers (server/errors.json)."""

    ACCOUNT_RESOURCES_EXCEEDED = 10002
    CONSUMER_NOT_FOUND = 10014
    INSUFFICIENT_RESOURCES = 10023
    NO_MESSAGE_FOUND = 10037
    SEQUENCE_NOT_FOUND = 10043
    STORAGE_RESOURCES_EXCEEDED = 10047
    MESSAGE_DELETE_FAILED = 10057
    STREAM_NOT_FOUND = 10059
    WRONG_LAST_SEQUENCE = 10071
    WRONG_LAST_SEQUENCE_CONSTANT = 10164
    ATOMIC_BATCH_CONTAINS_DUPLICATE = 10201


class ApiError(Unavailable):
    """JetStream refuses a request; `error_code` is its number for the reason, perhaps one of `ErrorCode`."""

    def __init__(self, subject: str, code: int, description: str) -> None:
        super().__init__(f"JetStream refuses {subject}: {description}.")
        self.error_code = code
        self.description = description


class StoredMessage(NamedTuple):
    """A message as a stream keeps it. Its headers are the publisher's and those that say where it lies (`Nats-…`)."""

    sequence: int
    subject: str
    time: str
    """When the stream took it, as JetStream writes times."""
    headers: dict[str, str]
    data: bytes


class MessagePosition(NamedTuple):
    """Where a message lies in its stream, and when the stream took it, as JetStream writes times."""

    sequence: int
    time: str


async def request(
    client: Client,
    subject: str,
    body: Mapping[str, Any] | None = None,
    timeout: float = TIMEOUT,  # noqa: ASYNC109 - nats-py's own, passed on
) -> dict[str, Any]:
    """The response to a request on `$JS.API.<subject>`."""
    full, encoded = f"$JS.API.{subject}", json.dumps(body or {}).encode()
    with _errors_translated(client, full, timeout):
        reply = await permissions.unless_refused(client, full, client.request(full, encoded, timeout=timeout))
    try:
        response: dict[str, Any] = json.loads(reply.data)
    except ValueError:
        raise Unavailable(f"What answers {full} is not JetStream: its response is not JSON.") from None
    if error := response.get("error"):
        raise ApiError(subject, int(error.get("err_code") or 0), str(error.get("description")).strip())
    return response


async def stream_info(client: Client, stream: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What JetStream reports of a stream: its `config`, its `state`, when it was `created`."""
    return await request(client, f"STREAM.INFO.{stream}", body)


async def find_message(client: Client, stream: str, wanted: Mapping[str, Any]) -> MessagePosition | None:
    """The position of one message: by its `seq`, or the first of `next_by_subj` from a `seq` or `start_time` on."""
    try:
        response = await request(client, f"STREAM.MSG.GET.{stream}", wanted)
    except ApiError as error:
        if error.error_code == ErrorCode.NO_MESSAGE_FOUND:
            return None
        raise
    return MessagePosition(int(response["message"]["seq"]), response["message"]["time"])


async def delete_message(client: Client, stream: str, sequence: int) -> bool:
    """Remove a message from a stream; False if it was not there."""
    try:
        await request(client, f"STREAM.MSG.DELETE.{stream}", {"seq": sequence, "no_erase": True})
    except ApiError as error:
        # JetStream has no single error for a message that is not there: which one depends on where its gap lies.
        is_absent = error.error_code in {ErrorCode.SEQUENCE_NOT_FOUND, ErrorCode.MESSAGE_DELETE_FAILED}
        if is_absent and await get_message(client, stream, sequence) is None:  # by direct get, which the service may do
            return False
        raise
    return True


async def get_message(client: Client, stream: str, sequence: int) -> StoredMessage | None:
    """The message with this sequence; None if the stream does not hold it."""
    # As a page of one: nats-py takes a `Status` among the message's own headers for that of the response.
    async with _DirectGet(client, stream) as direct_get:
        page = await direct_get.page({"seq": sequence, "batch": 1})
    return next((message for message in page.messages if message.sequence == sequence), None)


async def last_sequences(client: Client, stream: str, subjects: Iterable[str]) -> dict[str, int]:
    """The sequence of the last message of each of these subjects; 0 where a subject has no message."""
    wanted = list(subjects)
    found = dict.fromkeys(wanted, 0)
    async with _DirectGet(client, stream) as direct_get:
        for start in range(0, len(wanted), _SUBJECTS_IN_A_REQUEST):
            page = await direct_get.page({"multi_last": wanted[start : start + _SUBJECTS_IN_A_REQUEST]})
            found.update((message.subject, message.sequence) for message in page.messages)
    return found


async def messages(
    client: Client, stream: str, *, page: int, page_bytes: int, subject: str | None = None, **start: Any
) -> AsyncIterator[StoredMessage]:
    """The messages of a stream, or of a subject in it, in order up to its end.

    They begin at the sequence `seq` or at `start_time`. About `page` messages and `page_bytes` are held at once.
    """
    wanted = {"batch": page, "max_bytes": page_bytes, **start}
    if subject is not None:
        wanted["next_by_subj"] = subject
    async with _DirectGet(client, stream) as direct_get:
        has_more = True
        while has_more:
            found, has_more = await direct_get.page(wanted)
            for message in found:
                yield message
            if found:
                wanted.pop("start_time", None)
                wanted["seq"] = found[-1].sequence + 1


class _Page(NamedTuple):
    """The messages that one direct get brought, and whether there are more after them."""

    messages: Sequence[StoredMessage]
    has_more: bool


class _DirectGet:
    """Reads pages of messages from one stream; an async context manager, which holds the subscription for them."""

    def __init__(self, client: Client, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._subject = f"$JS.API.DIRECT.GET.{stream}"
        self._inbox = client.new_inbox()
        self._messages: list[StoredMessage] = []
        self._end: Mapping[str, str] | None = None
        self._has_ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        with _errors_translated(self._client, self._subject, TIMEOUT):
            self._subscription = await self._client.subscribe(self._inbox)
        # Past nats-py's queue: another publisher can add messages as fast as they are read from there.
        nats_client.divert(self._client, self._subscription, self._receive)
        return self

    async def __aexit__(self, *_: object) -> None:
        nats_client.release(self._client, self._subscription)
        with suppress(nats.errors.Error):  # the connection is closed, and the subscription with it
            await self._subscription.unsubscribe()

    async def page(self, wanted: Mapping[str, Any]) -> _Page:
        """The messages that one request brings."""
        self._messages, self._end = [], None
        self._has_ended.clear()
        with _errors_translated(self._client, self._subject, TIMEOUT):
            await self._client.publish(self._subject, json.dumps(wanted).encode(), self._inbox)
            end = await permissions.unless_refused(self._client, self._subject, self._until_end())
        status = end.get("Status")
        if status == _NO_RESPONDERS:
            raise Unavailable(f"There is no stream {self._stream} on this NATS server that can be read.")
        if status not in {_END_OF_PAGE, _NOTHING_FOUND}:
            raise Unavailable(f"The stream {self._stream} cannot be read: NATS answers {status}.")
        return _Page(self._messages, bool(self._messages) and end.get("Nats-Num-Pending", "0") != "0")

    def _receive(self, _: bytes, __: bytes, block: bytes | None, data: bytes) -> None:
        """Take one message of the response."""
        headers = wire_headers.read(block)
        try:
            place = int(headers["Nats-Sequence"]), headers["Nats-Subject"], headers["Nats-Time-Stamp"]
        except (KeyError, ValueError):  # not by a `Status`: a publisher may have set one
            self._end = headers
            self._has_ended.set()
        else:
            self._messages.append(StoredMessage(*place, headers, data))

    async def _until_end(self) -> Mapping[str, str]:
        """Wait for the end of a page, for as long as messages arrive."""
        before = -1
        while self._end is None:
            if len(self._messages) == before:
                raise nats.errors.TimeoutError
            before = len(self._messages)
            with suppress(TimeoutError):
                async with asyncio.timeout(TIMEOUT):
                    await self._has_ended.wait()
        return self._end


@contextmanager
def _errors_translated(client: Client, subject: str, seconds: float) -> Iterator[None]:
    """Raise nats-py's errors as ours, in sentences."""
    try:
        yield
    except nats.errors.NoRespondersError:
        raise Unavailable(f"Nothing answers {subject} on this NATS server: is JetStream enabled there?") from None
    except nats.errors.MaxPayloadError:
        raise TooLarge(f"It is larger than the {client.max_payload} bytes that NATS takes.") from None
    except nats.errors.TimeoutError:
        raise Unavailable(f"NATS did not answer {subject} within {seconds:g} s; it may work later.") from None
    except nats.errors.Error as error:
        raise Unavailable(f"The connection to NATS failed: {error}.") from None
