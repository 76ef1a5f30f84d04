"""What differs between two config documents, parameter by parameter and key by key."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from missionops.cli.output import terminal
from missionops.domain import number
from missionops.domain.checks.limit import NAMES
from missionops.domain.rule_document import OFF

_MOST_LINES = 40


def show(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """A line for each key that is new, gone or changed: rule by rule, then the other keys."""
    before, after = old.get("parameters", {}), new.get("parameters", {})
    changes = [("gone", f"{name}: {_rule(before[name])}") for name in before if name not in after]
    for name, rule in after.items():
        if name in before:
            changes += _key_changes(name, before[name], rule)
        else:
            changes.append(("new", f"{name}: {_rule(rule)}"))
    for key in {**old, **new}:
        if key != "parameters" and old.get(key) != new.get(key):
            changes.append(("gone" if key not in new else "changed" if key in old else "new", key))
    for change, what in changes[:_MOST_LINES]:
        terminal.result(terminal.printable(f"  {change:<8} {what}"))
    if len(changes) > _MOST_LINES:
        terminal.result(f"  … and {len(changes) - _MOST_LINES:,} more changes")


def _key_changes(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in {**before, **after}:
        if key not in after:
            yield "gone", f"{name}: {key} {_value(before[key])}"
        elif key not in before:
            yield "new", f"{name}: {key} {_value(after[key])}"
        elif after[key] != before[key]:
            yield "changed", f"{name}: {key} {_value(after[key])} (before: {_value(before[key])})"


def _rule(rule: Mapping[str, Any]) -> str:
    shown = [f"{name} {number.text(rule[name])}" for name in NAMES if name in rule] + others(rule)
    if OFF in rule:
        shown.append(f"off ({rule[OFF]})")
    return ", ".join(shown) or "no limit"


def others(rule: Mapping[str, Any]) -> list[str]:
    """The keys of a rule that are no bands, with their values as JSON."""
    return [f"{key} {_value(value)}" for key, value in rule.items() if key not in {*NAMES, OFF}]


def _value(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number.text(value)
    return msgspec.json.encode(value).decode()
