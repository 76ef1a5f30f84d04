"""Dead letters: read from their stream, shown, and published again."""

import base64
import hashlib
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from missionops import errors
from missionops.broker.client_patch import permissions
from missionops.broker.streams import DEADLETTERS, TELEMETRY
from missionops.cli.client import connection
from missionops.domain import spacecraft

SUBJECT = "deadletters.telemetry."
PAGE = 256
PAGE_BYTES = 4 << 20
TIMEOUT = 6.0

_CONTENT_TYPE = "Missionops-Content-Type"
_GONE = 10057
_NO_STREAM = 10059
_OURS = ("nats-", "missionops-")
"""What the streams and the service added; all else came with the telemetry."""


class StoredDeadLetter(NamedTuple):
    """One dead letter as it lies in the stream."""

    sequence: int
    subject: str
    time: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def spacecraft_id(self) -> str:
        """Whose it is; `_unknown` where the subject named none."""
        return self.subject.rpartition(".")[2]

    @property
    def shown_headers(self) -> dict[str, str]:
        """Without those of the stream itself."""
        return {name: value for name, value in self.headers.items() if not name.lower().startswith("nats-")}

    @property
    def original_headers(self) -> dict[str, str]:
        """Those that the telemetry came with, as far as they were kept.

        Of an array the first letter alone has them; the others say how their bytes are written in a header of ours.
        """
        kept = {name: value for name, value in self.headers.items() if not name.lower().startswith(_OURS)}
        if _CONTENT_TYPE in self.headers and not any(name.lower() == "content-type" for name in kept):
            kept["Content-Type"] = self.headers[_CONTENT_TYPE]
        return kept

    def refusal(self) -> str | None:
        """Why it can never be published again; None if it can be."""
        if "Missionops-Truncated" in self.headers:
            size = self.headers["Missionops-Truncated"]
            return f"only its first {len(self.body)} of {size} bytes were kept"
        if not spacecraft.is_id(self.spacecraft_id):
            return "the subject that it came on names no spacecraft"
        return None

    @property
    def replay_id(self) -> str:
        """The message id of its replay.

        Of the letter, not of chance: a replay that is sent again at once is in the stream once. One that comes later,
        as after a crash before the letter goes, is stored once by the database, or is a dead letter twice.
        """
        return f"{self.spacecraft_id}-replay-{self.sequence}-{self.time}"

    def replay_event(self) -> dict[str, Any]:
        """The event that says that it was replayed; who had it recorded, the service adds as far as NATS tells it."""
        reason = {name: self.headers.get(f"Missionops-{name}") for name in ("Error-Code", "Error")}
        before = {
            "subject": self.subject,
            "time": self.time,
            "errorCode": reason["Error-Code"],
            "error": reason["Error"],
            "bytes": len(self.body),
            "sha256": hashlib.sha256(self.body).hexdigest(),
        }
        return {
            "id": f"ev_{hashlib.blake2b(self.replay_id.encode(), digest_size=16).hexdigest()}",
            "type": "INFO",
            "severity": "LOW",
            "message": f"Dead letter {self.sequence} replayed",
            "metadata": {
                "action": "deadLetter.replay",
                "by": "nats",
                "letter": self.sequence,
                "before": before,
                "after": {"subject": f"telemetry.{self.spacecraft_id}", "messageId": self.replay_id},
            },
        }

    def described(self) -> dict[str, Any]:
        """For a listing."""
        return {
            "sequence": self.sequence,
            "spacecraftId": self.spacecraft_id,
            "time": self.time,
            "size": len(self.body),
            "headers": self.shown_headers,
        }

    def whole(self) -> dict[str, Any]:
        """With its body: as text where it is some, else as base64."""
        try:
            return self.described() | {"body": self.body.decode()}
        except UnicodeDecodeError:
            return self.described() | {"bodyBase64": base64.b64encode(self.body).decode()}

    def text(self) -> str:
        """The body for a person: MessagePack by its content, what is no text by its bytes."""
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            pass
        try:
            return f"(MessagePack) {msgspec.json.encode(msgspec.msgpack.decode(self.body)).decode()}"
        except (msgspec.DecodeError, RecursionError, TypeError, ValueError):
            return repr(self.body)[2:-1]


class DeadLetterPage(NamedTuple):
    """The newest dead letters, and whether there are older ones."""

    letters: list[StoredDeadLetter]
    more: bool


class _Span(NamedTuple):
    """From the first to the last sequence."""

    first: int
    last: int


class DeadLetterStream:
    """The dead letters of one NATS server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def span(self) -> _Span:
        """Where letters lie: from the oldest there is to the newest there ever was."""
        state = (await self._api(f"STREAM.INFO.{DEADLETTERS}", {}))["state"]
        return _Span(int(state["first_seq"]), int(state["last_seq"]))

    async def get(self, sequence: int) -> StoredDeadLetter:
        """One letter; NotFound if it is not there."""
        # Not by a request: nats-py takes a letter's own `Status` for that of the answer.
        for message in await self._page({"seq": sequence, "batch": 1}):
            letter = _letter(message)
            if letter.sequence == sequence:
                return letter
        raise errors.NotFound(f"There is no dead letter {sequence}.")

    async def read(self, spacecraft_id: str | None, first: int = 1) -> AsyncIterator[StoredDeadLetter]:
        """All from `first` on, of one spacecraft or of all, the oldest first (direct get, ADR-31)."""
        request = {"next_by_subj": f"{SUBJECT}{spacecraft_id or '*'}", "batch": PAGE, "max_bytes": PAGE_BYTES}
        while page := await self._page(request | {"seq": first}):
            for letter in map(_letter, page):
                first = letter.sequence + 1
                yield letter

    async def newest(self, spacecraft_id: str | None, at_most: int) -> list[StoredDeadLetter]:
        """The newest ones, the newest first: a stream is read forwards alone, so piece after piece from its end."""
        first, last = await self.span()
        found: list[StoredDeadLetter] = []
        end, length = last + 1, max(PAGE, at_most)
        while end > first and len(found) < at_most:
            start = max(first, end - length)
            found += reversed(await self._last_between(spacecraft_id, start, end, at_most - len(found)))
            end, length = start, 2 * length
        return found

    async def _last_between(
        self, spacecraft_id: str | None, start: int, end: int, at_most: int
    ) -> list[StoredDeadLetter]:
        letters: deque[StoredDeadLetter] = deque(maxlen=at_most)
        async for letter in self.read(spacecraft_id, start):
            if letter.sequence >= end:
                break
            letters.append(letter)
        return list(letters)

    async def delete(self, sequence: int) -> None:
        """Takes a letter out of the stream; one that is gone already is as well."""
        await self._api(f"STREAM.MSG.DELETE.{DEADLETTERS}", {"seq": sequence, "no_erase": True}, _GONE)

    async def replay(self, letter: StoredDeadLetter) -> None:
        """Publishes a letter again; once the stream has it and an event says so, the letter goes."""
        if reason := letter.refusal():
            raise errors.InvalidRequest(f"Letter {letter.sequence} cannot be replayed: {reason}.")
        await self._publish(letter)
        await self._record(letter)
        await self.delete(letter.sequence)

    async def _publish(self, letter: StoredDeadLetter) -> None:
        subject = f"telemetry.{letter.spacecraft_id}"
        headers = {**letter.original_headers, "Nats-Msg-Id": letter.replay_id, "Nats-Expected-Stream": TELEMETRY}
        with _translated(self._client, subject):
            reply = await self._request(subject, letter.body, headers)
        acknowledgement = _decoded(reply.data)
        if acknowledgement.get("stream") != TELEMETRY or "error" in acknowledgement:
            reason = (acknowledgement.get("error") or {}).get("description", "the answer is no acknowledgement")
            raise errors.Unavailable(f"Letter {letter.sequence} is not replayed, {TELEMETRY} refused it: {reason}.")

    async def _record(self, letter: StoredDeadLetter) -> None:
        """Has the service write down what was done; said twice, it is one event. Until then the letter stays."""
        subject = f"missionops.events.record.{letter.spacecraft_id}"
        try:
            await connection.request(self._client, subject, json.dumps(letter.replay_event()).encode())
        except errors.MissionopsError as error:
            raise errors.Unavailable(
                f"Letter {letter.sequence} is in {TELEMETRY} again, and stays here until an event can say so: {error}"
            ) from None

    async def _page(self, request: Mapping[str, Any]) -> list[Msg]:
        inbox = self._client.new_inbox()
        subject = f"$JS.API.DIRECT.GET.{DEADLETTERS}"
        subscription = await self._client.subscribe(inbox)
        try:
            await self._client.publish(subject, json.dumps(request).encode(), inbox)
            messages: list[Msg] = []
            while True:
                with _translated(self._client, subject):
                    message = await permissions.unless_refused(self._client, subject, subscription.next_msg(TIMEOUT))
                headers = message.headers or {}
                # Not by a `Status`: a publisher may have set one.
                if "Nats-Sequence" not in headers:
                    _check_end(headers)
                    return messages
                messages.append(message)
        finally:
            await subscription.unsubscribe()

    async def _api(self, subject: str, request: Mapping[str, Any], accepted: int = 0) -> dict[str, Any]:
        """The answer of the JetStream API; an error other than the `accepted` one is raised."""
        with _translated(self._client, f"$JS.API.{subject}"):
            reply = await self._request(f"$JS.API.{subject}", json.dumps(request).encode())
        answer = _decoded(reply.data)
        error = answer.get("error")
        if not error or error.get("err_code") == accepted:
            return answer
        if error.get("err_code") == _NO_STREAM:
            raise errors.NotFound(
                f"There is no stream {DEADLETTERS} on this NATS server: `missionops serve` or `missionops up` makes it."
            )
        raise errors.Unavailable(f"JetStream refuses {subject}: {error.get('description')}.")

    async def _request(self, subject: str, body: bytes, headers: dict[str, str] | None = None) -> Msg:
        request = self._client.request(subject, body, timeout=TIMEOUT, headers=headers)
        return await permissions.unless_refused(self._client, subject, request)


@asynccontextmanager
async def opened(server_url: str) -> AsyncIterator[DeadLetterStream]:
    """The dead letters of a server."""
    async with connection.connected(server_url) as client:
        box = DeadLetterStream(client)
        await box.span()  # says in a sentence that there is no such stream
        yield box


async def newest(spacecraft_id: str | None, at_most: int, server_url: str) -> DeadLetterPage:
    """The newest letters first, at most so many."""
    async with opened(server_url) as box:
        letters = await box.newest(spacecraft_id, at_most + 1)
    return DeadLetterPage(letters[:at_most], more=len(letters) > at_most)


async def one(sequence: int, server_url: str) -> StoredDeadLetter:
    """One letter with its body."""
    async with opened(server_url) as box:
        return await box.get(sequence)


class Replayed(NamedTuple):
    """What became of one letter."""

    letter: StoredDeadLetter
    refusal: str | None


async def replay(
    sequences: list[int], spacecraft_id: str | None, settled: Callable[[Replayed], None], server_url: str
) -> None:
    """Replays these letters, or where none is named all there are now; `settled` hears of each."""
    async with opened(server_url) as box:
        async for letter in _chosen(box, sequences, spacecraft_id):
            refusal = letter.refusal()
            if refusal is None:
                await box.replay(letter)
            settled(Replayed(letter, refusal))


async def _chosen(
    box: DeadLetterStream, sequences: list[int], spacecraft_id: str | None
) -> AsyncIterator[StoredDeadLetter]:
    if sequences:
        # All of them first: a wrong number is told before anything is done.
        for letter in [await box.get(sequence) for sequence in dict.fromkeys(sequences)]:
            yield letter
        return
    # What is refused again comes back as a new letter: it is left for another time.
    _, last = await box.span()
    async for letter in box.read(spacecraft_id):
        if letter.sequence > last:
            return
        yield letter


@contextmanager
def _translated(client: Client, subject: str) -> Iterator[None]:
    """What nats-py raises, in our own words."""
    try:
        yield
    except nats.errors.NoRespondersError:
        raise errors.Unavailable(
            f"Nothing answers {subject} on this NATS server: has it JetStream, and is the service running?"
        ) from None
    except nats.errors.MaxPayloadError:
        raise errors.TooLarge(f"It is larger than the {client.max_payload} bytes that NATS takes.") from None
    except nats.errors.TimeoutError:
        raise errors.Unavailable(f"No answer to {subject} within {TIMEOUT:.0f} s; it may work later.") from None
    except nats.errors.Error as error:
        raise errors.Unavailable(f"The connection to NATS failed: {error}.") from None


def _letter(message: Msg) -> StoredDeadLetter:
    headers = message.headers or {}
    return StoredDeadLetter(
        int(headers["Nats-Sequence"]), headers["Nats-Subject"], headers["Nats-Time-Stamp"], headers, message.data
    )


def _check_end(headers: Mapping[str, str]) -> None:
    if headers.get("Status") not in {"204", "404"}:  # the end of the page; nothing there
        raise errors.Unavailable(f"The stream {DEADLETTERS} cannot be read: NATS answers {headers.get('Status')}.")


def _decoded(reply: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(reply)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise errors.Unavailable("The answer is not JetStream's: is another program listening there?")
    return answer
