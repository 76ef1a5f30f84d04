"""The audit of events, documents and configs: what was confirmed is stored, what is stored is published, each once."""

import json
from collections import Counter
from typing import Any

import asyncpg

from tests.resilience.ledger import Ledger, StreamMessage
from tests.resilience.publisher import text
from tests.resilience.report import Report

_CAUSED = {"CONFIG_CHANGED": "version", "DOCUMENT_PUBLISHED": "documentId"}
"""Event types that follow from something else, and what in their metadata names it."""


def compare(ledger: Ledger, report: Report) -> None:
    """Report every difference between the records."""
    _check_requests(ledger, report)
    _check_configs(ledger, report)
    changes = Counter((spacecraft, version) for spacecraft, rows in ledger.configs.items() for version in rows)
    publications = Counter((row["spacecraft_id"], row["id"]) for row in ledger.documents)
    _check_caused_events(ledger, report, "CONFIG_CHANGED", changes)
    _check_caused_events(ledger, report, "DOCUMENT_PUBLISHED", publications)
    _check_published(ledger, report)


def _check_requests(ledger: Ledger, report: Report) -> None:
    """What was confirmed is stored, and once; what was not may be; and nothing is stored that nobody requested."""
    client = ledger.clients.events
    events = Counter(row["message"] for row in ledger.events if row["type"] not in _CAUSED)
    titles = Counter(row["title"] for row in ledger.documents)
    for kind, requests, found in (("event", client.events, events), ("document", client.documents, titles)):
        for request in requests:
            if request.response and "error" in request.response:
                report.differ(f"{kind} refused", (request.body, request.response))
            if request.response and not found[request.text]:
                report.differ(f"{kind} lost", request.body)
            if found[request.text] > 1:
                report.differ(f"{kind} stored twice", request.body)
        for stored in found.keys() - {request.text for request in requests}:
            report.differ(f"{kind} that nobody requested", stored)


def _check_configs(ledger: Ledger, report: Report) -> None:
    """Each confirmed one is stored under its version, and every stored one was sent by a client."""
    clients = ledger.clients
    for spacecraft, confirmed in ledger.confirmed.items():
        for one in confirmed:
            row = ledger.configs[spacecraft].get(one.version)
            if row is None or json.loads(row["document"]) != one.document:
                report.differ("config is not the one that was set", (spacecraft, one.version))
    sent = {
        (spacecraft, _canonical(document))
        for configs in (clients.configs, clients.hostile.configs)
        for spacecraft, documents in configs.sent.items()
        for document in documents
    }
    for spacecraft, versions in ledger.configs.items():
        for version, row in versions.items():
            if (spacecraft, _canonical(json.loads(row["document"]))) not in sent:
                report.differ("config that nobody set", (spacecraft, version, row["document"][:200]))


def _canonical(document: Any) -> str:
    return json.dumps(document, sort_keys=True)


def _check_caused_events(ledger: Ledger, report: Report, kind: str, causes: Counter[tuple[str, Any]]) -> None:
    """One event for each cause, and none without."""
    rows = [row for row in ledger.events if row["type"] == kind]
    events = Counter((row["spacecraft_id"], json.loads(row["metadata"])[_CAUSED[kind]]) for row in rows)
    for cause in (causes - events).elements():
        report.differ(f"no {kind}", cause)
    for cause in (events - causes).elements():
        report.differ(f"{kind} of nothing", cause)


def _check_published(ledger: Ledger, report: Report) -> None:
    """EVENTS is the table: each once, as it is stored, after it was; and a subscriber received nothing else."""
    rows = {row["id"]: row for row in ledger.events}
    messages = [message for message in ledger.event_stream.messages if not ledger.is_foreign(message)]
    foreign = {message.body for message in ledger.event_stream.messages if ledger.is_foreign(message)}
    published = Counter(json.loads(message.body).get("id") for message in messages)
    for id_ in rows.keys() - published.keys():
        report.differ("event not published", dict(rows[id_]))
    for id_, count in published.items():
        if count > 1:
            report.differ("event published twice", id_)
    for message in messages:
        _check_message(message, rows.get(json.loads(message.body).get("id")), report)
    for body in ledger.clients.subscriber.events - foreign:
        if json.loads(body).get("id") not in rows:
            report.differ("event received and not stored", body)
    if ledger.waiting_events:
        report.differ("events left in the outbox", ledger.waiting_events)


def _check_message(message: StreamMessage, row: asyncpg.Record | None, report: Report) -> None:
    if row is None:
        report.differ("event published and not stored", message.body)
    elif json.loads(message.body) != _shape(row) or message.subject != f"events.{row['spacecraft_id'] or '_fleet'}":
        report.differ("event is another", (message, dict(row)))
    elif message.moment < row["committed"]:
        report.differ("event published before it was stored", (message.sequence, message.body))


def _shape(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "id": row["id"],
        "spacecraftId": row["spacecraft_id"],
        "timestamp": text(row["timestamp"]),
        "type": row["type"],
        "severity": row["severity"],
        "message": row["message"],
        "metadata": json.loads(row["metadata"]),
    }
