"""The audit of events, documents and configs: what was answered is kept, and what is kept was told, each once."""

import json
from collections import Counter
from typing import Any

from tests.chaos.books import Books, Held
from tests.chaos.findings import Findings
from tests.chaos.publisher import text


def compare(books: Books, findings: Findings) -> None:
    """Note every difference between the books."""
    _kept(books, findings)
    _configs(books, findings)
    _events_of(books, findings, "CONFIG_CHANGED", _changes(books))
    _events_of(books, findings, "DOCUMENT_PUBLISHED", _publications(books))
    _told(books, findings)


def _kept(books: Books, findings: Findings) -> None:
    """What was answered is there, and once; what was not may be."""
    chronicler = books.ground.chronicler
    events = Counter(row["message"] for row in books.events)
    titles = Counter(row["title"] for row in books.documents)
    for kind, notes, found in (("event", chronicler.events, events), ("document", chronicler.documents, titles)):
        for note in notes:
            if note.answer and "error" in note.answer:
                findings.differ(f"{kind} refused", (note.request, note.answer))
            if note.answer and not found[note.text]:
                findings.differ(f"{kind} lost", note.request)
            if found[note.text] > 1:
                findings.differ(f"{kind} kept twice", note.request)


def _configs(books: Books, findings: Findings) -> None:
    """Each is the one that was set, under the version that was answered."""
    for spacecraft, replies in books.replies.items():
        for reply in replies:
            row = books.configs[spacecraft].get(reply.version)
            if row is None or json.loads(row["document"]) != reply.document:
                findings.differ("config is not the one that was set", (spacecraft, reply.version))


def _changes(books: Books) -> Counter[Any]:
    return Counter((spacecraft, version) for spacecraft, versions in books.configs.items() for version in versions)


def _publications(books: Books) -> Counter[Any]:
    return Counter((row["spacecraft_id"], row["id"]) for row in books.documents)


def _events_of(books: Books, findings: Findings, kind: str, causes: Counter[Any]) -> None:
    """One event for each cause, and none without."""
    key = {"CONFIG_CHANGED": "version", "DOCUMENT_PUBLISHED": "documentId"}[kind]
    rows = [row for row in books.events if row["type"] == kind]
    events = Counter((row["spacecraft_id"], json.loads(row["metadata"])[key]) for row in rows)
    for cause in (causes - events).elements():
        findings.differ(f"no {kind}", cause)
    for cause in (events - causes).elements():
        findings.differ(f"{kind} of nothing", cause)


def _told(books: Books, findings: Findings) -> None:
    """EVENTS is the table: each once, as it is stored, after it was; and nothing else was ever heard."""
    rows = {row["id"]: row for row in books.events}
    told = Counter(json.loads(held.body)["id"] for held in books.told_events)
    for id_ in rows.keys() - told.keys():
        findings.differ("event not told", dict(rows[id_]))
    for id_ in told - Counter(set(told)):
        findings.differ("event told twice", id_)
    for held in books.told_events:
        _as_stored(held, rows.get(json.loads(held.body)["id"]), findings)
    for body in books.ground.subscriber.events:
        if json.loads(body)["id"] not in rows:
            findings.differ("event heard and not stored", body)
    if books.waiting:
        findings.differ("events left in the outbox", books.waiting)


def _as_stored(held: Held, row: Any, findings: Findings) -> None:
    if row is None:
        findings.differ("event told and not stored", held.body)
    elif json.loads(held.body) != _shape(row) or held.subject != f"events.{row['spacecraft_id'] or '_fleet'}":
        findings.differ("event is another", (held, dict(row)))
    elif held.moment < row["committed"]:
        findings.differ("event told before it was stored", (held.sequence, held.body))


def _shape(row: Any) -> dict[str, Any]:
    return {
        "id": row["id"],
        "spacecraftId": row["spacecraft_id"],
        "timestamp": text(row["timestamp"]),
        "type": row["type"],
        "severity": row["severity"],
        "message": row["message"],
        "metadata": json.loads(row["metadata"]),
    }
