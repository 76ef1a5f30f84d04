"""The audit: what the ledgers, the streams and the database say, compared, and judged by a judgement of its own."""

import json
import operator
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
from nats.aio.client import Client
from nats.aio.msg import Msg

from tests.chaos.configs import Reply
from tests.chaos.publisher import HEADER, Bad, Entry, Snapshot, text
from tests.chaos.world import World

_SHOWN = 5
_PAGE = 1_000
Key = tuple[str, datetime, str]

_CHECKS = (
    ("critLow", operator.lt, "CRIT_LOW", "HIGH", "below"),
    ("warnLow", operator.lt, "WARN_LOW", "MEDIUM", "below"),
    ("critHigh", operator.gt, "CRIT_HIGH", "HIGH", "above"),
    ("warnHigh", operator.gt, "WARN_HIGH", "MEDIUM", "above"),
)


def judge(parameters: Mapping[str, Any], rules: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """What the contract says of these parameters, in its order; the first match of each."""
    for name in sorted(parameters.keys() & rules.keys()):
        value, limits = parameters[name], rules[name]
        if isinstance(value, (bool, str)):
            continue
        for limit, breaks, suffix, severity, side in _CHECKS:
            if limit in limits and breaks(value, limits[limit]):
                yield {
                    "parameter": name,
                    "value": value,
                    "severity": severity,
                    "description": f"Parameter {name} {side} {limit} {limits[limit]}",
                    "limit": {"name": limit, "value": limits[limit]},
                    "suffix": suffix,
                }
                break


class Held(NamedTuple):
    """One message of a stream."""

    sequence: int
    time: int
    subject: str
    headers: Mapping[str, str]
    body: bytes


class First(NamedTuple):
    """The first snapshot of its identity in the stream, and the row that it should have become."""

    token: str
    snapshot: Snapshot
    held: Held
    begun: float
    row: asyncpg.Record


class Books:
    """Everything that is compared."""

    def __init__(self, ledger: Sequence[Entry], replies: Mapping[str, Sequence[Reply]], heard: Iterable[bytes]) -> None:
        self.ledger = ledger
        self.replies = replies
        self.heard = heard
        self.telemetry: Sequence[Held] = ()
        self.told: Sequence[Held] = ()
        self.dead: Sequence[Held] = ()
        self.rows: Sequence[asyncpg.Record] = ()
        self.anomalies: Sequence[asyncpg.Record] = ()
        self.configs: dict[str, dict[int, asyncpg.Record]] = defaultdict(dict)
        self.position: Any = {}

    async def read(self, world: World) -> None:
        client = await world.client()
        self.telemetry = await _stream(client, "TELEMETRY")
        self.told = await _stream(client, "ANOMALIES")
        self.dead = await _stream(client, "DEADLETTERS")
        self.rows = await world.fetch("SELECT *, pg_xact_commit_timestamp(xmin) AS committed FROM app.telemetry")
        self.anomalies = await world.fetch("SELECT * FROM app.anomaly")
        self.position = (await world.fetch("SELECT * FROM app.position"))[0]
        for row in await world.fetch("SELECT *, pg_xact_commit_timestamp(xmin) AS committed FROM app.config"):
            self.configs[row["spacecraft_id"]][row["version"]] = row

    def size(self) -> str:
        acknowledged = sum(len(entry.acknowledged) for entry in self.ledger)
        return (
            f"{len(self.ledger)} published, {acknowledged} acknowledged, {len(self.telemetry)} in TELEMETRY, "
            f"{len(self.rows)} stored, {len(self.told)} told, {len(self.dead)} dead letters, "
            f"{sum(map(len, self.configs.values()))} configs, epoch {self.position['epoch']}"
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


def _moment(nanoseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1000)


class Audit:
    """Finds differences; none is what one hopes for."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._found: Counter[str] = Counter()
        self._shown: list[str] = []

    def run(self) -> list[str]:
        """The differences, a few of each kind in full."""
        self._acknowledged()
        firsts = self._stored()
        self._dead_letters()
        self._judged(firsts)
        self._told_once()
        self._told_in_order(firsts)
        self._position()
        return [f"{count} x {kind}" for kind, count in self._found.items()] + self._shown

    def _differ(self, kind: str, detail: object) -> None:
        self._found[kind] += 1
        if self._found[kind] <= _SHOWN:
            self._shown.append(f"  {kind}: {detail}")

    def _entry(self, held: Held) -> tuple[Entry, float]:
        number, _, attempt = held.headers[HEADER].partition(".")
        entry = self._books.ledger[int(number)]
        return entry, entry.attempts[int(attempt)]

    def _acknowledged(self) -> None:
        """The stream still has all that it acknowledged."""
        held = {held.sequence: held for held in self._books.telemetry}
        for number, entry in enumerate(self._books.ledger):
            if not entry.acknowledged:
                self._differ("never acknowledged", number)
            for sequence in entry.acknowledged:
                if sequence not in held or self._entry(held[sequence])[0] is not entry:
                    self._differ("acknowledged and not in the stream", (number, sequence))

    def _stored(self) -> list[First]:
        """Each identity is stored once, as it first stands in the stream; and nothing else is stored."""
        rows: dict[tuple[str, datetime, str], list[asyncpg.Record]] = defaultdict(list)
        for row in self._books.rows:
            rows[_stored_key(row)].append(row)
        firsts: dict[Key, First] = {}
        seen = set()
        for held in self._books.telemetry:
            entry, begun = self._entry(held)
            for snapshot in entry.items:
                if isinstance(snapshot, Bad) or (key := _key(entry.token, snapshot)) in seen:
                    continue
                seen.add(key)
                if len(found := rows.pop(key, [])) != 1:
                    self._differ("lost" if not found else "stored twice", (key, held.sequence))
                    continue
                row = found[0]
                if json.loads(row["parameters"]) != snapshot.parameters:
                    self._differ("not the first in the stream", (key, held.sequence))
                if row["received_at"] != _moment(held.time):
                    self._differ("another time than the stream's", (key, held.sequence))
                firsts[row["spacecraft_id"], row["timestamp"], row["id"]] = First(
                    entry.token, snapshot, held, begun, row
                )
        for key in rows:
            self._differ("stored and never published", key)
        return list(firsts.values())

    def _dead_letters(self) -> None:
        """Each bad item of each message, once; and nothing else."""
        wanted: dict[tuple[str, str | None], tuple[str, str, bytes]] = {}
        for held in self._books.telemetry:
            entry, _ = self._entry(held)
            token = entry.token if entry.token[0].isalnum() else "_unknown"
            for item, bad in enumerate(entry.items):
                if isinstance(bad, Bad):
                    place = str(held.sequence), str(item) if entry.is_array else None
                    wanted[place] = bad.code, f"deadletters.telemetry.{token}", bad.body
        seen = set()
        for letter in self._books.dead:
            headers = letter.headers
            place = headers["Missionops-Stream-Sequence"], headers.get("Missionops-Item")
            if place in seen:
                self._differ("dead letter twice", place)
            elif place not in wanted:
                self._differ("dead letter of something good", (place, dict(headers), letter.body[:80]))
            elif wanted[place] != (headers["Missionops-Error-Code"], letter.subject, letter.body):
                self._differ("dead letter is another", (place, dict(headers), wanted[place]))
            seen.add(place)
        for place in wanted.keys() - seen:
            self._differ("dead letter missing", place)

    def _judged(self, firsts: Sequence[First]) -> None:
        """Each by one version, which was in force; never by an older one than the snapshot before."""
        found: dict[Key, list[dict[str, Any]]] = defaultdict(list)
        for row in self._books.anomalies:
            found[row["spacecraft_id"], row["timestamp"], row["snapshot_id"]].append(json.loads(row["message"]))
        least: dict[str, int] = defaultdict(int)
        for first in firsts:
            key = first.token, first.row["timestamp"], first.row["id"]
            anomalies = sorted(found.pop(key, []), key=operator.itemgetter("parameter"))
            least[first.token] = self._version(first, anomalies, least[first.token])
        for key in found:
            self._differ("anomaly of nothing stored", key)

    def _version(self, first: First, anomalies: Sequence[Mapping[str, Any]], least: int) -> int:
        """Check the version that judged a snapshot; answers the least that may judge the next one."""
        replies = self._books.replies[first.token]
        promised = max((reply.version for reply in replies if reply.arrived < first.begun), default=0)
        configs = self._books.configs[first.token].values()
        latest = max((row["version"] for row in configs if row["committed"] <= first.row["committed"]), default=0)
        where = first.token, first.held.sequence, first.row["id"]
        if not anomalies:
            silent = (v for v in range(max(promised, least), latest + 1) if not self._expected(first, v))
            version = next(silent, None)
            if version is None:
                self._differ("not judged", (*where, promised, least, latest))
            return least if version is None else version
        version = int(anomalies[0]["configVersion"])
        if not promised <= version <= latest:
            self._differ("config was not in force", (*where, version, f"not {promised}..{latest}"))
        if version < least:
            self._differ("config went back", (*where, version, least))
        if anomalies != self._expected(first, version):
            self._differ("judged wrongly", (*where, anomalies, self._expected(first, version)))
        return max(least, version)

    def _expected(self, first: First, version: int) -> list[dict[str, Any]]:
        if not version or version not in self._books.configs[first.token]:
            return []
        row = first.row
        rules = json.loads(self._books.configs[first.token][version]["document"])["parameters"]
        return [
            {
                "id": f"{row['id']}:{found['parameter']}:{found.pop('suffix')}",
                "spacecraftId": first.token,
                "timestamp": text(row["timestamp"]),
                **found,
                "snapshotId": row["id"],
                "configVersion": version,
                "detectedAt": text(_moment(first.held.time)),
            }
            for found in judge(first.snapshot.parameters, rules)
        ]

    def _told_once(self) -> None:
        """ANOMALIES is the table, byte for byte; and nothing else was ever heard."""
        stored = Counter(bytes(row["message"].encode()) for row in self._books.anomalies)
        told = Counter(held.body for held in self._books.told)
        for body in (stored - told).elements():
            self._differ("stored and not told" if body not in told else "told too seldom", body)
        for body in (told - stored).elements():
            self._differ("told and not stored" if body not in stored else "told twice", body)
        for id_, count in Counter(held.headers.get("Nats-Msg-Id") for held in self._books.told).items():
            if count > 1:
                self._differ("message id twice", id_)
        for body in self._books.heard:
            if body not in stored:
                self._differ("heard and not stored", body)

    def _told_in_order(self, firsts: Sequence[First]) -> None:
        """Each after its snapshot was committed, those of a spacecraft in the order of the stream."""
        committed = {(f.token, text(f.row["timestamp"]), f.row["id"]): f for f in firsts}
        last: dict[str, tuple[int, int, str]] = {}
        order = {id(first): number for number, first in enumerate(firsts)}
        for held in self._books.told:
            said = json.loads(held.body)
            first = committed.get((said["spacecraftId"], said["timestamp"], said["snapshotId"]))
            if first is None:
                self._differ("told of nothing stored", held.body)
                continue
            if _moment(held.time) < first.row["committed"]:
                self._differ("told before it was stored", (held.sequence, held.body))
            place = first.held.sequence, order[id(first)], said["parameter"]
            if place < last.get(held.subject, (0, 0, "")):
                self._differ("told out of order", (held.sequence, place, last[held.subject]))
            last[held.subject] = place

    def _position(self) -> None:
        position, end = self._books.position, self._books.telemetry[-1].sequence if self._books.telemetry else 0
        if position["lost"]:
            self._differ("reported as lost", position["lost"])
        if position["sequence"] != end:
            self._differ("not all is handled", (position["sequence"], end))
        for spacecraft, replies in self._books.replies.items():
            for reply in replies:
                row = self._books.configs[spacecraft].get(reply.version)
                if row is None or json.loads(row["document"]) != reply.document:
                    self._differ("config is not the one that was set", (spacecraft, reply.version))


def _key(token: str, snapshot: Snapshot) -> tuple[str, datetime, str]:
    """A given id is the identity; where none was given, the content is."""
    return token, snapshot.timestamp, snapshot.id or _content(snapshot.parameters)


def _stored_key(row: asyncpg.Record) -> tuple[str, datetime, str]:
    is_derived = row["id"].startswith("ts_")
    return row["spacecraft_id"], row["timestamp"], _content(json.loads(row["parameters"])) if is_derived else row["id"]


def _content(parameters: Mapping[str, Any]) -> str:
    return json.dumps(parameters, sort_keys=True)
