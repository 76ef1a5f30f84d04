"""Latest values: the newest of each parameter, though each came at its own time."""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from missionops.domain import latest as reports
from missionops.domain import limits, number, timestamp
from missionops.domain.access import Role
from missionops.domain.clock import AHEAD, Clock
from missionops.domain.latest import ReportedValue
from missionops.domain.parameter_name import MAX_NAME
from missionops.domain.parameter_set import Value
from missionops.domain.severity import Severity
from missionops.domain.timestamp import SECOND, InvalidTimestamp, Timestamp
from missionops.errors import TooLarge
from missionops.operations import parameter_limits, request_parsing
from missionops.operations.latest_reading import LatestReading
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.parameter_limits import LimitsOfParameter
from missionops.operations.request_parsing import Moment
from missionops.store import configs
from missionops.store import latest as stored
from missionops.store.database import Connection
from missionops.store.latest import SettingsInForce

_MOST_BYTES = 8_000_000
_LONGEST = 1e11
"""Seconds by which no two times that are kept differ."""
_VALUE = {"type": ["number", "string", "boolean", "null"]}
_UNREGISTERED = SettingsInForce(0, AHEAD, None)

_encode = msgspec.json.Encoder().encode


class LatestRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which parameters, all of them unless they are named; and at which time, now unless it is given."""

    parameters: (
        Annotated[list[Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]], Meta(min_length=1, max_length=10_000)]
        | None
    ) = None
    at: Moment | None = None


class BrokenLimit(msgspec.Struct):
    """The limit that a value broke."""

    name: str
    value: int | float | str


class LatestValue(msgspec.Struct, rename="camel"):
    """The newest value of a parameter that is not `null`, and what is known of it.

    `timestamp` and `value` are null where the parameter was reported once, but not among the snapshots searched; a
    parameter that had no value yet at the time `at` is left out.
    `severity`, `limit`, `limits`, `version`: what judged it when it came. `unit`, `description`, `subsystem`: of the
    rule in force now. `previous`: the value before it. `every`: the median of its last 20 intervals, in seconds.
    `isStale`: whether it is older than the rule's `staleAfter`, else than three such intervals; null where nobody can
    say. `alarmId`: of its active alarm, the worst where there are several; with `at` of the one that was active then.
    """

    name: str
    value: Annotated[Any, Meta(extra_json_schema=_VALUE)]
    timestamp: Timestamp | None
    received_at: Timestamp | None
    severity: Severity | None
    limit: BrokenLimit | None
    limits: LimitsOfParameter | None
    version: int | None
    unit: str | None
    description: str | None
    subsystem: str | None
    previous: Annotated[Any, Meta(extra_json_schema=_VALUE)]
    every: float | None
    is_stale: bool | None
    alarm_id: str | None


class Latest(msgspec.Struct, rename="camel"):
    """The newest value of each parameter, by name."""

    spacecraft_id: str
    at: Timestamp
    parameters: list[LatestValue]


async def latest_of(context: Context, request: Request) -> Response:
    """The newest value of each parameter by time, whichever snapshot brought it."""
    wanted: LatestRequest = request.request
    at = request_parsing.at(wanted.at, "at")
    now = at or datetime.now(UTC)
    async with context.database.transaction() as connection:
        config = await stored.in_force(connection, request.spacecraft_id) or _UNREGISTERED
        since = None
        if config.clock_from is not None:
            with contextlib.suppress(InvalidTimestamp):
                since = timestamp.to_microseconds(timestamp.parse(config.clock_from))
        clock = Clock(round(min(config.clock_ahead, _LONGEST) * SECOND), since)
        # Without `at`, what is ahead of our clock counts, too, as far as it may be: nothing is newer.
        reading = LatestReading(request.spacecraft_id, wanted.parameters, clock, at or timestamp.LATEST)
        received = datetime.now(UTC)
        # No clock that is right can be later than this; and no time after LATEST is stored.
        is_bounded = config.clock_ahead < (timestamp.LATEST - received).total_seconds()
        latest_possible = received + timedelta(seconds=config.clock_ahead) if is_bounded else timestamp.LATEST
        await reading.search(connection, at or latest_possible, latest_possible)
        newest = reading.newest()
        shown = await _shown(connection, request.spacecraft_id, config, newest, _Moment(now, as_of_then=at is not None))
    nothing = [None] * (len(LatestValue.__struct_fields__) - 1)
    not_yet = reading.absent if at else set()
    missing = [LatestValue(name, *nothing) for name in reading.incomplete - newest.keys() - not_yet]
    parameters = sorted([*shown, *missing], key=lambda value: value.name)
    body = _encode(Latest(request.spacecraft_id, now, parameters))
    if len(body) > _MOST_BYTES:
        raise TooLarge("The latest values have more than 8 MB: name fewer parameters.")
    return Response(body, is_cut=len(body) > request.max_bytes)


class _Moment(NamedTuple):
    """As of when the values are the newest."""

    now: datetime
    as_of_then: bool
    """Whether that is an earlier time."""


async def _shown(
    connection: Connection,
    spacecraft_id: str,
    config: SettingsInForce,
    newest: Mapping[str, list[ReportedValue]],
    moment: _Moment,
) -> list[LatestValue]:
    """The newest reports, with what is known of each."""
    versions = {found[0].version for found in newest.values()} | {config.version}
    rules = {
        key: msgspec.json.decode(rule)
        for key, rule in (await configs.rules(connection, spacecraft_id, versions - {0}, newest.keys())).items()
    }
    judged = [(name, found[0]) for name, found in newest.items() if found[0].version]
    keys = [(timestamp.from_microseconds(one.timestamp), one.id, name) for name, one in judged]
    anomalies = {
        judged[index][0]: found for index, found in (await stored.anomalies(connection, spacecraft_id, keys)).items()
    }
    at = moment.now if moment.as_of_then else None
    alarms = await stored.alarms(connection, spacecraft_id, newest.keys(), at)
    now = timestamp.to_microseconds(moment.now)
    return [
        _value(
            name,
            found,
            rules.get((found[0].version, name)),
            rules.get((config.version, name), {}),
            anomalies.get(name),
            alarm_id=alarms.get(name),
            now=now,
            as_of_then=moment.as_of_then,
        )
        for name, found in newest.items()
    ]


def _value(
    name: str,
    found: list[ReportedValue],
    judged_by: Mapping[str, Any] | None,
    in_force: Mapping[str, Any],
    anomaly: tuple[str, bytes] | None,
    *,
    alarm_id: str | None,
    now: int,
    as_of_then: bool,
) -> LatestValue:
    newest = found[0]
    given = limits.given(judged_by or {})
    return LatestValue(
        name=name,
        value=_plain(newest.value),
        timestamp=timestamp.from_microseconds(newest.timestamp),
        received_at=timestamp.from_microseconds(newest.received),
        severity=Severity(anomaly[0]) if anomaly else None,
        limit=msgspec.json.decode(anomaly[1], type=BrokenLimit) if anomaly else None,
        limits=LimitsOfParameter(**parameter_limits.by_field(given)) if given else None,
        version=newest.version or None,
        unit=in_force.get("unit"),
        description=in_force.get("description"),
        subsystem=in_force.get("subsystem"),
        previous=_plain(found[1].value) if len(found) > 1 else None,
        every=reports.usual_interval(found),
        is_stale=reports.is_stale(found, in_force.get("staleAfter"), now, as_of_then=as_of_then),
        alarm_id=alarm_id,
    )


def _plain(value: Value) -> Value:
    return number.plain(value) if isinstance(value, float) else value


OPERATIONS = (
    Operation(
        "telemetry.latest", "The newest value of each parameter", Role.READER, LatestRequest, Latest, latest_of,
        (Route("GET", "/telemetry/latest"),),
    ),
)  # fmt: skip
