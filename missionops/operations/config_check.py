"""What the rules of a config do: which of them judge telemetry, and why the others do not."""

import asyncio
import difflib
import time
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from missionops.domain import config_document
from missionops.domain.access import Role
from missionops.domain.limits import Rules
from missionops.domain.rule import Rule
from missionops.domain.rule_coverage import COUNTED, RuleCoverage, RuleUse, Why
from missionops.domain.timestamp import Timestamp
from missionops.errors import Detail, NotFound
from missionops.ingest.limits_cache import CompiledConfig
from missionops.operations.config_document import ValidConfig
from missionops.operations.operation import Context, EmptyRequest, Operation, Request, Response, Route
from missionops.store import parameter_sets, telemetry
from missionops.store.database import Connection, Database
from missionops.store.parameter_sets import ParameterNames

_LATELY = timedelta(hours=24)
_MOST_SNAPSHOTS = 20_000
"""Snapshots that are looked through for a parameter that is not among the newest."""
_SEARCH_PAUSE = 60.0
"""Seconds after such a search before a status makes another one: it takes up to half a second."""
_MOST_VALUES = 2_000_000
"""Of parameters that are looked through: with snapshots of more than 2,000, fewer than 1,000 are."""
_WARNING_SECONDS = 2.0
"""What the comparison of a new config with stored telemetry may take."""
_NEAREST_SECONDS = 0.3
"""What the search for similar names may take; it begins no other name after that."""
_MOST_COMPARED = 64
"""Characters of a name that are compared with others."""


class RuleCheck(msgspec.Struct, rename="camel"):
    """What one rule does."""

    parameter: str
    met: int
    """How many of the newest 1,000 snapshots it judged."""
    last_value: int | float | str | bool | None
    last_timestamp: Timestamp | None
    why: Why | None
    """Why it does not work; null where it does."""


class ConfigCheckResponse(msgspec.Struct):
    """What each rule of the config in force does, and which reported parameters have no rule."""

    rules: list[RuleCheck]
    unruled: list[str]


async def check(context: Context, request: Request) -> Response:
    """What each rule of the config in force does, and which reported parameters have no rule."""
    config = await context.limits.current(context.database, request.spacecraft_id)
    if config is None:
        raise NotFound("Config not found")
    rules = config.rules
    async with context.database.transaction() as connection:
        reported = set(await parameter_sets.reported_names(connection, request.spacecraft_id))
        coverage = await _coverage(connection, context.parameter_names, request.spacecraft_id, rules, reported)
    ruled = rules.keys() | rules.off
    checks = []
    for name in sorted(ruled):
        use = coverage.uses.get(name) or RuleUse()
        met, why = (0, "off") if name in rules.off else (use.met, coverage.why_not(name, reported))
        checks.append(RuleCheck(name, met, use.last_value, use.last_timestamp, why))
    return Response(msgspec.json.encode(ConfigCheckResponse(checks, sorted(reported - ruled))))


async def all_rules_work(
    connection: Connection,
    names: ParameterNames,
    spacecraft_id: str,
    config: CompiledConfig,
    reported: AbstractSet[str],
) -> bool:
    """Whether `check` finds that every rule works; the newest snapshots are mostly enough to know."""
    rules, now = config.rules, asyncio.get_running_loop().time()
    if rules.off or not rules.keys() <= reported:
        return False
    searches = now > config.searched_at + _SEARCH_PAUSE
    most = _MOST_SNAPSHOTS if searches else COUNTED
    coverage = await _coverage(connection, names, spacecraft_id, rules, reported, most=most, is_enough_if_all_work=True)
    if coverage.snapshots > COUNTED:
        config.searched_at = now
    if not all(coverage.works(name) for name in rules):
        return False
    config.works_until = min(use.last_judged + _LATELY for use in coverage.uses.values() if use.last_judged)
    return True


async def warnings(database: Database, names: ParameterNames, spacecraft_id: str, config: ValidConfig) -> list[Detail]:
    """What in a new config checks nothing, as far as stored telemetry shows."""
    given: Mapping[str, Mapping[str, Any]] = config.document.get("parameters", {})
    found = [*config_document.suspicious_keys(config.document)]
    found += [
        _warning(name, "has no limit, so nothing is checked")
        for name in given
        if name not in config.rules and name not in config.rules.off
    ]
    if not config.rules:
        return found
    try:
        async with asyncio.timeout(_WARNING_SECONDS), database.transaction() as connection:
            reported = set(await parameter_sets.reported_names(connection, spacecraft_id))
            coverage = await _coverage(connection, names, spacecraft_id, config.rules, reported)
    except TimeoutError:
        return [*found, Detail("parameters", "could not be compared with telemetry in time: see config.check")]
    if not reported and not coverage.snapshots:
        return found  # nothing was stored that could show anything
    reasons = {name: coverage.why_not(name, reported) for name in config.rules}
    never_seen = [name for name, why in reasons.items() if why == "never seen"]
    nearest = await asyncio.to_thread(_nearest, never_seen, reported)
    for name, why in reasons.items():
        if why == "never seen":
            meant = f": did you mean {nearest[name]}?" if name in nearest else ""
            found.append(_warning(name, f"was never seen in this spacecraft's telemetry{meant}"))
        elif why in {"text", "no value"} and not coverage.uses[name].last_judged:
            found.append(_warning(name, _judged_nothing(config.rules[name], coverage.uses[name].last_value)))
    return found


def _warning(parameter: str, message: str) -> Detail:
    return Detail(f"parameters.{parameter}", message)


def _judged_nothing(rule: Rule, last_value: object) -> str:
    """What a rule that met nothing to judge is about, and what it met instead."""
    about = "limits judge numbers" if rule.judges(0) else "these states are of texts and booleans"
    if last_value is None:
        return f"only null (no value) was seen in this spacecraft's telemetry: {about}"
    seen = "true or false was" if isinstance(last_value, bool) else "texts were"
    last = msgspec.json.encode(last_value).decode()
    return f"only {seen} seen in this spacecraft's telemetry, the last {last}: {about}"


def _nearest(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """The most similar of the known names for each name that has one; of some names if that takes long."""
    by_folded = {config_document.folded(name)[:_MOST_COMPARED]: name for name in known}
    deadline = time.monotonic() + _NEAREST_SECONDS
    found = {}
    for name in names:
        folded = config_document.folded(name)[:_MOST_COMPARED]
        if folded in by_folded:
            found[name] = by_folded[folded]
        elif time.monotonic() < deadline and (close := difflib.get_close_matches(folded, by_folded, 1)):
            found[name] = by_folded[close[0]]
    return found


async def _coverage(
    connection: Connection,
    names: ParameterNames,
    spacecraft_id: str,
    rules: Rules,
    reported: AbstractSet[str],
    *,
    most: int = _MOST_SNAPSHOTS,
    is_enough_if_all_work: bool = False,
) -> RuleCoverage:
    """What the rules met among the newest snapshots; older ones are read for reported parameters that are missing."""
    coverage = RuleCoverage(rules.keys() | rules.off, rules.judges, datetime.now(UTC) - _LATELY)
    missing = set(rules.keys() & reported)
    not_working = set(rules)
    size = 0
    async for row in telemetry.newest_from(connection, spacecraft_id, None, most, names=names):
        is_enough = is_enough_if_all_work and not not_working
        size += len(row.parameters)
        if is_enough or size > _MOST_VALUES or (coverage.snapshots >= COUNTED and not missing):
            break
        coverage.add(row.timestamp, row.received_at, row.parameters)
        missing.difference_update(row.parameters)
        not_working -= {name for name in not_working & row.parameters.keys() if coverage.works_lately(name)}
    return coverage


OPERATIONS = (
    Operation(
        "config.check", "What each rule of the config in force does", Role.READER, EmptyRequest, ConfigCheckResponse,
        check, (Route("GET", "/spacecraft/{spacecraftId}/config/check"),),
    ),
)  # fmt: skip
