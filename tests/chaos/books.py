"""The books that an audit compares: the ledgers of the ground, the streams, and the tables."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
from nats.aio.client import Client
from nats.aio.msg import Msg

from tests.chaos.ground import Ground
from tests.chaos.publisher import HEADER, Entry
from tests.chaos.world import World

_PAGE = 1_000
# With the time at which each row was committed, by PostgreSQL's own word.
_ROWS = "SELECT *, pg_xact_commit_timestamp(xmin) AS committed FROM app.{}"


class Held(NamedTuple):
    """One message of a stream."""

    sequence: int
    time: int
    """In nanoseconds since 1970."""
    subject: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def moment(self) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.time // 1000)


class Books:
    """Everything that is compared, as it stood when it was read."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.ledger = ground.publisher.ledger
        self.replies = ground.configs.replies
        self.telemetry: Sequence[Held] = ()
        self.told: Sequence[Held] = ()
        self.dead: Sequence[Held] = ()
        self.told_events: Sequence[Held] = ()
        self.rows: Sequence[asyncpg.Record] = ()
        self.anomalies: Sequence[asyncpg.Record] = ()
        self.events: Sequence[asyncpg.Record] = ()
        self.documents: Sequence[asyncpg.Record] = ()
        self.configs: dict[str, dict[int, asyncpg.Record]] = defaultdict(dict)
        self.waiting = 0
        """Events in the outbox."""
        self.position: Any = {}

    async def read(self, world: World) -> None:
        self.telemetry = await _stream(world.eye, "TELEMETRY")
        self.told = await _stream(world.eye, "ANOMALIES")
        self.dead = await _stream(world.eye, "DEADLETTERS")
        self.told_events = await _stream(world.eye, "EVENTS")
        self.rows = await world.fetch(_ROWS.format("telemetry"))
        self.anomalies = await world.fetch(_ROWS.format("anomaly"))
        self.events = await world.fetch(_ROWS.format("event"))
        self.documents = await world.fetch(_ROWS.format("document"))
        self.waiting = (await world.fetch("SELECT count(*) FROM app.outbox"))[0][0]
        self.position = (await world.fetch("SELECT * FROM app.checkpoint"))[0]
        for row in await world.fetch(_ROWS.format("config")):
            self.configs[row["spacecraft_id"]][row["version"]] = row

    def entry(self, held: Held) -> tuple[Entry, float]:
        """What the ledger says of a message in TELEMETRY, and when that attempt was begun."""
        number, _, attempt = held.headers[HEADER].partition(".")
        entry = self.ledger[int(number)]
        return entry, entry.attempts[int(attempt)]

    def figures(self) -> str:
        attempts = sum(len(entry.attempts) for entry in self.ledger)
        return (
            f"{len(self.ledger)} messages published in {attempts} attempts, {len(self.telemetry)} in TELEMETRY; "
            f"{len(self.rows)} snapshots stored, {len(self.anomalies)} anomalies stored, {len(self.told)} told, "
            f"{len(self.dead)} dead letters; {sum(map(len, self.configs.values()))} configs, "
            f"{len(self.documents)} documents, {len(self.events)} events stored, {len(self.told_events)} told; "
            f"{self.position['epoch']} claims"
        )


async def _stream(client: Client, name: str) -> list[Held]:
    """All of a stream, by direct get (ADR-31)."""
    found: list[Held] = []
    last = (await client.jsm().stream_info(name)).state.last_seq
    while (sequence := found[-1].sequence if found else 0) < last:
        request = json.dumps({"seq": sequence + 1, "batch": _PAGE, "max_bytes": 4 << 20}).encode()
        subscription = await client.subscribe(inbox := client.new_inbox())
        await client.publish(f"$JS.API.DIRECT.GET.{name}", request, inbox)
        while "Nats-Sequence" in ((message := await subscription.next_msg(10)).headers or {}):
            found.append(_held(message))
        await subscription.unsubscribe()
    return found


def _held(message: Msg) -> Held:
    headers = message.headers or {}
    whole, _, fraction = headers["Nats-Time-Stamp"].rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    time = seconds * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)
    return Held(int(headers["Nats-Sequence"]), time, headers["Nats-Subject"], headers, message.data)
