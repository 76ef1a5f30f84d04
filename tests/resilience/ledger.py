"""The records that an audit compares: what the clients sent and received, the streams, and the tables."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
from nats.aio.client import Client

from missionops.broker import client as nats_client
from missionops.wire import headers as wire_headers
from tests.resilience import hostile
from tests.resilience.clients import Clients
from tests.resilience.config_client import Confirmation
from tests.resilience.environment import Environment
from tests.resilience.publisher import HEADER, Bad, SentMessage

_PAGE = 1_000
_PAGE_BYTES = 4 << 20
_SHORT = 2_000
"""Bytes of a body that is kept whole."""
_TIMEOUT = 10.0
# With the time at which each row was committed, by PostgreSQL's own record.
_ALARMS = """
SELECT alarm.*, (episode #>> '{rises,0,1,0}')::bigint * interval '1 microsecond' + timestamptz 'epoch' AS raised_at
FROM app.alarm
"""
_ROWS = "SELECT *, pg_xact_commit_timestamp(xmin) AS committed FROM app.{}"
_TELEMETRY = """
SELECT telemetry.*, pg_xact_commit_timestamp(snapshot.xmin) AS committed
FROM app.telemetry JOIN app.snapshot USING (spacecraft_id, "timestamp", id)
"""
# Anomalies whose time is a day or more away from their reception, and are not listed as such; and the other way round.
_KEY = 'spacecraft_id, detected_at, "timestamp", snapshot_id, parameter, severity'
_MISDATED = f"""
WITH misdated AS (
    SELECT {_KEY} FROM app.anomaly
    WHERE "timestamp" <= detected_at - interval '24 hours' OR "timestamp" >= detected_at + interval '24 hours'
)
(SELECT {_KEY} FROM misdated EXCEPT ALL SELECT {_KEY} FROM app.misdated_anomaly)
UNION ALL
(SELECT {_KEY} FROM app.misdated_anomaly EXCEPT ALL SELECT {_KEY} FROM misdated)
LIMIT 100
"""  # noqa: S608 - our own words
_ACKNOWLEDGEMENT = {"stream", "seq", "duplicate", "domain"}


class StreamMessage(NamedTuple):
    """One message of a stream."""

    sequence: int
    time: int
    """In nanoseconds since 1970."""
    subject: str
    headers: Mapping[str, str]
    body: bytes
    digest: bytes

    @property
    def moment(self) -> datetime:
        """When the stream took it."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.time // 1000)


class Source(NamedTuple):
    """What was sent as a message that stands in TELEMETRY, and when that attempt was begun."""

    message: SentMessage
    begun: float


class StreamReader:
    """All messages of one stream; each `read` goes on where the last one ended."""

    def __init__(self, name: str, longest: int | None = None) -> None:
        self.name = name
        self._longest = longest
        """Bodies longer than this are forgotten."""
        self.messages: list[StreamMessage] = []

    async def read(self, client: Client) -> None:
        """Read by direct get (ADR-31) up to what is the end now."""
        last = (await client.jsm().stream_info(self.name)).state.last_seq
        while (sequence := self.messages[-1].sequence if self.messages else 0) < last:
            await self._read_page(client, sequence + 1)

    async def _read_page(self, client: Client, first: int) -> None:
        page: list[StreamMessage] = []
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def take(_: bytes, __: bytes, block: bytes | None, body: bytes) -> None:
            headers = wire_headers.read(block)
            if "Nats-Sequence" in headers:
                page.append(self._message(headers, body))
            elif not end.done():
                end.set_result(None)

        subscription = await client.subscribe(inbox := client.new_inbox())
        nats_client.divert(client, subscription, take)  # nats-py's own queue is slower than the server by far
        try:
            request = json.dumps({"seq": first, "batch": _PAGE, "max_bytes": _PAGE_BYTES}).encode()
            await client.publish(f"$JS.API.DIRECT.GET.{self.name}", request, inbox)
            async with asyncio.timeout(_TIMEOUT):
                await end
        finally:
            nats_client.release(client, subscription)
            await subscription.unsubscribe()
        self.messages += page

    def _message(self, headers: Mapping[str, str], body: bytes) -> StreamMessage:
        whole, _, fraction = headers["Nats-Time-Stamp"].rstrip("Z").partition(".")
        seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
        time = seconds * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)
        subject = headers["Nats-Subject"]
        kept = body if self._longest is None or len(body) <= self._longest else b""
        digest = hostile.digest(_published_subject(subject), body)
        original = {name: value for name, value in headers.items() if name not in _ADDED}
        return StreamMessage(int(headers["Nats-Sequence"]), time, subject, original, kept, digest)


MARKS = "SELECT count(*) FROM app.alarm_mark WHERE spacecraft_id LIKE 'SC-%'"
"""Of a hostile spacecraft, with ten thousand rules and as many alarms, it may take longer to find them."""

_ADDED = {"Nats-Sequence", "Nats-Time-Stamp", "Nats-Subject", "Nats-Stream", "Nats-Num-Pending", "Nats-Last-Sequence"}


class Ledger:
    """Everything that is compared, as it stood when it was read."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.sent = clients.publisher.messages
        self.confirmed: Mapping[str, Sequence[Confirmation]] = {
            **clients.configs.confirmed,
            **clients.hostile.confirmed,
        }
        self.telemetry_stream = StreamReader("TELEMETRY", _SHORT)
        self.anomaly_stream = StreamReader("ANOMALIES")
        self.dead_letter_stream = StreamReader("DEADLETTERS")
        self.event_stream = StreamReader("EVENTS")
        self.alarm_stream = StreamReader("ALARMS")
        self.telemetry: Sequence[asyncpg.Record] = ()
        self.anomalies: Sequence[asyncpg.Record] = ()
        self.misdated: Sequence[asyncpg.Record] = ()
        """Anomalies that are listed as misdated or not, and should be the other."""
        self.events: Sequence[asyncpg.Record] = ()
        self.documents: Sequence[asyncpg.Record] = ()
        self.spacecraft: Sequence[str] = ()
        self.configs: dict[str, dict[int, asyncpg.Record]] = defaultdict(dict)
        self.alarms: Sequence[asyncpg.Record] = ()
        self.transitions: Sequence[asyncpg.Record] = ()
        self.marks = 0
        """Spans of telemetry in which alarms are still to be found."""
        self.waiting_events = 0
        """In the outbox."""
        self.position: Any = {}
        self._by_sequence: dict[int, StreamMessage] = {}

    async def read(self, environment: Environment) -> None:
        """Read the streams and the tables."""
        client = environment.observer
        for stream in (self.telemetry_stream, self.anomaly_stream, self.dead_letter_stream, self.event_stream):
            await stream.read(client)
        await self.alarm_stream.read(client)
        self.alarms = await environment.fetch(_ALARMS)
        self.transitions = await environment.fetch("SELECT alarm_id, revision, message FROM app.alarm_transition")
        self.marks = (await environment.fetch(MARKS))[0][0]
        self.telemetry = await environment.fetch(_TELEMETRY)
        self.anomalies = await environment.fetch("SELECT spacecraft_id, timestamp, snapshot_id, body FROM app.anomaly")
        self.misdated = await environment.fetch(_MISDATED)
        self.events = await environment.fetch(_ROWS.format("event"))
        self.documents = await environment.fetch(_ROWS.format("document"))
        self.spacecraft = [row[0] for row in await environment.fetch("SELECT spacecraft_id FROM app.spacecraft")]
        self.waiting_events = (await environment.fetch("SELECT count(*) FROM app.outbox"))[0][0]
        self.position = (await environment.fetch("SELECT * FROM app.checkpoint"))[0]
        for row in await environment.fetch(_ROWS.format("config")):
            self.configs[row["spacecraft_id"]][row["version"]] = row

    async def published_anomalies(self, environment: Environment) -> int:
        """How many messages of the service the stream ANOMALIES holds now."""
        return await self._published(environment, self.anomaly_stream)

    async def published_events(self, environment: Environment) -> int:
        """How many messages of the service the stream EVENTS holds now."""
        return await self._published(environment, self.event_stream)

    async def _published(self, environment: Environment, stream: StreamReader) -> int:
        await stream.read(environment.observer)
        return sum(not _is_acknowledgement(message) for message in stream.messages)

    def source(self, message: StreamMessage) -> Source | None:
        """What was sent as a message of TELEMETRY; None if nobody sent it."""
        if attempt := self.clients.hostile.sent.get(message.digest):
            return Source(attempt.message, attempt.message.attempts[0])
        if HEADER in message.headers:
            number, _, attempt_number = message.headers[HEADER].partition(".")
            sent = self.sent[int(number)]
            return Source(sent, sent.attempts[int(attempt_number)])
        if self.is_foreign(message):
            bad = Bad("invalid", message.body)
            token = _published_subject(message.subject).removeprefix("telemetry.")
            return Source(SentMessage(token, [bad], is_array=False), 0)
        return None

    def is_foreign(self, message: StreamMessage) -> bool:
        """Whether it is the server's acknowledgement of a hostile message whose reply subject led here."""
        if not _is_acknowledgement(message):
            return False
        if len(self._by_sequence) != len(self.telemetry_stream.messages):
            self._by_sequence = {found.sequence: found for found in self.telemetry_stream.messages}
        cause = self._by_sequence.get(json.loads(message.body)["seq"])
        attempt = self.clients.hostile.sent.get(cause.digest) if cause else None
        return attempt is not None and attempt.reply == _published_subject(message.subject)

    def figures(self) -> str:
        """How much was compared, for a person."""
        attempts = sum(len(message.attempts) for message in self.sent)
        repeats = sum(len(message.repeats) for message in self.sent)
        foreign = sum(
            map(_is_acknowledgement, (*self.anomaly_stream.messages, *self.dead_letter_stream.messages,
                                      *self.event_stream.messages, *self.telemetry_stream.messages))
        )  # fmt: skip
        return (
            f"{len(self.sent)} honest messages published in {attempts} attempts, {repeats} taken for repeats; "
            f"{len(self.clients.hostile.sent)} hostile messages {dict(self.clients.hostile.attacks.most_common())}; "
            f"{len(self.telemetry_stream.messages)} messages in TELEMETRY; "
            f"{len(self.telemetry)} snapshots stored, {len(self.anomalies)} anomalies stored, "
            f"{len(self.anomaly_stream.messages)} messages in ANOMALIES, "
            f"{len(self.dead_letter_stream.messages)} in DEADLETTERS, {len(self.event_stream.messages)} in EVENTS, "
            f"{foreign} acknowledgements of the server in these streams; "
            f"{sum(map(len, self.configs.values()))} configs, {len(self.documents)} documents, "
            f"{len(self.events)} events stored; {self.position['epoch']} claims"
        )


def _published_subject(subject: str) -> str:
    """The subject that a message was published to: TELEMETRY stores it with a partition in it."""
    stream, _, rest = subject.partition(".")
    return f"{stream}.{rest.partition('.')[2]}" if stream == "telemetry" else subject


def _is_acknowledgement(message: StreamMessage) -> bool:
    """Whether it looks like `{"stream":"TELEMETRY","seq":1}`."""
    if not message.body.startswith(b'{"stream":"TELEMETRY"'):
        return False
    fields = json.loads(message.body)
    return fields.keys() <= _ACKNOWLEDGEMENT and isinstance(fields.get("seq"), int)
