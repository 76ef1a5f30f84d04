"""Tables for people."""

import base64
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from missionops.cli.output import terminal

SEVERITIES = {"LOW": "cyan", "MEDIUM": "yellow", "HIGH": "red", "CRITICAL": "bold red"}
SEVERITY_ORDER = (*SEVERITIES,)
STATES = {
    "NOMINAL": "green", "WARNING": "yellow", "CRITICAL": "bold red",
    "ACTIVE": "green", "SILENT": "yellow", "NOT_CONFIGURED": "yellow", "PARTIAL": "yellow",
}  # fmt: skip
_MEANINGS = {
    "SILENT": "nothing was received for long",
    "NOT_CONFIGURED": "no limit is for a parameter that it reported: nothing is checked",
    "PARTIAL": "some limits check nothing: see `missionops check-config {}`",
}
_SECONDS_ARE_PLAIN = 120
"""From so many seconds on a length of time is easier to grasp in a greater unit."""
SNIPPET = 100
LEAST = 16
"""The width that a folded column keeps before the others are folded, too."""
LEAST_BESIDE_NUMBERS = 8
PADDING = 3

Item = Mapping[str, Any]


def telemetry(snapshots: Iterable[Item]) -> None:
    """Snapshots with their parameters."""
    table = new_table("time (UTC)", "parameters")
    for snapshot in snapshots:
        parameters = Text()
        for name, value in snapshot["parameters"].items():
            parameters.append(f"{terminal.printable(name)}=", "dim")
            parameters.append(f"{terminal.printable(value_text(value))}  ")
        parameters.rstrip()
        table.add_row(moment(snapshot["timestamp"]), parameters)
    print_table(table)


def anomalies(found: Iterable[Item], *, with_spacecraft: bool = False) -> None:
    """Anomalies with the limits that they break."""
    spacecraft = ["spacecraft"] if with_spacecraft else []
    table = new_table("time (UTC)", *spacecraft, "severity", "parameter", "value", "limit", right=("value", "limit"))
    for anomaly in found:
        limit = anomaly["limit"]
        table.add_row(
            moment(anomaly["timestamp"]),
            *([text_of(anomaly["spacecraftId"])] if with_spacecraft else []),
            severity(anomaly["severity"]),
            text_of(anomaly["parameter"]),
            text_of(terminal.plain_value(anomaly["value"])),
            text_of(f"{limit['name']} {terminal.plain_value(limit['value'])}"),
        )
    print_table(table)


def events(found: Iterable[Item], *, with_spacecraft: bool = False) -> None:
    """Mission events."""
    table = new_table("time (UTC)", *(["spacecraft"] if with_spacecraft else []), "type", "severity", "message")
    for event in found:
        message = text_of(event["message"])
        if event.get("metadata"):
            details = msgspec.json.format(msgspec.json.encode(event["metadata"]), indent=0).decode()
            message.append("\n").append(terminal.printable(_short(details)), "dim")
        table.add_row(
            moment(event["timestamp"])[:19],
            *([text_of(event["spacecraftId"] or "")] if with_spacecraft else []),
            text_of(event["type"]),
            severity(event["severity"]),
            message,
        )
    print_table(table)


def documents(found: Iterable[Item]) -> None:
    """Documents, best match first, with how each begins."""
    table = new_table("document", "about", "title and beginning")
    for document in found:
        body = " ".join(document["body"].split())
        title = Text.assemble((terminal.printable(document["title"]), "bold"), "\n", terminal.printable(_short(body)))
        about = f"{document['spacecraftId'] or 'all'}\n{document['category']}"
        table.add_row(text_of(document["id"]), Text("\n").join(map(text_of, about.split("\n"))), title)
    print_table(table)


def document(found: Item) -> None:
    """One document; its lines are broken between words, and not at all where the output is no terminal."""
    console = Console(highlight=False)
    about = ", ".join([found["spacecraftId"] or "all", found["category"], *found["tags"]])
    for line in (found["title"], about, "", *found["body"].splitlines()):
        style = "bold" if line is found["title"] else ""
        console.print(Text(terminal.printable(line.expandtabs()), style), soft_wrap=not console.is_terminal)


def spacecraft(found: Iterable[Item]) -> None:
    """Registered spacecraft."""
    table = new_table("spacecraft", "name", "mission", "config", "registered (UTC)")
    for item in found:
        config = f"version {item['version']}" if item["version"] is not None else "none"
        table.add_row(
            text_of(item["spacecraftId"]),
            text_of(item["name"] or ""),
            text_of(item["missionType"] or ""),
            text_of(config),
            moment(item["createdAt"])[:19],
        )
    print_table(table)


def registration(item: Item) -> None:
    """The registration of one spacecraft."""
    config = f"version {item['version']}, source {item['source']}" if item["version"] is not None else "none"
    rows = {
        "spacecraft": item["spacecraftId"],
        "name": item["name"] or "none",
        "mission": item["missionType"] or "none",
        "config": config,
        "registered": f"{moment(item['createdAt'])[:19]} UTC",
        "last changed": f"{moment(item['updatedAt'])[:19]} UTC",
    }
    named({name: text_of(value) for name, value in rows.items()})


def health(found: Item) -> None:
    """The health of the service."""
    ingest = found["ingest"]
    colour = "green" if found["status"] == "ready" else "red"
    lag = "unknown here" if ingest["lag"] is None else f"{ingest['lag']:,} messages"
    alarms = ingest["alarms"]
    if alarms is None:
        finding = "unknown here"
    else:
        waiting = f", {alarms['waitingSpans']:,} spans of telemetry wait" if alarms["waitingSpans"] else ""
        finding = f"{alarms['state']}{waiting}"
    rows = {
        "status": Text(found["status"], colour),
        "version": text_of(found["version"]),
        "NATS": Text(found["nats"], "green" if found["nats"] == "up" else "red"),
        "database": Text(found["database"], "green" if found["database"] == "up" else "red"),
        "role": text_of(ingest["role"]),
        "not handled yet": text_of(lag),
        "stored": text_of(f"{ingest['stored']:,} snapshots, {ingest['duplicates']:,} duplicates"),
        "alarms": text_of(finding),
        "anomalies": text_of(_counts(ingest["anomalies"])),
        "dead letters": text_of(_counts(ingest["deadLetters"])),
        "lost": Text(f"{ingest['lost']:,} messages", "red" if ingest["lost"] else ""),
    }
    if dropped := {name: stream["dropped"] for name, stream in found["streams"].items() if stream["dropped"]}:
        rows["dropped for size"] = Text(_counts(dropped), "yellow")
    notifications = found.get("notifications")
    if notifications is None:
        rows["notifications"] = text_of("none: no notify file is set")
    else:
        sent = ", ".join(f"{target['sent']:,} to {name}" for name, target in notifications["targets"].items())
        rows["notifications"] = text_of(f"sent: {sent}; {notifications['behind']:,} changes of alarms wait")
    if ingest["trouble"]:
        rows["trouble"] = Text(terminal.printable(ingest["trouble"]), "red")
    if found["warnings"]:
        rows["warnings"] = Text(terminal.printable(" ".join(found["warnings"])), "yellow")
    named(rows)


def fleet(found: Item) -> None:
    """All spacecraft, the worst first."""
    table = new_table(
        "spacecraft",
        "name",
        "state",
        "alarms",
        "last received (UTC)",
        "in 1 h",
        "in 24 h",
        right=("alarms", "in 1 h", "in 24 h"),
    )
    for item in found["items"]:
        received = item["lastReceivedAt"]
        table.add_row(
            text_of(item["spacecraftId"]),
            text_of(item["name"] or ""),
            Text(item["state"], STATES.get(item["state"], "")),
            f"{sum(item['alarms']['active'].values()):,}",
            text_of(moment(received)[:19] if received else "never"),
            f"{item['anomalies']['last1h']:,}",
            f"{item['anomalies']['last24h']:,}",
        )
    print_table(table)


def status(found: Item) -> None:
    """The status of one spacecraft."""
    counts = found["anomalies"]
    last = found["lastTelemetryTimestamp"]
    overall, monitoring, highest = found["overallStatus"], found["monitoring"], found["highestSeverityLast24h"]
    numbers = f"{counts['last1h']:,} in 1 h, {counts['last6h']:,} in 6 h, {counts['last24h']:,} in 24 h"
    meaning = _MEANINGS.get(monitoring, "").format(terminal.printable(found["spacecraftId"]))
    received_at, offset = found["lastReceivedAt"], found["clockOffset"]
    if received_at is None or offset is None:
        received = "nothing"
    else:
        order = "after" if offset >= 0 else "before"
        apart = f"{abs(offset):,.1f} s" if abs(offset) < _SECONDS_ARE_PLAIN else duration(abs(offset))
        received = f"{moment(received_at)} UTC, {apart} {order} its timestamp"
    rows = {
        "spacecraft": text_of(found["spacecraftId"]),
        "status": Text(overall, STATES.get(overall, "")),
        "monitoring": Text(monitoring, STATES.get(monitoring, "")).append(f" {meaning}" if meaning else "", "default"),
        "last telemetry": text_of(f"{moment(last)} UTC" if last else "none"),
        "last received": text_of(received),
        "anomalies": text_of(numbers),
        "alarms": text_of(standing_alarms(found["alarms"])),
        "highest severity": severity(highest) if counts["last24h"] else Text("none in 24 h"),
    }
    named(rows)


def standing_alarms(found: Item) -> str:
    """How many alarms stand, in words."""
    by_severity = [f"{count:,} {name}" for name, count in reversed(found["active"].items()) if count]
    active = f"{', '.join(by_severity)} active" if by_severity else "none active"
    shelved = f", {found['shelved']:,} shelved" if found["shelved"] else ""
    return f"{active}, {found['unacknowledged']:,} to acknowledge{shelved}"


def letters(found: Iterable[Item]) -> None:
    """Dead letters with their reasons."""
    table = new_table("letter", "time (UTC)", "spacecraft", "code", "reason", "bytes", right=("letter", "bytes"))
    for letter in found:
        item = "" if letter["item"] is None else f"item {letter['item']}: "
        table.add_row(
            str(letter["sequence"]),
            moment(letter["at"])[:19],
            text_of(letter["subject"].rpartition(".")[2]),
            Text(terminal.printable(letter["code"] or ""), "yellow"),
            text_of(f"{item}{letter['error'] or ''}"),
            f"{letter['size']:,}",
        )
    print_table(table)


def letter(found: Item) -> None:
    """One dead letter with its headers and its body: MessagePack as JSON, other bytes as Python writes them."""
    spacecraft_id = found["subject"].rpartition(".")[2]
    terminal.result(terminal.printable(f"Letter {found['sequence']} of {spacecraft_id}, {moment(found['at'])} UTC"))
    for name, value in found["headers"].items():
        terminal.result(terminal.printable(f"{name}: {value}"))
    text = found["body"]
    if text is None:
        body = base64.b64decode(found["bodyBase64"])
        try:
            text = f"(MessagePack) {msgspec.json.encode(msgspec.msgpack.decode(body)).decode()}"
        except (msgspec.DecodeError, RecursionError, TypeError, ValueError):
            text = repr(body)[2:-1]
    terminal.result("")
    for line in text.split("\n"):
        terminal.result(terminal.printable(line))
    if found["isCut"]:
        terminal.note(f"This is only the beginning of {found['size']:,} bytes: GET /dead-letters/{found['sequence']} "
                      "over HTTP returns all of them.")  # fmt: skip


def plain(columns: Iterable[str], rows: Iterable[Iterable[str]], right: Iterable[str] = ()) -> None:
    """Any other table of texts."""
    table = new_table(*columns, right=right)
    for row in rows:
        table.add_row(*map(text_of, row))
    print_table(table)


def new_table(*columns: str, right: Iterable[str] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in columns:
        # Only columns that may be long are folded.
        is_long = column in {"parameters", "message", "title and beginning", "alarm", "reason", "symptom", "parameter"}
        table.add_column(column, justify="right" if column in right else "left", overflow="fold", no_wrap=not is_long)
    return table


def named(rows: Mapping[str, Text]) -> None:
    """Print values, each with its name before it."""
    table = Table(box=box.SIMPLE, show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    print_table(table)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "none"


def print_table(table: Table) -> None:
    console = Console(highlight=False)
    fit(table, console)
    console.print(table, markup=False)


def fit(table: Table, console: Console) -> None:
    """Make a table fit: where the terminal is too narrow all columns are folded, between words if that is enough."""
    widths, words, least_widths = [], [], []
    for column in table.columns:
        cells = [str(cell) for cell in (column.header, *column.cells)]
        widths.append(max(cell_len(line) for cell in cells for line in cell.split("\n")))
        words.append(max((cell_len(word) for cell in cells for word in cell.split()), default=0))
        least_widths.append(widths[-1] if column.no_wrap else min(widths[-1], LEAST))
    room = console.width - PADDING * len(table.columns)
    if sum(least_widths) <= room:
        return
    for column in table.columns:
        column.no_wrap = False
    if sum(words) <= room:
        room -= sum(words)
        for column, word, width in zip(table.columns, words, widths, strict=True):
            column.width = min(word + room, width)
            room -= column.width - word
        return
    # Columns of numbers get the width of their longest number, if that leaves the others something.
    numbers = [column for column in table.columns if column.justify == "right"]
    longest = [
        max((cell_len(word) for cell in column.cells for word in str(cell).split()), default=0)  # all may be empty
        for column in numbers
    ]
    others = len(table.columns) - len(numbers)
    if sum(longest) + LEAST_BESIDE_NUMBERS * others <= room:
        for column, length in zip(numbers, longest, strict=True):
            column.min_width = length


def text_of(text: str) -> Text:
    return Text(terminal.printable(text))


def severity(severity: str) -> Text:
    return Text(terminal.printable(severity), SEVERITIES.get(severity, ""))


def _short(text: str) -> str:
    """The beginning of a long text, to its last whole word; all of it where the output is no terminal."""
    if len(text) <= SNIPPET or not sys.stdout.isatty():
        return text
    return f"{text[:SNIPPET].rpartition(' ')[0] or text[:SNIPPET]} …"


def value_text(value: object) -> str:
    """A value as it was received: a text in quotes, so that it is not taken for a number."""
    return msgspec.json.encode(value).decode() if isinstance(value, str) else terminal.plain_value(value)


def duration(seconds: float) -> str:
    """A length of time, in the greatest unit of which it has two."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} s" if abs(seconds) >= 10 or seconds == int(seconds) else f"{seconds:.2g} s"  # noqa: PLR2004


def moment(timestamp: str) -> str:
    return terminal.printable(timestamp).replace("T", " ").removesuffix("Z")
