"""States: when which text or boolean was reported."""

from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from missionops.domain.access import Role
from missionops.domain.timestamp import Timestamp
from missionops.operations import pagination, request_parsing
from missionops.operations.operation import Context, Operation, Request, Response, Route
from missionops.operations.range_reading import ReadingPace
from missionops.operations.request_parsing import Moment
from missionops.operations.series import ParameterNames
from missionops.store import samples, states
from missionops.store.database import Connection
from missionops.store.samples import Positions
from missionops.store.states import StateSearch
from missionops.store.telemetry import Cursor

MAX_SPANS = 5_000
_SPAN_BYTES = 120
"""What a span takes beside its value, at most."""

_encode = msgspec.json.Encoder().encode


class StatesRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which parameters, and between which times, both inclusive."""

    parameters: ParameterNames
    start: Moment = msgspec.field(name="from")
    end: Moment = msgspec.field(name="to")
    cursor: str | None = None


class StateSpan(msgspec.Struct):
    """Samples of one value, with no other text or boolean between them: the times of the first and the last."""

    start: Timestamp = msgspec.field(name="from")
    end: Timestamp = msgspec.field(name="to")
    value: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": ["string", "boolean"]})]
    count: int


class ParameterStates(msgspec.Struct):
    """The states of one parameter; `others`: how many numbers it had."""

    parameter: str
    spans: list[StateSpan]
    others: int


class States(msgspec.Struct, rename="camel"):
    """The states of some parameters between two times.

    Where it is not `complete`, the cursor continues it: pages follow each other in time, and a span that goes on over
    the end of a page begins anew on the next.
    """

    spacecraft_id: str
    start: Timestamp = msgspec.field(name="from")
    end: Timestamp = msgspec.field(name="to")
    complete: bool
    states: list[ParameterStates]


class StatesCursor(NamedTuple):
    """The last snapshot that was read."""

    timestamp: datetime
    id: str


async def states_of(context: Context, request: Request) -> Response:
    """When which text or boolean was reported."""
    wanted: StatesRequest = request.request
    start, end = request_parsing.between(wanted.start, wanted.end)
    names = list(dict.fromkeys(wanted.parameters))
    cursor = pagination.read(wanted.cursor, StatesCursor, request.listing)
    reading = _Reading(StateSearch(request.spacecraft_id, names, end, MAX_SPANS, request.max_bytes), start, cursor)
    async with context.readings:
        pace = ReadingPace(request.deadline)
        while not reading.is_done:
            async with context.database.transaction() as connection:
                fits = await reading.read(connection, pace.count)
            if not fits and pace.count == 1:
                break
            if fits:
                pace.note()
            else:
                pace.count = max(pace.count // 4, 1)
            if pace.is_over:
                break
    return Response(
        _encode(States(request.spacecraft_id, start, end, reading.is_done, reading.found)),
        None if reading.is_done else pagination.written(StatesCursor(*reading.position), request.listing),
        is_cut=reading.is_full,
    )


class _Reading:
    """What was read so far."""

    def __init__(self, search: StateSearch, start: datetime, cursor: StatesCursor | None) -> None:
        self._search = search
        self._where: Positions | None = None
        self._spans = 0
        self._bytes = 0
        self.position: Cursor = (cursor.timestamp, cursor.id) if cursor else (start, "")
        self.is_done = False
        self.is_full = False
        """Whether more would have been too long for one response."""
        self.found = [ParameterStates(name, [], 0) for name in search.parameters]

    async def read(self, connection: Connection, count: int) -> bool:
        """Read the next `count` snapshots; False, and nothing is read, if their spans do not fit any more."""
        if self._where is None:
            self._where = await samples.columns(connection, self._search.spacecraft_id, self._search.parameters)
        left = self._search._replace(runs=self._search.runs - self._spans, size=max(self._search.size - self._bytes, 0))
        portion = await states.runs(connection, left, self._where, self.position, count)
        size = sum(len(run.value.encode()) + _SPAN_BYTES for run in portion.runs)
        is_first = not self._spans and count == 1  # the spans of one snapshot are returned, however long they are
        if not is_first and (len(portion.runs) > left.runs or size > left.size):
            self.is_full = size > left.size
            return False
        self.is_full = False
        self._bytes += size
        for run in portion.runs:
            spans = self.found[run.parameter].spans
            value = run.value.encode()
            if spans and bytes(spans[-1].value) == value:
                spans[-1].end = run.last
                spans[-1].count += run.samples
            else:
                spans.append(StateSpan(run.first, run.last, msgspec.Raw(value), run.samples))
                self._spans += 1
        for one, numbers in zip(self.found, portion.numbers, strict=True):
            one.others += numbers
        self.is_done = portion.after is None
        self.position = portion.after or self.position
        return True


OPERATIONS = (
    Operation(
        "telemetry.states", "Spans of texts and booleans between two times", Role.READER, StatesRequest, States,
        states_of, (Route("GET", "/telemetry/states"),),
    ),
)  # fmt: skip
