"""Series: the numbers of some parameters between two times, for plots."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from operator import attrgetter
from typing import Annotated, cast

import msgspec
from msgspec import Meta

from missionops.domain import number, series, timestamp
from missionops.domain.access import Role
from missionops.domain.parameter_name import MAX_NAME
from missionops.domain.series import MAX_PARAMETERS, MAX_POINTS, MAX_VALUES, VersionSpan
from missionops.domain.severity import Severity
from missionops.domain.timestamp import Timestamp
from missionops.operations import pagination, parameter_limits, request_parsing
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.parameter_limits import LimitsOfParameter
from missionops.operations.range_reading import ReadingPace
from missionops.operations.request_parsing import Moment, refused
from missionops.operations.series_reading import SeriesCursor, SeriesReading
from missionops.store.samples import Wanted

ParameterNames = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]],
    Meta(min_length=1, max_length=MAX_PARAMETERS),
]

_encode = msgspec.json.Encoder(decimal_format="number").encode


class SeriesRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which parameters, between which times, both inclusive, and about how many points of each at most."""

    parameters: ParameterNames
    start: Moment = msgspec.field(name="from")
    end: Moment = msgspec.field(name="to")
    points: Annotated[int, Meta(ge=1, le=MAX_POINTS)] = 1_000
    cursor: str | None = None


class JudgedSpan(msgspec.Struct):
    """Between which times a config version judged samples, both inclusive."""

    start: Timestamp = msgspec.field(name="from")
    end: Timestamp = msgspec.field(name="to")
    version: int


class LimitsInForce(LimitsOfParameter):
    """A set of limits, and when it judged samples of the range."""

    spans: list[JudgedSpan]


Violations = dict[Severity, list[tuple[int, int]]]


class BucketSeries(msgspec.Struct, rename="camel", tag_field="kind", tag="buckets"):
    """A parameter with more samples than points: its buckets that have samples, column by column.

    `bucket` counts from `origin`; `minAt` and `maxAt` are seconds since `origin`, the first if there are several.
    `gap`: seconds without a sample after which a line breaks: three times the median interval within the buckets, and
    at least two buckets. `violations`: severity → [bucket, count] of stored anomalies. `others`: texts and booleans.
    """

    parameter: str
    gap: float | None
    bucket: list[int]
    count: list[int]
    min: list[float]
    min_at: list[float]
    max: list[float]
    max_at: list[float]
    last: list[float]
    violations: Violations
    others: int
    limits: list[LimitsInForce]


class SampleSeries(msgspec.Struct, rename="camel", tag_field="kind", tag="samples"):
    """A parameter with no more samples than points: the samples themselves.

    `t`: seconds since `origin`. `gap`: seconds without a sample after which a line breaks: three times the median
    interval. `violations`: severity → [index in `t`, 1] of stored anomalies. `others`: texts and booleans.
    """

    parameter: str
    gap: float | None
    t: list[float]
    value: list[float]
    violations: Violations
    others: int
    limits: list[LimitsInForce]


class Series(msgspec.Struct, rename="camel"):
    """The numbers of some parameters between two times.

    Buckets lie on multiples of `step` (seconds) since 1970; `origin` is `from` cut down to such a multiple. Where it is
    not `complete`, the cursor continues it: pages follow each other in time, and no bucket is on two of them. A page's
    `kind` is `samples` as long as the parameter has had no more samples than points.
    """

    spacecraft_id: str
    start: Timestamp = msgspec.field(name="from")
    end: Timestamp = msgspec.field(name="to")
    step: float
    origin: Timestamp
    at: Timestamp
    complete: bool
    series: list[BucketSeries | SampleSeries]


async def series_of(context: Context, request: Request) -> Response:
    """The numbers of some parameters as buckets, or as they are where they are few."""
    wanted: SeriesRequest = request.request
    start, end = request_parsing.between(wanted.start, wanted.end)
    names = list(dict.fromkeys(wanted.parameters))
    if len(names) * wanted.points > MAX_VALUES:
        raise refused("points", f"may be at most {MAX_VALUES // len(names)} for {len(names)} parameters")
    first, last = map(timestamp.to_microseconds, (start, end))
    step = series.step_for(first, last, wanted.points)
    cursor = pagination.read(wanted.cursor, SeriesCursor, request.listing)
    reading = SeriesReading(Wanted(request.spacecraft_id, names, end, step), start, wanted.points, cursor)
    async with context.readings:
        pace = ReadingPace(request.deadline)
        while True:
            async with context.database.transaction(sees_one_state=True) as connection:
                is_of_snapshots = await reading.read(connection, pace.count)
            if is_of_snapshots:
                pace.note()
            else:
                pace.note_roll_ups()
            if reading.is_done or pace.is_over or reading.least_bytes > request.max_bytes:
                break
        async with context.database.transaction() as connection:
            await reading.look_up(connection)
        return await _page(request, reading, start)


async def _page(request: Request, reading: SeriesReading, start: datetime) -> Response:
    """What was read of whole buckets, or the first of these that fit into the response."""
    numbers = sorted({number for found in reading.buckets for number in found})
    before = None if reading.is_done else reading.open_bucket
    is_cut, kept = False, len(numbers)
    while len(body := await _written(reading, start, before, is_cut=is_cut)) > request.max_bytes:
        if kept > 1:
            kept = max(1, int(kept * request.max_bytes / len(body) * 0.9))
            is_cut, before = True, numbers[kept]
        elif any(reading.samples):  # thousands within one bucket
            reading.samples = [None for _ in reading.samples]
        else:
            break
    if before is None:
        return Response(body)
    cursor = reading.cursor_before(before) if is_cut else reading.cursor()
    return Response(body, pagination.written(cursor, request.listing), is_cut=is_cut)


async def _written(reading: SeriesReading, start: datetime, before: int | None, *, is_cut: bool) -> bytes:
    """The response with the buckets before one; and with all samples, unless it is cut."""
    wanted = reading.wanted
    first = timestamp.to_microseconds(start) // wanted.step
    found: list[BucketSeries | SampleSeries] = []
    for index, few in enumerate(reading.samples):
        if few is None:
            found.append(_bucket_series(reading, index, first, before))
        else:
            until = before * wanted.step if is_cut and before is not None else None
            found.append(_sample_series(reading, index, first * wanted.step, until))
        await asyncio.sleep(0)  # each takes some milliseconds
    return _encode(
        Series(
            wanted.spacecraft_id,
            start,
            wanted.end,
            _seconds(wanted.step),
            timestamp.from_microseconds(first * wanted.step),
            datetime.now(UTC),
            before is None,
            found,
        )
    )


def _bucket_series(reading: SeriesReading, index: int, first: int, before: int | None) -> BucketSeries:
    name, step = reading.wanted.parameters[index], reading.wanted.step
    known = [found for found in sorted(reading.buckets[index].items()) if before is None or found[0] < before]
    violations: Violations = {}
    for number_, bucket in known:
        for severity, count in bucket.violations.items():
            violations.setdefault(Severity(severity), []).append((number_ - first, count))
    shown = [(number_ - first, bucket) for number_, bucket in known if bucket.count]
    buckets, origin = [bucket for _, bucket in shown], first * step
    return BucketSeries(
        name,
        series.gap_of_buckets(buckets, step) if buckets else None,
        [number_ for number_, _ in shown],
        [bucket.count for bucket in buckets],
        [number.plain(bucket.min) for bucket in buckets],
        [_seconds(bucket.min_at - origin) for bucket in buckets],
        [number.plain(bucket.max) for bucket in buckets],
        [_seconds(bucket.max_at - origin) for bucket in buckets],
        [number.plain(bucket.last) for bucket in buckets],
        violations,
        sum(bucket.others for _, bucket in known),
        _limits(
            reading, name, (span for bucket in buckets for span in sorted(bucket.versions, key=attrgetter("first")))
        ),
    )


def _sample_series(reading: SeriesReading, index: int, origin: int, until: int | None) -> SampleSeries:
    name = reading.wanted.parameters[index]
    few = [sample for sample in reading.samples[index] or () if until is None or sample.at < until]
    violations: Violations = {}
    for place, severity in sorted(reading.severities[index].items()):
        if place < len(few):
            violations.setdefault(Severity(severity), []).append((place, 1))
    step = reading.wanted.step
    known = reading.buckets[index].items()
    return SampleSeries(
        name,
        series.gap_of_samples([sample.at for sample in few]),
        [_seconds(sample.at - origin) for sample in few],
        [number.plain(sample.value) for sample in few],
        violations,
        sum(bucket.others for place, bucket in known if until is None or place * step < until),
        _limits(reading, name, (VersionSpan(sample.version, sample.at, sample.at) for sample in few)),
    )


def _limits(reading: SeriesReading, name: str, judged: Iterable[VersionSpan]) -> list[LimitsInForce]:
    known = {version: found for (version, parameter), found in reading.limits.items() if parameter == name}
    return [
        LimitsInForce(
            [
                JudgedSpan(
                    timestamp.from_microseconds(span.first), timestamp.from_microseconds(span.last), span.version
                )
                for span in found.spans
            ],
            **parameter_limits.by_field(found.limits),
        )
        for found in series.limits_spans(judged, known)
    ]


def _seconds(microseconds: int) -> float:
    return cast("float", series.seconds(microseconds))  # a Decimal is written as a number


OPERATIONS = (
    Operation(
        "telemetry.series", "Numbers between two times, for plots", Role.READER, SeriesRequest, Series, series_of,
        (Route("GET", "/telemetry/series"),),
    ),
)  # fmt: skip
