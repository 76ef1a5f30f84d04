"""The audit of telemetry: ledger, stream, tables, ANOMALIES and dead letters, compared by a judgement of its own."""

import json
import operator
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from tests.chaos import audit_events
from tests.chaos.books import Books, Held
from tests.chaos.findings import Findings
from tests.chaos.judgement import judge
from tests.chaos.publisher import Bad, Snapshot, text

Key = tuple[str, datetime, str]


def compare(books: Books, findings: Findings) -> None:
    """Note every difference between the books."""
    audit = _Audit(books, findings)
    audit.acknowledged()
    firsts = audit.stored()
    audit.dead_letters()
    audit.judged(firsts)
    audit.told_once()
    audit.told_in_order(firsts)
    audit.position()
    audit_events.compare(books, findings)


class First(NamedTuple):
    """The first snapshot of its identity in the stream, and the row that it should have become."""

    token: str
    snapshot: Snapshot
    held: Held
    begun: float
    row: asyncpg.Record


class _Audit:
    def __init__(self, books: Books, findings: Findings) -> None:
        self._books = books
        self._differ = findings.differ

    def acknowledged(self) -> None:
        """The stream still has all that it acknowledged."""
        held = {held.sequence: held for held in self._books.telemetry}
        for number, entry in enumerate(self._books.ledger):
            if not entry.acknowledged:
                self._differ("never acknowledged", number)
            for sequence in entry.acknowledged:
                if sequence not in held or self._books.entry(held[sequence])[0] is not entry:
                    self._differ("acknowledged and not in the stream", (number, sequence))

    def stored(self) -> list[First]:
        """Each identity is stored once, as it first stands in the stream; and nothing else is stored."""
        rows: dict[Key, list[asyncpg.Record]] = defaultdict(list)
        for row in self._books.rows:
            rows[_stored_key(row)].append(row)
        firsts: dict[Key, First | None] = {}
        for held in self._books.telemetry:
            entry, begun = self._books.entry(held)
            for snapshot in entry.items:
                if not isinstance(snapshot, Bad) and (key := _key(entry.token, snapshot)) not in firsts:
                    only = self._only(rows.pop(key, []), key, held)
                    firsts[key] = First(entry.token, snapshot, held, begun, only) if only else None
        for key in rows:
            self._differ("stored and never published", key)
        found = [first for first in firsts.values() if first]
        for first in found:
            self._as_it_came(first)
        return found

    def _only(self, rows: Sequence[asyncpg.Record], key: Key, held: Held) -> asyncpg.Record | None:
        if len(rows) != 1:
            self._differ("stored twice" if rows else "lost", (key, held.sequence))
            return None
        return rows[0]

    def _as_it_came(self, first: First) -> None:
        if json.loads(first.row["parameters"]) != first.snapshot.parameters:
            self._differ("not the first in the stream", first)
        if first.row["received_at"] != first.held.moment:
            self._differ("another time than the stream's", first)

    def dead_letters(self) -> None:
        """Each bad item of each message, once; and nothing else."""
        wanted = dict(self._wanted_letters())
        seen = set()
        for letter in self._books.dead:
            headers = letter.headers
            place = headers["Missionops-Stream-Sequence"], headers.get("Missionops-Item")
            found = headers["Missionops-Error-Code"], letter.subject, headers.get("Missionops-Original-Msg-Id")
            if place in seen:
                self._differ("dead letter twice", place)
            elif place not in wanted:
                self._differ("dead letter of something good", (place, dict(headers), letter.body[:80]))
            elif wanted[place] != (*found, letter.body):
                self._differ("dead letter is another", (place, dict(headers), wanted[place]))
            seen.add(place)
        for place in wanted.keys() - seen:
            self._differ("dead letter missing", place)

    def _wanted_letters(self) -> Any:
        for held in self._books.telemetry:
            entry, _ = self._books.entry(held)
            token = entry.token if entry.token[0].isalnum() else "_unknown"
            message_id = entry.message_id
            for item, bad in enumerate(entry.items):
                if isinstance(bad, Bad):
                    place = str(held.sequence), str(item) if entry.is_array else None
                    yield place, (bad.code, f"deadletters.telemetry.{token}", message_id, bad.body)
                    message_id = None  # the first letter of an array alone has its headers

    def judged(self, firsts: Sequence[First]) -> None:
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
            if (version := next(silent, None)) is None:
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
        if version not in self._books.configs[first.token]:
            return []
        snapshot = {
            "id": first.row["id"],
            "spacecraftId": first.token,
            "timestamp": text(first.row["timestamp"]),
            "parameters": first.snapshot.parameters,
        }
        rules = json.loads(self._books.configs[first.token][version]["document"])["parameters"]
        return list(judge(snapshot, rules, version, text(first.held.moment)))

    def told_once(self) -> None:
        """ANOMALIES is the table, byte for byte; and nothing else was ever heard."""
        stored = Counter(bytes(row["message"].encode()) for row in self._books.anomalies)
        told = Counter(held.body for held in self._books.told)
        for body in (stored - told).elements():
            self._differ("stored and not told", body)
        for body in (told - stored).elements():
            self._differ("told and not stored" if body not in stored else "told twice", body)
        for id_, count in Counter(held.headers.get("Nats-Msg-Id") for held in self._books.told).items():
            if count > 1:
                self._differ("message id twice", id_)
        for body in self._books.ground.subscriber.anomalies - stored.keys():
            self._differ("heard and not stored", body)

    def told_in_order(self, firsts: Sequence[First]) -> None:
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
            if held.moment < first.row["committed"]:
                self._differ("told before it was stored", (held.sequence, held.body))
            place = first.held.sequence, order[id(first)], said["parameter"]
            if place < last.get(held.subject, (0, 0, "")):
                self._differ("told out of order", (held.sequence, place, last[held.subject]))
            if held.subject != f"anomalies.{first.token}":
                self._differ("told under another subject", held)
            last[held.subject] = place

    def position(self) -> None:
        position, end = self._books.position, self._books.telemetry[-1].sequence if self._books.telemetry else 0
        if position["lost"]:
            self._differ("reported as lost", position["lost"])
        if position["sequence"] != end:
            self._differ("not all is handled", (position["sequence"], end))


def _key(token: str, snapshot: Snapshot) -> Key:
    """A given id is the identity; where none was given, the content is."""
    return token, snapshot.timestamp, snapshot.id or _content(snapshot.parameters)


def _stored_key(row: asyncpg.Record) -> Key:
    is_derived = row["id"].startswith("ts_")
    return row["spacecraft_id"], row["timestamp"], _content(json.loads(row["parameters"])) if is_derived else row["id"]


def _content(parameters: Mapping[str, Any]) -> str:
    return json.dumps(parameters, sort_keys=True)
