"""Config documents: the envelope around them, the settings beside their rules, and keys that look like mistakes."""

import math
import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from itertools import islice
from typing import Any

from missionops.domain import rule_document, rule_key, timestamp
from missionops.domain.checks import limit
from missionops.domain.clock import Clock
from missionops.domain.parameter_name import MAX_NAME
from missionops.domain.rule_key import MAX_SECONDS
from missionops.errors import Detail

RESPONSE_KEYS = frozenset({"spacecraftId", "config", "status", "source", "version", "updatedAt"})
"""The keys of a response about a config; that of `config.set` also has `warnings`."""
SET_RESPONSE_KEYS = RESPONSE_KEYS | {"warnings"}

MIN_SILENT_AFTER = 60

_LIMITS = frozenset({*limit.NAMES, "states", "change", "staleAfter"})
_ALIKE = 0.7
_MOST_KEYS = 1_000
_LIMIT = re.compile(
    "(crit(ical)?|warn(ing)?|alarm|severe|watch)?(low(er)?|lo|high(er)?|hi|upper|min(imum)?|max(imum)?)"
)
"""The name of a limit, in the words of others."""


def unwrap(document: Mapping[str, Any], spacecraft_id: str) -> tuple[Mapping[str, Any], list[Detail]]:
    """The document in the envelope of a response about a config, or the given one; and the envelope's faults."""
    faults = []
    while isinstance(document.get("config"), dict) and (
        document.keys() <= RESPONSE_KEYS or document.keys() == SET_RESPONSE_KEYS
    ):
        if document.get("spacecraftId", spacecraft_id) != spacecraft_id:
            faults.append(Detail("spacecraftId", f"must be {spacecraft_id}, whose config this is to be"))
        document = document["config"]
    return document, faults


def count_limits(document: Mapping[str, Any]) -> int:
    """How many limits of a valid document check something: those of rules that are switched off do not.

    States, a change and a staleness count as one limit each.
    """
    rules: Mapping[str, Mapping[str, Any]] = document.get("parameters", {})
    in_force = [rule for rule in rules.values() if rule_document.OFF not in rule]
    return sum(len(_LIMITS & one.keys()) for rule in in_force for one in (rule, *rule.get("when", ())))


def setting_faults(document: Mapping[str, Any]) -> Iterator[Detail]:
    """What is wrong with `clock` and `silentAfter`."""
    if "silentAfter" in document and not _is_seconds(document["silentAfter"], MIN_SILENT_AFTER):
        yield Detail("silentAfter", f"must be a number of seconds from {MIN_SILENT_AFTER} to {MAX_SECONDS}")
    clock = document.get("clock", {})
    if not isinstance(clock, dict):
        yield Detail("clock", "must be an object with any of ahead, from")
        return
    for key, value in clock.items():
        if key == "ahead":
            if not _is_seconds(value, 0):
                yield Detail("clock.ahead", f"must be a number of seconds from 0 to {MAX_SECONDS}")
        elif key == "from":
            try:
                timestamp.parse(value if isinstance(value, str) else "")
            except timestamp.InvalidTimestamp as error:
                yield Detail("clock.from", str(error))
        else:
            yield Detail(f"clock.{key[:MAX_NAME]}", "is no setting of the clock; those are ahead and from")


def clock(document: Mapping[str, Any]) -> Clock:
    """The `clock` of a valid document."""
    given = document.get("clock", {})
    return Clock(
        rule_key.microseconds(given["ahead"]) if "ahead" in given else Clock().ahead,
        timestamp.to_microseconds(timestamp.parse(given["from"])) if "from" in given else None,
    )


def suspicious_keys(document: Mapping[str, Any]) -> Iterator[Detail]:
    """Top-level keys that look like rules, or like a misspelled `parameters`; beside rules only what is one exactly."""
    has_rules = bool(document.get("parameters"))
    looks_like_rule = _is_rule if has_rules else _looks_like_rule
    for key, value in islice(document.items(), _MOST_KEYS):
        path = key[:MAX_NAME]
        if key in {"parameters", "clock"} or not isinstance(value, dict | list):
            continue
        inner = value.values() if isinstance(value, dict) else value
        if not has_rules and isinstance(value, dict) and likeness(key, "parameters") >= _ALIKE:
            yield Detail(path, f"is kept and checks nothing: did you mean parameters instead of {path}?")
        elif looks_like_rule(value):
            yield Detail(path, "looks like a rule and checks nothing here: rules stand in parameters")
        elif any(
            looks_like_rule(one) or (isinstance(one, dict) and any(map(looks_like_rule, one.values()))) for one in inner
        ):
            yield Detail(path, "holds what looks like rules and checks nothing: rules stand in parameters")


def likeness(one: str, other: str) -> float:
    """How alike two names are, from 0 to 1; upper case and what is no letter or digit do not count."""
    return SequenceMatcher(None, folded(one), folded(other), autojunk=False).ratio()


def folded(name: str) -> str:
    """A name without what people get wrong first: upper case, underscores, dots."""
    return "".join(filter(str.isalnum, name.casefold())) or name


def _looks_like_rule(value: object) -> bool:
    """Whether a value is an object with a number under a name that nearly is a limit's, or with another check."""
    return _is_rule(value) or (
        isinstance(value, dict)
        and any(isinstance(inner, int | float) and _LIMIT.fullmatch(folded(key)) for key, inner in value.items())
    )


def _is_rule(value: object) -> bool:
    """Whether a value is an object with a check under its own name."""
    return isinstance(value, dict) and any(
        isinstance(inner, dict if key in {"states", "change"} else int | float)
        for key, inner in value.items()
        if key in _LIMITS
    )


def _is_seconds(value: object, least: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return least <= value <= MAX_SECONDS
