"""The audit of telemetry: messages sent, stream, tables, ANOMALIES and dead letters, compared by an oracle."""

import json
import operator
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

import asyncpg

from tests.resilience import audit_alarms, audit_events
from tests.resilience.attacks import HOSTILE
from tests.resilience.ledger import Ledger, Source, StreamMessage
from tests.resilience.oracle import Rules, judge
from tests.resilience.publisher import SPACECRAFT, Bad, Snapshot, text
from tests.resilience.report import Report

Key: TypeAlias = tuple[str, datetime, str]
Place: TypeAlias = tuple[str, str | None]
"""Of a dead letter: the sequence of its message, and the item's number in an array."""

_SPACECRAFT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_LETTERS_OF_ONE = 8_000_000
"""Bytes that all dead letters of one message may hold."""
_VERSIONS_KEPT = 16
_REASON = 512
_REASON_OF_OTHERS = 128


def compare(ledger: Ledger, report: Report) -> None:
    """Report every difference between the records."""
    audit = _Audit(ledger, report)
    audit.check_acknowledged()
    audit.check_spacecraft()
    firsts = audit.check_stored()
    audit.check_dead_letters()
    audit.check_judgement(firsts)
    audit.check_published_once()
    audit.check_published_in_order(firsts)
    audit.check_position()
    audit_events.compare(ledger, report)
    audit_alarms.compare(ledger, report)


class First(NamedTuple):
    """The first snapshot of its identity in the stream, and the row that it should have become."""

    token: str
    snapshot: Snapshot
    message: StreamMessage
    begun: float
    row: asyncpg.Record


class ExpectedLetter(NamedTuple):
    """What the dead letter of one bad item has to be."""

    code: str
    subject: str
    message_id: str | None
    body: bytes


class _Audit:
    def __init__(self, ledger: Ledger, report: Report) -> None:
        self._ledger = ledger
        self._differ = report.differ
        self._compiled: dict[tuple[str, int], Rules] = {}
        self._sources: list[tuple[StreamMessage, Source]] = []
        for message in ledger.telemetry_stream.messages:
            if source := ledger.source(message):
                self._sources.append((message, source))
            else:
                self._differ("in TELEMETRY and never sent", message)
        self._anomaly_messages = self._without_foreign(ledger.anomaly_stream.messages, "ANOMALIES")
        self._letters = self._without_foreign(ledger.dead_letter_stream.messages, "DEADLETTERS")

    def _without_foreign(self, messages: Sequence[StreamMessage], stream: str) -> list[StreamMessage]:
        """Leave out the acknowledgements that hostile reply subjects led here; all else has a message id of ours."""
        found = []
        for message in messages:
            if self._ledger.is_foreign(message):
                continue
            if "Nats-Msg-Id" in message.headers:
                found.append(message)
            else:
                self._differ(f"in {stream} and not from the service", message)
        return found

    def check_acknowledged(self) -> None:
        """The stream still has all that it acknowledged."""
        sources = {message.sequence: (message, source.message) for message, source in self._sources}
        for number, sent in enumerate(self._ledger.sent):
            if not sent.acknowledged:
                self._differ("never acknowledged", number)
            for sequence in sent.acknowledged:
                if sequence not in sources or sources[sequence][1] is not sent:
                    self._differ("acknowledged and not in the stream", (number, sequence))
            for sequence in sent.repeats:
                message_id = f"{sent.token}-{number}"
                if sequence not in sources or sources[sequence][0].headers.get("Nats-Msg-Id") != message_id:
                    self._differ("taken for a repeat of something else", (number, sequence))

    def check_spacecraft(self) -> None:
        """Nobody was registered but those who sent telemetry or a config."""
        for spacecraft in {*self._ledger.spacecraft} - {*SPACECRAFT, *HOSTILE}:
            self._differ("registered by nobody", spacecraft)

    def check_stored(self) -> list[First]:
        """Each identity is stored once, as it first stands in the stream; and nothing else is stored."""
        rows: dict[Key, list[asyncpg.Record]] = defaultdict(list)
        for row in self._ledger.telemetry:
            rows[_stored_key(row)].append(row)
        firsts: dict[Key, First | None] = {}
        for message, (sent, begun) in self._sources:
            for snapshot in sent.items:
                if not isinstance(snapshot, Bad) and (key := _key(sent.token, snapshot)) not in firsts:
                    only = self._only(rows.pop(key, []), key, message)
                    firsts[key] = First(sent.token, snapshot, message, begun, only) if only else None
        for key in rows:
            self._differ("stored and never published", key)
        found = [first for first in firsts.values() if first]
        for first in found:
            if json.loads(first.row["parameters"]) != first.snapshot.parameters:
                self._differ("not the first in the stream", first)
            if first.row["received_at"] != first.message.moment:
                self._differ("another time than the stream's", first)
        return found

    def _only(self, rows: Sequence[asyncpg.Record], key: Key, message: StreamMessage) -> asyncpg.Record | None:
        if len(rows) != 1:
            self._differ("stored twice" if rows else "lost", (key, message.sequence))
            return None
        return rows[0]

    def check_dead_letters(self) -> None:
        """Each bad item of each message is in one letter, and nothing else is; those of one message are bounded."""
        expected = dict(self._expected_letters())
        first_of_message = {sequence: item for (sequence, item), _ in reversed(expected.items())}
        seen: set[Place] = set()
        sizes: Counter[str] = Counter()
        for letter in self._letters:
            sequence, item = letter.headers["Missionops-Stream-Sequence"], letter.headers.get("Missionops-Item")
            place = sequence, item
            sizes[sequence] += len(letter.body) + sum(len(name) + len(value) for name, value in letter.headers.items())
            if place in seen:
                self._differ("dead letter twice", place)
            elif place not in expected:
                self._differ("dead letter of something good", (place, dict(letter.headers), letter.body[:80]))
            elif "Missionops-Items" in letter.headers:
                seen |= self._check_rest(letter, place, expected)
            elif expected[place] != _found_letter(letter):
                self._differ("dead letter is another", (place, dict(letter.headers), expected[place]))
            most = _REASON if first_of_message.get(sequence) == item else _REASON_OF_OTHERS
            if not (reason := letter.headers["Missionops-Error"]).isascii() or len(reason) > most:
                self._differ("reason of a dead letter is too long", (letter.sequence, reason))
            seen.add(place)
        for place in expected.keys() - seen:
            self._differ("dead letter missing", place)
        for sequence, size in sizes.items():
            if size > _LETTERS_OF_ONE:
                self._differ("dead letters of one message are too large", (sequence, size))

    def _check_rest(self, letter: StreamMessage, place: Place, expected: Mapping[Place, ExpectedLetter]) -> set[Place]:
        """Check the letter that holds the remaining items of an array; returns the places that it covers."""
        remaining = [other for other in expected if other[0] == place[0] and int(other[1] or 0) >= int(place[1] or 0)]
        is_whole = "Missionops-Truncated" not in letter.headers
        bodies = [json.loads(expected[other].body) for other in remaining]
        if len(bodies) != int(letter.headers["Missionops-Items"]) or (is_whole and json.loads(letter.body) != bodies):
            self._differ("dead letter of the remaining items is another", (place, dict(letter.headers), len(remaining)))
        return {*remaining}

    def _expected_letters(self) -> Iterator[tuple[Place, ExpectedLetter]]:
        for message, (sent, _) in self._sources:
            token = sent.token if _SPACECRAFT_ID.fullmatch(sent.token) else "_unknown"
            message_id = message.headers.get("Nats-Msg-Id")
            for item, bad in enumerate(sent.items):
                if isinstance(bad, Bad):
                    place = str(message.sequence), str(item) if sent.is_array else None
                    yield place, ExpectedLetter(bad.code, f"deadletters.telemetry.{token}", message_id, bad.body)
                    message_id = None  # of an array only the first letter has the original headers

    def check_judgement(self, firsts: Sequence[First]) -> None:
        """Each by one version, which was in force; never by an older one than the snapshot before."""
        found: dict[Key, list[dict[str, Any]]] = defaultdict(list)
        for row in self._ledger.anomalies:
            found[row["spacecraft_id"], row["timestamp"], row["snapshot_id"]].append(json.loads(row["body"]))
        least: dict[str, int] = defaultdict(int)
        for first in firsts:
            key = first.token, first.row["timestamp"], first.row["id"]
            anomalies = sorted(found.pop(key, []), key=operator.itemgetter("parameter"))
            least[first.token] = self._version(first, anomalies, least[first.token])
        for key in found:
            self._differ("anomaly of nothing stored", key)
        for row in self._ledger.misdated:
            self._differ("listed as misdated, or not, and should be the other", dict(row))

    def _version(self, first: First, anomalies: Sequence[Mapping[str, Any]], least: int) -> int:
        """Check the version that judged a snapshot; returns the least that may judge the next one."""
        confirmed = self._ledger.confirmed[first.token]
        promised = max((one.version for one in confirmed if one.arrived < first.begun), default=0)
        configs = self._ledger.configs[first.token].values()
        latest = max((row["version"] for row in configs if row["committed"] <= first.row["committed"]), default=0)
        where = first.token, first.message.sequence, first.row["id"]
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
        if anomalies != (expected := self._expected(first, version)):
            self._differ("judged wrongly", (*where, anomalies[:5], expected[:5]))
        return max(least, version)

    def _expected(self, first: First, version: int) -> list[dict[str, Any]]:
        if version not in self._ledger.configs[first.token]:
            return []
        snapshot = {
            "id": first.row["id"],
            "spacecraftId": first.token,
            "timestamp": text(first.row["timestamp"]),
            "parameters": first.snapshot.parameters,
        }
        rules = self._rules(first.token, version)
        return list(judge(snapshot, rules, version, text(first.message.moment)))

    def _rules(self, token: str, version: int) -> Rules:
        """The rules of a version; those of the last few are kept, as there may be ten thousand in each."""
        if (token, version) not in self._compiled:
            if len(self._compiled) > _VERSIONS_KEPT:
                self._compiled.clear()
            self._compiled[token, version] = json.loads(self._ledger.configs[token][version]["document"]).get(
                "parameters", {}
            )
        return self._compiled[token, version]

    def check_published_once(self) -> None:
        """ANOMALIES is the table, byte for byte; and a plain subscriber received nothing else."""
        stored = Counter(bytes(row["body"].encode()) for row in self._ledger.anomalies)
        published = Counter(message.body for message in self._anomaly_messages)
        for body in (stored - published).elements():
            self._differ("stored and not published", body)
        for body in (published - stored).elements():
            self._differ("published and not stored" if body not in stored else "published twice", body)
        for id_, count in Counter(message.headers.get("Nats-Msg-Id") for message in self._anomaly_messages).items():
            if count > 1:
                self._differ("message id twice", id_)
        foreign = {message.body for message in self._ledger.anomaly_stream.messages} - published.keys()
        for body in self._ledger.clients.subscriber.anomalies - stored.keys() - foreign:
            self._differ("received and not stored", body)

    def check_published_in_order(self, firsts: Sequence[First]) -> None:
        """Each after its snapshot was committed, those of a spacecraft in the order of the stream."""
        committed = {(f.token, text(f.row["timestamp"]), f.row["id"]): (n, f) for n, f in enumerate(firsts)}
        last: dict[str, tuple[int, int, str]] = {}
        for message in self._anomaly_messages:
            anomaly = json.loads(message.body)
            found = committed.get((anomaly["spacecraftId"], anomaly["timestamp"], anomaly["snapshotId"]))
            if found is None:
                self._differ("published of nothing stored", message.body)
                continue
            number, first = found
            if message.moment < first.row["committed"]:
                self._differ("published before it was stored", (message.sequence, message.body))
            place = first.message.sequence, number, anomaly["parameter"]
            if place < last.get(message.subject, (0, 0, "")):
                self._differ("published out of order", (message.sequence, place, last[message.subject]))
            if message.subject != f"anomalies.{first.token}":
                self._differ("published under another subject", message)
            last[message.subject] = place

    def check_position(self) -> None:
        """All of the stream is handled and nothing of it was lost."""
        position = self._ledger.position
        end = self._sources[-1][0].sequence if self._sources else 0
        if position["lost"]:
            self._differ("reported as lost", position["lost"])
        if position["sequence"] != end:
            self._differ("not all is handled", (position["sequence"], end))


def _found_letter(letter: StreamMessage) -> ExpectedLetter:
    headers = letter.headers
    message_id = headers.get("Missionops-Original-Msg-Id")
    return ExpectedLetter(headers["Missionops-Error-Code"], letter.subject, message_id, letter.body)


def _key(token: str, snapshot: Snapshot) -> Key:
    """A given id is the identity; where none was given, the content is."""
    return token, snapshot.timestamp, snapshot.id or _content(snapshot.parameters)


def _stored_key(row: asyncpg.Record) -> Key:
    is_derived = row["id"].startswith("ts_")
    return row["spacecraft_id"], row["timestamp"], _content(json.loads(row["parameters"])) if is_derived else row["id"]


def _content(parameters: Mapping[str, Any]) -> str:
    """Stands for the parameters; a whole number is answered as an integer, however it was written."""
    numbers = {
        name: int(value) for name, value in parameters.items() if isinstance(value, float) and value.is_integer()
    }
    return json.dumps({**parameters, **numbers}, sort_keys=True)
