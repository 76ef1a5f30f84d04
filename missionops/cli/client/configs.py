"""A spacecraft's configs: requests about them, and what a person is shown of the replies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from missionops import errors
from missionops.cli.client import files
from missionops.cli.client.pagination import Pages
from missionops.cli.client.service import Service
from missionops.cli.output import config_changes, tables, terminal
from missionops.domain import config_document, limits, number
from missionops.domain.checks.limit import NAMES
from missionops.domain.rule_document import OFF
from missionops.wire.text import utf8, why_not_json, wide_codec

T = TypeVar("T")

_COLOURS = {"watch": "cyan", "warn": "yellow", "crit": "red", "severe": "bold red"}
_ALWAYS_SHOWN = {"critLow", "warnLow", "warnHigh", "critHigh"}
_MOST_LINES = 40
"""Of warnings, and of parameters without a rule."""


class ConfigVersion(msgspec.Struct, rename="camel"):
    """One version of a config, as the service shows it."""

    spacecraft_id: str
    config: dict[str, Any]
    version: int
    source: str
    updated_at: str
    warnings: list[dict[str, str]] = []


def get(service: Service, spacecraft_id: str, version: int | None) -> bytes:
    """The service's reply about a version of a config, the one in force if none is given."""
    with _advice(spacecraft_id):
        return service.request(f"missionops.config.get.{spacecraft_id}", {"version": version})


def find(service: Service, spacecraft_id: str) -> ConfigVersion | None:
    """The config in force, if there is one."""
    try:
        return decode(get(service, spacecraft_id, None))
    except errors.NotFound:
        return None


def versions(service: Service, spacecraft_id: str, limit: int) -> Pages:
    """The versions of a spacecraft's config, newest first."""
    with _advice(spacecraft_id):
        return service.list(f"missionops.config.versions.{spacecraft_id}", {}, at_most=limit)


def check(service: Service, spacecraft_id: str) -> bytes:
    """The service's reply about what each rule does."""
    with _advice(spacecraft_id):
        return service.request(f"missionops.config.check.{spacecraft_id}")


@contextmanager
def _advice(spacecraft_id: str) -> Iterator[None]:
    """Where there is no config, say how to set one."""
    try:
        yield
    except errors.NotFound as error:
        raise errors.NotFound(f"{error}: `missionops set-config {spacecraft_id} --file PATH` sets one.") from None


def decode(reply: bytes) -> ConfigVersion:
    """A reply about one version; Unavailable if something else replied."""
    return _converted(msgspec.json.decode(reply), ConfigVersion)


def _converted(reply: Any, type_: type[T]) -> T:
    try:
        return msgspec.convert(reply, type_)
    except msgspec.ValidationError as error:
        raise errors.Unavailable(f"The reply is unexpected ({error}): is another program listening there?") from None


def read(file: Path) -> bytes:
    """The JSON in a file, as UTF-8 without a mark before it."""
    document = files.read(file)
    try:
        if codec := wide_codec(document):
            document = document.decode(codec).encode()
        document = utf8(document)
        msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise errors.InvalidRequest(f"{files.name(file)} is not JSON: {why_not_json(error)}.") from None
    return document


def is_without_limits(document: bytes, spacecraft_id: str) -> bool:
    """Whether a document would be taken and leave the spacecraft without limits; says which keys look like some."""
    decoded = msgspec.json.decode(document)
    if not isinstance(decoded, dict):
        return False  # the service refuses it
    config, _ = config_document.unwrap(decoded, spacecraft_id)
    try:
        limits.compile_rules(config)
    except errors.InvalidRequest:
        return False  # the service refuses it, too
    if config_document.count_limits(config):
        return False
    show_warnings([detail._asdict() for detail in config_document.suspicious_keys(config)], spacecraft_id)
    return True


def show_changes(before: ConfigVersion | None, document: bytes, spacecraft_id: str) -> None:
    """What a document, which the service has taken for valid, would change."""
    config, _ = config_document.unwrap(msgspec.json.decode(document), spacecraft_id)
    in_force = f"version {before.version}, which is in force" if before else "no config, as is now"
    terminal.result(f"{spacecraft_id}: changes against {in_force}")
    config_changes.show(before.config if before else {}, config)


def show(reply: Any) -> None:
    """The limits as a table, and what else the config holds."""
    found = _converted(reply, ConfigVersion)
    console = Console(highlight=False)
    since = f"{found.updated_at[:19].replace('T', ' ')} UTC"
    title = f"{found.spacecraft_id}: config version {found.version}, since {since}, source {found.source}"
    terminal.result(terminal.printable(title))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("parameter", overflow="fold")
    rules = found.config.get("parameters", {})
    shown = [name for name in NAMES if name in _ALWAYS_SHOWN or any(name in rule for rule in rules.values())]
    for name in shown:
        table.add_column(name, justify="right", style=_COLOURS[name.removesuffix("Low").removesuffix("High")])
    for name, rule in rules.items():
        values = (number.text(rule[limit]) if limit in rule else "" for limit in shown)
        table.add_row(terminal.printable(name), *values)
    console.print(table, markup=False)
    for name, rule in rules.items():
        if OFF in rule:
            terminal.result(terminal.printable(f"{name} is off: {rule[OFF]}"))
        if others := config_changes.others(rule):
            terminal.result(terminal.printable(f"{name}: {', '.join(others)}"))
    others = [key for key in found.config if key != "parameters"]
    if others:
        terminal.result(terminal.printable(f"Also in this config: {', '.join(others)} (see --json)."))


def show_set(before: ConfigVersion | None, reply: Any) -> None:
    """What is watched now, what changed against the config that was in force before, and what checks nothing."""
    after = _converted(reply, ConfigVersion)
    old = before.config if before else {}
    now, then = config_document.count_limits(after.config), config_document.count_limits(old)
    terminal.result(
        f"{after.spacecraft_id}: config version {after.version} in force: "
        f"{now:,} limit{'' if now == 1 else 's'} (before: {then:,})"
    )
    config_changes.show(old, after.config)
    show_warnings(after.warnings, after.spacecraft_id)


def show_warnings(warnings: list[dict[str, str]], spacecraft_id: str) -> None:
    """What in a config checks nothing, one line each."""
    for warning in warnings[:_MOST_LINES]:
        terminal.note(terminal.printable(f"Warning: {warning['path']} {warning['message']}"))
    if len(warnings) > _MOST_LINES:
        left = len(warnings) - _MOST_LINES
        terminal.note(f"… and {left:,} more warnings: `missionops check-config {spacecraft_id}` shows every rule.")


class _RuleCheck(msgspec.Struct, rename="camel"):
    parameter: str
    met: int
    last_value: int | float | str | bool | None
    last_timestamp: str | None
    why: str | None


class _Check(msgspec.Struct):
    rules: list[_RuleCheck]
    unruled: list[str]


def show_check(reply: Any) -> None:
    """What each rule does as a table, those that check nothing first, and the parameters without a rule."""
    found = _converted(reply, _Check)
    rows = []
    for rule in sorted(found.rules, key=lambda rule: rule.why is None):
        last = "" if rule.last_timestamp is None else tables.value_text(rule.last_value)
        seen = (rule.last_timestamp or "")[:19].replace("T", " ")
        rows.append((rule.parameter, rule.why or "works", f"{rule.met:,}", last, seen))
    tables.plain(("parameter", "check", "met", "last value", "last seen (UTC)"), rows, right=("met",))
    idle = sum(rule.why is not None for rule in found.rules)
    terminal.result(f"{idle} of {len(found.rules):,} rules check nothing." if idle else "Every rule works.")
    if found.unruled:
        shown = ", ".join(found.unruled[:_MOST_LINES])
        more = f", … and {len(found.unruled) - _MOST_LINES:,} more" if len(found.unruled) > _MOST_LINES else ""
        terminal.result(terminal.printable(f"Reported without a rule: {shown}{more}"))


def unchecked(service: Service, spacecraft_id: str) -> str | None:
    """A sentence that names the rules that check nothing, if there are any."""
    try:
        found = msgspec.json.decode(check(service, spacecraft_id), type=_Check)
    except errors.NotFound:
        return None
    idle = [f"{rule.parameter} ({rule.why})" for rule in found.rules if rule.why]
    if not idle:
        return None
    more = f", … and {len(idle) - _MOST_LINES:,} more" if len(idle) > _MOST_LINES else ""
    shown = ", ".join(idle[:_MOST_LINES])
    return f"Not checked: {shown}{more}. `missionops check-config {spacecraft_id}` shows every rule."
