"""Histories drawn from a seed: rules of every kind, and telemetry that meets them in every way."""

from collections.abc import Sequence
from random import Random
from typing import Any

from missionops.domain import limits
from missionops.errors import InvalidRequest
from tests.unit.domain.episodes.reference import SECOND, History, Set, Told

SEVERITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
VALUES = (None, 0, 3, 5, 6, 6, 7, 8, 9, 9.5, -4, 2**63, 2**63 + 1, "SAFE", "RUN", True, False, 6.0)
BANDS = ("severeLow", "critLow", "warnLow", "watchLow", "watchHigh", "warnHigh", "critHigh", "severeHigh")


def _some(random: Random, keys: dict[str, Sequence[Any]]) -> dict[str, Any]:
    return {key: random.choice(values) for key, values in keys.items() if random.random() < 0.5}


def _persistence(random: Random) -> dict[str, Any]:
    return _some(random, {"samples": (1, 2, 3, 4), "seconds": (0, 1, 2.5, 6)})


def _severity(random: Random) -> str | None:
    return random.choice((*SEVERITIES, None))


def _check_keys(random: Random) -> dict[str, Any]:
    rule: dict[str, Any] = {}
    if random.random() < 0.7:
        names = [name for name in BANDS if random.random() < 0.5]
        limits = sorted(random.choices((-3, 0, 4, 5, 5.5, 7, 8), k=len(names)))
        rule |= dict(zip(names, limits, strict=True)) | _some(random, {"deadband": (0, 0.5, 1, 2)})
    if random.random() < 0.5:
        rule["states"] = {state: _severity(random) for state in random.sample(("SAFE", "true", "6", "9.5"), 2)}
        rule |= _some(random, {"otherwise": (*SEVERITIES, None)})
    if random.random() < 0.5:
        limits = sorted(random.choices((0.5, 1, 2, 3, 5), k=random.randint(1, 4)))
        rule["change"] = {
            "per": random.choice(("second", "sample")),
            **dict(zip(("watch", "warn", "crit", "severe"), limits, strict=False)),
            **_some(random, {"within": (1, 2, 8), "raise": (_persistence(random),), "clear": (_persistence(random),)}),
        }
    if random.random() < 0.5:
        rule["staleAfter"] = random.choice((0.5, 2, 4, 7))
        rule |= _some(random, {"staleSeverity": SEVERITIES})
    return rule | _some(random, {"raise": (_persistence(random),), "clear": (_persistence(random),)})


def document(random: Random) -> dict[str, Any]:
    """A valid document with a rule for `p`, perhaps with a `when` that asks for `q`."""
    for _ in range(20):
        rule = _check_keys(random)
        for _ in range(random.choice((0, 0, 0, 1, 2))):
            context = random.choice(({"q": "RUN"}, {"q": {"above": 5}}, {"q": True}, {"q": 6, "p": 6}))
            keys = ("staleAfter", "change", "states", "otherwise")
            removed = dict.fromkeys(random.sample(keys, random.randint(0, 2)))
            rule.setdefault("when", []).append({"if": context, **_check_keys(random), **removed})
        if random.random() < 0.05:
            rule["off"] = "for now"
        found = {"parameters": {"p": rule}, "clock": _some(random, {"ahead": (0, 3, 600)})}
        try:
            limits.compile_rules(found)
        except InvalidRequest:
            continue
        return found
    return {"parameters": {}}


def history(random: Random, size: int) -> History:
    """So many snapshots at most; some have one time, some a clock that cannot be right."""
    documents = {number: document(random) for number in range(1, 1 + random.choice((1, 1, 2, 3)))}
    told: dict[tuple[int, str], Told] = {}
    time, version = 0, 1
    values_of_p = random.choice((VALUES, (5, 6, 7), (None, 5, 9), ("SAFE", "RUN", 6)))
    for _ in range(size):
        time += random.choice((0, 1, 1, 1, 2, 3, 9))
        timestamp = time + random.choice([0] * 12 + [5, -5, 2000])
        version = min(version + (random.random() < 0.1), len(documents))
        values = {}
        if random.random() < 0.8:
            values["p"] = random.choice(values_of_p)
        if random.random() < 0.8:
            values["q"] = random.choice(VALUES)
        one = Told(timestamp * SECOND, random.choice("abc"), values, time * SECOND, version)
        told.setdefault((one.timestamp, one.id), one)
    sets = [Set(number, random.randint(0, 60) * SECOND) for number in documents if number > 1]
    return History(list(told.values()), documents, sets)
