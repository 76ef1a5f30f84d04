"""The operation `alarms.statistics`: how many alarms there were, which of them too often, and how long they waited."""

from collections.abc import Collection
from datetime import UTC, datetime

import msgspec

from missionops.domain.access import Role
from missionops.domain.severity import Severity
from missionops.domain.timestamp import Timestamp
from missionops.operations import alarms, request_parsing
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.request_parsing import Moment
from missionops.store import alarm_statistics
from missionops.store.alarm_statistics import CheckCount

_encode = msgspec.json.Encoder().encode

_MOST_CHATTERING = 100


class PeriodRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The time in which alarms were found, both ends inclusive."""

    start: Moment = msgspec.field(name="from")
    end: Moment = msgspec.field(name="to")


class StatisticsRequest(PeriodRequest, forbid_unknown_fields=True, rename="camel"):
    """The same, of all spacecraft that the caller may see, or of one."""

    spacecraft_id: str | None = None


class Busiest(msgspec.Struct):
    """The most alarms that were found in any 10 minutes, and when these end; null where none was found."""

    count: int
    until: Timestamp | None


class Frequent(msgspec.Struct, rename="camel"):
    """A check, and how many alarms it had."""

    spacecraft_id: str
    parameter: str | None
    """Null for SILENT."""
    check: str
    count: int


class AlarmStatistics(msgspec.Struct, rename="camel"):
    """Figures about the alarms that were found in a time.

    All that were told are counted in `alarms` and `bySeverity`; those that were retracted since are in no other figure
    about episodes. `secondsToAcknowledge` is the mean from when an alarm was found, of those that are `acknowledged`.
    `standingLong` are those that were active for more than 24 hours, or are. `mostFrequent` has at most ten checks;
    `chattering` those with three or more episodes that began within 60 seconds, `count` being the most of them.
    """

    start: Timestamp = msgspec.field(name="from")
    end: Timestamp = msgspec.field(name="to")
    alarms: int
    by_severity: dict[Severity, int]
    busiest10_minutes: Busiest = msgspec.field(name="busiest10Minutes")
    acknowledged: int
    seconds_to_acknowledge: float | None
    standing_long: int
    most_frequent: list[Frequent]
    chattering: list[Frequent]


async def of_all(context: Context, request: Request) -> Response:
    """Figures about the alarms of one spacecraft, or of all that the caller may see."""
    wanted: StatisticsRequest = request.request
    return await _statistics(context, wanted, alarms.chosen_spacecraft(request, wanted.spacecraft_id))


async def of_one(context: Context, request: Request) -> Response:
    """Figures about the alarms of one spacecraft."""
    return await _statistics(context, request.request, [request.spacecraft_id])


async def _statistics(context: Context, wanted: PeriodRequest, spacecraft_ids: Collection[str] | None) -> Response:
    between = first, last = request_parsing.between(wanted.start, wanted.end)
    async with context.database.transaction() as connection:
        totals = await alarm_statistics.totals(connection, spacecraft_ids, between, datetime.now(UTC))
        frequent = await alarm_statistics.most_frequent(connection, spacecraft_ids, between)
        chattering = await alarm_statistics.chattering(connection, spacecraft_ids, between, _MOST_CHATTERING)
    severities = totals.low, totals.medium, totals.high, totals.critical
    reply = AlarmStatistics(
        start=first,
        end=last,
        alarms=totals.alarms,
        by_severity=dict(zip(Severity, severities, strict=True)),
        busiest10_minutes=Busiest(totals.most, totals.most_until),
        acknowledged=totals.acknowledged,
        seconds_to_acknowledge=totals.seconds_to_acknowledge,
        standing_long=totals.standing_long,
        most_frequent=[_frequent(one) for one in frequent],
        chattering=[_frequent(one) for one in chattering],
    )
    return Response(_encode(reply))


def _frequent(found: CheckCount) -> Frequent:
    return Frequent(found.spacecraft_id, found.parameter or None, found.check, found.alarms)


OPERATIONS = (
    Operation(
        "alarms.statistics", "Figures about alarms", Role.READER, StatisticsRequest, AlarmStatistics, of_all,
        (Route("GET", "/alarms/statistics"),), about_spacecraft=False,
    ),
    Operation(
        "alarms.statisticsOf", "Figures about the alarms of one spacecraft", Role.READER, PeriodRequest,
        AlarmStatistics, of_one, subject_name="alarms.statistics",
    ),
)  # fmt: skip
