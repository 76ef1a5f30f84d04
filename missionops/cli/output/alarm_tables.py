"""Alarms for people: lists, one alarm, what was acknowledged, shelves, and figures."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.text import Text

from missionops.cli.output import tables, terminal
from missionops.cli.output.tables import moment, severity, text_of

Item = Mapping[str, Any]

_SHOWN_ID = 11
"""Characters of an id in a table; commands take its beginning."""
_STATES = {
    "ACTIVE_UNACKNOWLEDGED": ("ACTIVE", "bold red"),
    "ACTIVE_ACKNOWLEDGED": ("ACKNOWLEDGED", "yellow"),
    "RETURNED_UNACKNOWLEDGED": ("RETURNED", "cyan"),
    "CLOSED": ("CLOSED", "green"),
    "RETRACTED": ("RETRACTED", "dim"),
}
_MEANINGS = {
    "ACTIVE_UNACKNOWLEDGED": "is active, and nobody has acknowledged it",
    "ACTIVE_ACKNOWLEDGED": "is active, and somebody has acknowledged it",
    "RETURNED_UNACKNOWLEDGED": "is over, and waits to be acknowledged",
    "CLOSED": "is over, and waits for nobody",
    "RETRACTED": "was none: later telemetry has shown that",
}


def alarms(found: Iterable[Item], *, with_spacecraft: bool = False) -> None:
    """Alarms, two lines or more for each: how bad, since when, and what it is about."""
    table = tables.new_table("severity", "spacecraft" if with_spacecraft else "since (UTC)", "alarm")
    for one in found:
        since = text_of(moment(one["start"])[:19])
        if with_spacecraft:
            since = text_of(one["spacecraftId"]).append("\n").append(since)
        table.add_row(severity(one["severity"]).append("\n").append(_state(one["state"])), since, _about(one))
    tables.print_table(table)


def _state(state: str) -> Text:
    return Text(*_STATES.get(state, (terminal.printable(state), "")))


def _about(one: Item) -> Text:
    """What an alarm says; below it its id, and what else one has to know."""
    about = text_of(one["description"])
    unit = f" {one['unit']}" if one["unit"] else ""
    if one["last"] and one["state"].startswith("ACTIVE"):
        about.append(terminal.printable(f", now {tables.value_text(one['last']['value'])}{unit}"))
    notes = [one["id"][:_SHOWN_ID]]
    if one["end"]:
        notes.append(f"until {moment(one['end'])[:19]}")
    if one["acknowledged"]:
        notes.append(f"acknowledged by {one['acknowledged']['by']}")
    if one["shelved"]:
        notes.append(f"shelved until {moment(one['shelved']['until'])[:16]}")
    if one["masked"]:
        notes.append("masked by another alarm")
    if one["comments"]:
        notes.append(f"comment: {one['comments'][-1]['comment'][: tables.SNIPPET]}")
    if one.get("earlier"):
        notes.append(f"{one['earlier']:,} earlier wait")
    return about.append("\n").append(terminal.printable(", ".join(notes)), "dim")


def standing(found: Item, *, are_some: bool = False) -> None:
    """What stands now, and how much of it there is; `are_some`: the alarms are those that were asked for alone."""
    if found["items"]:
        alarms(found["items"], with_spacecraft=True)
    counts, shown, total = found["counts"], len(found["items"]), found["total"]
    waiting = sum(counts["unacknowledged"].values())
    if shown < total:
        terminal.note(f"These are the first {shown:,} of {total:,}: --limit shows more.")
    terminal.note(f"{'In all: ' if are_some else ''}{tables.standing_alarms(counts | {'unacknowledged': waiting})}.")


def alarm(found: Item) -> None:
    """One alarm with all that happened to it."""
    rows = {
        "alarm": text_of(found["id"]),
        "spacecraft": text_of(found["spacecraftId"]),
        "what": text_of(found["description"]),
        "severity": severity(found["severity"]),
        "state": _state(found["state"]).append(f" {_MEANINGS.get(found['state'], '')}", "default"),
        "since": text_of(f"{moment(found['start'])} UTC, found {moment(found['foundAt'])[:19]}"),
    }
    if found["end"]:
        rows["until"] = text_of(f"{moment(found['end'])} UTC{', as it is unmonitored' if found['reason'] else ''}")
    unit = f" {found['unit']}" if found["unit"] else ""
    for name in ("first", "peak", "last"):
        if sample := found[name]:
            rows[name] = text_of(f"{tables.value_text(sample['value'])}{unit} at {moment(sample['timestamp'])}")
    rows["samples"] = text_of(f"{found['samples']:,} beyond the limit, config version {found['configVersion']}")
    if found["mergedInto"]:
        rows["goes on as"] = text_of(found["mergedInto"])
    if shelf := found["shelved"]:
        rows["shelved"] = text_of(f"until {moment(shelf['until'])} by {shelf['by']}: {shelf['reason']}")
    if found["masked"]:
        rows["masked"] = text_of("by another alarm: nobody is notified")
    if found["subsystem"]:
        rows["subsystem"] = text_of(found["subsystem"])
    if found["guidance"]:
        rows["guidance"] = text_of(found["guidance"])
    if found["documents"]:
        titles = [f"{one['id']}: {one['title'] or 'no document that you may see'}" for one in found["documents"]]
        rows["documents"] = Text("\n").join(map(text_of, titles))
    tables.named(rows)
    happened = [
        (moment(one["at"])[:19], one["transition"], one["by"] or "the service", one["comment"] or "")
        for one in found["history"]
    ]
    tables.plain(("time (UTC)", "transition", "by", "message"), happened)


def acknowledged(found: Item) -> None:
    """What became of each alarm that was to be acknowledged."""
    for one in found["alarms"]:
        by = one["acknowledged"]["by"]
        line = f"{one['id'][:_SHOWN_ID]} acknowledged by {by}: {one['description']}, {_STATES[one['state']][0]}"
        terminal.result(terminal.printable(line))
    for one in found["refused"]:
        terminal.note(terminal.printable(f"{one['id'][:_SHOWN_ID]} not acknowledged: {one['message']}"))


def shelves(found: Iterable[Item]) -> None:
    """What is put aside."""
    table = tables.new_table("shelved", "until (UTC)", "by", "hides", "reason", right=("hides",))
    for one in found:
        row = covered(one), moment(one["until"])[:19], one["by"], f"{one['hiding']:,}"
        table.add_row(*map(text_of, row), text_of(one["reason"]))
    tables.print_table(table)


def covered(shelf: Item) -> str:
    """What a shelf covers, in words."""
    whole = "all of it" if "parameter" not in shelf and not shelf["check"] else None
    parts = (shelf["spacecraftId"], shelf.get("parameter"), shelf["check"], whole)
    return terminal.printable(" ".join(part for part in parts if part))


def statistics(found: Item) -> None:
    """Figures about the alarms of a time."""
    by_severity = ", ".join(f"{count:,} {name}" for name, count in reversed(found["bySeverity"].items()) if count)
    busiest, seconds = found["busiest10Minutes"], found["secondsToAcknowledge"]
    until = f", until {moment(busiest['until'])[:19]} UTC" if busiest["until"] else ""
    mean = "" if seconds is None else f", after {tables.duration(seconds)} on average"
    rows = {
        "from": f"{moment(found['from'])} UTC",
        "to": f"{moment(found['to'])} UTC",
        "alarms": f"{found['alarms']:,}{': ' if by_severity else ''}{by_severity}",
        "most in 10 minutes": f"{busiest['count']:,}{until}",
        "acknowledged": f"{found['acknowledged']:,}{mean}",
        "standing over 24 h": f"{found['standingLong']:,}",
    }
    tables.named({name: text_of(value) for name, value in rows.items()})
    for title, column, checks in (
        ("most frequent", "alarms", found["mostFrequent"]), ("chattering", "within 60 s", found["chattering"]),
    ):  # fmt: skip
        cells = [(one["spacecraftId"], one["parameter"] or "", one["check"], f"{one['count']:,}") for one in checks]
        if cells:
            tables.plain((title, "parameter", "check", column), cells, right=(column,))
