"""Episodes by the contract's words alone (alarms.md 1 and 2): slow, obvious, and without a line of the product."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

LEVELS = {"LOW": 1, "MEDIUM": 2, "HIGH": 3, "CRITICAL": 4}
LIMITS = {
    "severeLow": 4, "critLow": 3, "warnLow": 2, "watchLow": 1,
    "severeHigh": 4, "critHigh": 3, "warnHigh": 2, "watchHigh": 1,
}  # fmt: skip
CHANGES = {"severe": 4, "crit": 3, "warn": 2, "watch": 1}
SECOND = 1_000_000


class Told(NamedTuple):
    """A snapshot, with the config version that judged it. Times are microseconds."""

    timestamp: int
    id: str
    values: Mapping[str, Any]
    received: int
    version: int


class Set(NamedTuple):
    """`config.set` of a version."""

    version: int
    updated_at: int


class History(NamedTuple):
    """Snapshots, the config documents by version, and when these were set."""

    told: Sequence[Told]
    documents: Mapping[int, Any]
    sets: Sequence[Set] = ()


class Found(NamedTuple):
    """The facts of an episode that promise 8 is about."""

    parameter: str
    check: str
    severity: int
    start: int
    raised_at: int
    end: int | None
    reason: str | None
    samples: int
    peak: tuple[int, Any] | None


class Item(NamedTuple):
    """What the fold meets, in order: a snapshot, or a version that was set (which has no values)."""

    time: int
    timestamp: float
    id: str
    values: Mapping[str, Any] | None
    document: Mapping[str, Any]


class Sample(NamedTuple):
    item: Item
    value: Any
    level: int
    counts_as: int
    beyond: float


def episodes(history: History) -> list[Found]:
    """All episodes, of every parameter that any document names."""
    documents = history.documents
    items = sorted(in_order(*history), key=lambda item: item[:3])
    parameters = sorted({name for document in documents.values() for name in document.get("parameters", {})})
    found: list[Found] = []
    for parameter in parameters:
        for check in ("LIMIT", "STATE", "CHANGE"):
            found += levels(items, parameter, check)
        found += stale(items, parameter)
    return sorted(found, key=repr)


def in_order(told: Sequence[Told], documents: Mapping[int, Any], sets: Sequence[Set]) -> Iterator[Item]:
    times = []
    for one in told:
        clock = documents[one.version].get("clock", {})
        is_ahead = one.timestamp > one.received + clock.get("ahead", 600) * SECOND
        cannot_be_right = is_ahead or ("from" in clock and one.timestamp < clock["from"])
        time = one.received if cannot_be_right else one.timestamp
        times.append((one.version, time))
        yield Item(time, one.timestamp, one.id, one.values, documents[one.version])
    for version, updated_at in sets:
        time = max([updated_at, *(time for judged_by, time in times if judged_by < version)])
        yield Item(time, float("inf"), "", None, documents[version])


def own_rule(document: Mapping[str, Any], parameter: str) -> dict[str, Any]:
    rule = dict(document.get("parameters", {}).get(parameter, {}))
    return {} if "off" in rule else rule


def rule_in_force(item: Item, parameter: str) -> dict[str, Any]:
    """The rule with which a snapshot is judged: the first `when` whose `if` holds, key by key in its place."""
    rule = own_rule(item.document, parameter)
    for one in rule.pop("when", []):
        if all(holds(wanted, (item.values or {}).get(name)) for name, wanted in one["if"].items()):
            merged = {**rule, **one}
            return {key: value for key, value in merged.items() if value is not None and key != "if"}
    return rule


def holds(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, dict):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and value < wanted.get("below", float("inf")) and value > wanted.get("above", -float("inf"))
    kinds = [bool if isinstance(one, bool) else str if isinstance(one, str) else float for one in (wanted, value)]
    return value is not None and kinds[0] is kinds[1] and wanted == value


def has_check(rule: Mapping[str, Any], check: str) -> bool:
    if check == "LIMIT":
        return any(name in rule for name in LIMITS)
    return {"STATE": "states", "CHANGE": "change", "STALE": "staleAfter"}[check] in rule


def ends_monitoring(item: Item, parameter: str, check: str) -> bool:
    """Whether an item is one that carries the parameter and whose version (or `when`) has not this check."""
    if item.values is None:
        rule = own_rule(item.document, parameter)
        whens = [
            {key: value for key, value in {**rule, **one}.items() if value is not None} for one in rule.get("when", [])
        ]
        return not any(has_check(one, check) for one in (rule, *whens))
    if check != "STALE" and item.values.get(parameter) is None:
        return False
    return not has_check(rule_in_force(item, parameter), check)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def judged(items: Sequence[Item], item: Item, parameter: str, check: str) -> tuple[int, float] | None:
    """Level of a sample, and how far beyond its limit it is; None where it is no sample."""
    rule = rule_in_force(item, parameter)
    value = (item.values or {}).get(parameter)
    if value is None:
        return None
    if check == "STATE":
        return None if is_number(value) and has_check(rule, "LIMIT") else (state_level(rule, value), 0)
    if not is_number(value):
        return None
    return band(rule, value) if check == "LIMIT" else change(items, item, parameter, rule["change"])


def state_level(rule: Mapping[str, Any], value: Any) -> int:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, float) and value.is_integer():
        text = str(int(value))  # as ECMAScript prints small ones
    severity = rule["states"].get(text) if text in rule["states"] else rule.get("otherwise")
    return LEVELS[severity] if severity else 0


def band(rule: Mapping[str, Any], value: float) -> tuple[int, float]:
    for name, level in LIMITS.items():
        if name in rule and name.endswith("Low") and value < rule[name]:
            return level, rule[name] - value
        if name in rule and name.endswith("High") and value > rule[name]:
            return level, value - rule[name]
    return 0, 0


def change(items: Sequence[Item], item: Item, parameter: str, rule: Mapping[str, Any]) -> tuple[int, float]:
    earlier = [
        one for one in items
        if one.time < item.time and one.values is not None and is_number(one.values.get(parameter))
    ]  # fmt: skip
    if not earlier:
        return 0, 0
    at = max(one.time for one in earlier)
    last = max((one for one in earlier if one.time == at), key=lambda one: (one.id, one.timestamp))
    if item.time - at > rule.get("within", 86_400) * SECOND:
        return 0, 0
    assert item.values
    assert last.values
    size = abs(item.values[parameter] - last.values[parameter])
    if rule["per"] == "second":
        size /= (item.time - at) / SECOND
    for name, level in CHANGES.items():
        if name in rule and size > rule[name]:
            return level, size - rule[name]
    return 0, 0


def held(rule: Mapping[str, Any], value: Any, severity: int) -> int:
    """The highest level up to `severity` whose limits the value is not inside of by the deadband."""
    by = rule.get("deadband", 0)
    return max(
        (
            level
            for name, level in LIMITS.items()
            if name in rule and level <= severity
            and not (value <= rule[name] - by if name.endswith("High") else value >= rule[name] + by)
        ),
        default=0,
    )  # fmt: skip


def run(samples: Sequence[Sample], *, of_level: int | None) -> list[Sample]:
    """The unbroken run of samples of at least that level (None: of level 0) that ends in the last one."""
    found: list[Sample] = []
    for sample in reversed(samples):
        if (sample.counts_as > 0) if of_level is None else (sample.counts_as < of_level):
            break
        found.insert(0, sample)
    return found


def lasts(samples: Sequence[Sample], wanted: Mapping[str, float]) -> bool:
    if len(samples) < wanted.get("samples", 1):
        return False
    return samples[-1].item.time - samples[0].item.time >= wanted.get("seconds", 0) * SECOND


def levels(items: Sequence[Item], parameter: str, check: str) -> Iterator[Found]:
    samples: list[Sample] = []
    severity, first, raised_at = 0, 0, 0  # `first`: where among the samples the run of level ≥ 1 begins

    def episode(end: int | None, reason: str | None) -> Found:
        inside = [sample for sample in samples[first:] if sample.level]
        peak = max(inside, key=lambda sample: (sample.level, sample.beyond))
        at = (int(peak.item.timestamp), peak.value)
        return Found(parameter, check, severity, samples[first].item.time, raised_at, end, reason, len(inside), at)

    for item in items:
        if ends_monitoring(item, parameter, check):
            if severity:
                yield episode(item.time, "unmonitored")
            samples, severity = [], 0
            continue
        if item.values is None or (found := judged(items, item, parameter, check)) is None:
            continue
        level, beyond = found
        rule = rule_in_force(item, parameter)
        value = item.values[parameter]
        counts_as = max(level, held(rule, value, severity)) if check == "LIMIT" and severity else level
        samples.append(Sample(item, value, level, counts_as, beyond))
        persistence = rule["change"] if check == "CHANGE" else rule
        reached = [
            each for each in (1, 2, 3, 4)
            if (those := run(samples, of_level=each)) and lasts(those, persistence.get("raise", {}))
        ]  # fmt: skip
        if reached and max(reached) > severity:
            if not severity:
                first, raised_at = len(samples) - len(run(samples, of_level=1)), item.time
            severity = max(reached)
        quiet = run(samples, of_level=None)
        if severity and quiet and lasts(quiet, persistence.get("clear", {})):
            yield episode(quiet[0].item.time, None)
            severity = 0
    if severity:
        yield episode(None, None)


def stale(items: Sequence[Item], parameter: str) -> Iterator[Found]:
    open_: Found | None = None
    for index, item in enumerate(items):
        if ends_monitoring(item, parameter, "STALE"):
            if open_:
                yield open_._replace(end=item.time, reason="unmonitored")
            open_ = None
            continue
        if item.values is None:
            continue
        rule = rule_in_force(item, parameter)
        if item.values.get(parameter) is not None:
            if open_:
                yield open_._replace(end=item.time)
            open_ = None
            continue
        since = counted_from(items[: index + 1], parameter)
        after = rule["staleAfter"] * SECOND
        if not open_ and item.time - since > after:
            severity = LEVELS[rule.get("staleSeverity", "MEDIUM")]
            open_ = Found(parameter, "STALE", severity, since + after, item.time, None, None, 0, None)
    if open_:
        yield open_


def counted_from(items: Sequence[Item], parameter: str) -> int:
    """The last snapshot with the parameter, or the first one after a pause, or the first one under such a rule."""
    since = items[-1].time
    snapshots = [one for one in items if one.values is not None or ends_monitoring(one, parameter, "STALE")]
    for before, item in zip([None, *snapshots[:-1]][::-1], snapshots[::-1], strict=True):
        if ends_monitoring(item, parameter, "STALE"):
            break
        since = item.time
        assert item.values is not None
        if item.values.get(parameter) is not None:
            break
        after = rule_in_force(item, parameter)["staleAfter"] * SECOND
        if before and item.time - before.time > after:
            break
    return since
