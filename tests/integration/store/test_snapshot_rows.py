"""What is stored by position is read back as it was reported, whatever comes; and whatever comes makes few sets."""

import json
import math
import random
from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from missionops.domain import snapshot, timestamp
from missionops.domain.parameter_name import MAX_PARAMETERS
from missionops.domain.parameter_set import Value
from missionops.domain.snapshot import ParameterValues
from missionops.ingest.batch import Batch, Delivery
from missionops.ingest.parameter_sets import ParameterSets
from missionops.store import database as databases
from missionops.store import partitions, snapshot_rows, telemetry
from missionops.store.parameter_sets import ParameterNames
from missionops.store.spacecraft import IngestConfig
from missionops.wire import schema_decoder
from missionops.wire.decoder import Decoder

Reported = dict[str, Any]
SPACECRAFT = ("A", "B", "C")
EVER = (timestamp.EARLIEST, timestamp.LATEST)


class Store:
    """All of the way of the data but the stream, and one session of it."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.decoded: dict[tuple[str, str], dict[str, Value] | ParameterValues] = {}
        self.by_position = 0
        self._count = 0
        self.start_session()

    def start_session(self) -> None:
        self._decoder, self._sets = Decoder(), ParameterSets()

    async def take(self, reported: Sequence[tuple[str, Reported]], *, packed: bool = False) -> list[tuple[str, str]]:
        """A batch of what some spacecraft report; returns the spacecraft and the id of each snapshot."""
        batch = Batch(self._count, self._decoder)
        for spacecraft_id, parameters in reported:
            self._count += 1
            document = {"timestamp": "2025-01-01T00:00:00Z", "id": f"{self._count:06}", "parameters": parameters}
            body = msgspec.msgpack.encode(document) if packed else json.dumps(document).encode()
            block = b"NATS/1.0\r\nContent-Type: application/msgpack\r\n\r\n" if packed else None
            subject = f"telemetry.1.{spacecraft_id}".encode()
            list(batch.add(Delivery(subject, self._count, self._count, body, block, b"")))
        assert batch.letters == []
        configs = {spacecraft_id: IngestConfig(3, 600) for spacecraft_id, _ in reported}
        sets = await self._sets.prepare(self.connection, batch)
        async with self.connection.transaction():
            await sets.note(self.connection)
            assert not await snapshot_rows.add(self.connection, sets.rows(configs, [*batch.entries.values()]))
        found = {(entry.snapshot.spacecraft_id, entry.snapshot.id): entry.snapshot for entry in batch.entries.values()}
        self.decoded |= {key: one.values for key, one in found.items()}
        self.by_position += sum(isinstance(one.values, ParameterValues) for one in found.values())
        return list(found)

    async def read(self, spacecraft_id: str, count: int = 10_000) -> dict[tuple[str, str], dict[str, Value]]:
        async with self.connection.transaction():
            rows = telemetry.newest(self.connection, spacecraft_id, EVER, None, count, names=ParameterNames())
            return {(spacecraft_id, row.id): row.parameters async for row in rows if row.config_version == 3}

    async def placed(self, spacecraft_id: str) -> list[int]:
        """How many numbers of each snapshot, in their order, have a place."""
        query = "SELECT num_nonnulls(VARIADIC numbers) FROM app.snapshot WHERE spacecraft_id = $1 ORDER BY id"
        return [row[0] or 0 for row in await self.connection.fetch(query, spacecraft_id)]

    async def sets(self, spacecraft_id: str) -> list[int]:
        """How many names the sets of a spacecraft have, by their ids."""
        query = """
            SELECT cardinality(names) FROM app.parameter_set JOIN app.spacecraft_parameter_set ON parameter_set_id = id
            WHERE spacecraft_id = $1 ORDER BY id
        """
        return [row[0] for row in await self.connection.fetch(query, spacecraft_id)]


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with databases.connected(database_url) as connection:
        await partitions.ensure(connection, partitions.SNAPSHOT, [date(2025, 1, 1)])
        yield Store(connection)


def as_before(values: Any) -> list[tuple[str, str]]:
    """What was stored and answered when parameters were kept as JSON; a whole double may now be an integer."""
    return shown(json.loads(snapshot.text(values)))


def shown(values: dict[str, Value]) -> list[tuple[str, str]]:
    """Names in their order, and values with their types."""

    def whole(value: Value) -> Value:
        if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53 and repr(value) != "-0.0":
            return int(value)
        return value

    return [(name, repr(whole(value))) for name, value in values.items()]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)
NAMES = st.sampled_from(
    ["a", "b", "c", "d", "e", 'quote"d', "back\\slash", "tab\t", "ünïcode", "🛰", "ﬀ"]
) | TEXT.filter(bool)
EDGES = [
    0, -1, 42, 2**53, 2**53 + 1, -(2**53), -(2**53) - 1, -(2**63), 2**63, 2**64 - 1, 0.0, -0.0, 1.0, 5e-324, -5e-324,
    2.2250738585072014e-308, 1e300, -1.7976931348623157e308, 2.0**53, 2.0**60, 0.1, math.nan, math.inf, -math.inf,
]  # fmt: skip
VALUES = (
    st.sampled_from(EDGES) | st.floats() | st.integers(-(2**63), 2**64 - 1) | st.integers(-9, 9)
    | st.booleans() | st.none() | TEXT
)  # fmt: skip
BATCHES = st.lists(
    st.lists(st.tuples(st.sampled_from(SPACECRAFT), st.dictionaries(NAMES, VALUES, max_size=8)), max_size=6).map(
        lambda some: some * 3  # often enough to be learned
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES, packed=st.booleans(), is_new_session=st.booleans())
async def test_what_is_read_back_is_what_was_reported(store, batches, packed, is_new_session):
    """The examples follow upon each other in one database, so that sets grow as they do in time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema_decoder, "_ENOUGH", 3)
        patch.setattr(snapshot_rows, "_MOST_PLANS", 2)
        if is_new_session:
            store.start_session()
        for reported in batches:
            keys = await store.take(reported, packed=packed)
            for spacecraft_id in {spacecraft_id for spacecraft_id, _ in keys}:
                read = await store.read(spacecraft_id, len(keys))
                for key in keys:
                    if key[0] == spacecraft_id:
                        assert shown(read[key]) == as_before(store.decoded[key])


async def test_more_names_than_a_decoder_learns_are_stored_by_position(store):
    chosen = random.Random(1)  # noqa: S311 - to be repeated
    wide = {f"p{index:03}": chosen.random() for index in range(700)} | {"mode": "SAFE", "count": 2**60}
    for _ in range(3):
        keys = await store.take([("A", wide)] * 10)
        read = await store.read("A")
        assert [shown(read[key]) for key in keys] == [as_before(wide)] * 10
    assert await store.placed("A") == [0] * 10 + [700] * 20
    assert sorted(await store.sets("A")) == [2, 700]


async def test_a_number_has_a_place_once_its_name_was_seen_in_ten_snapshots(store):
    for _ in range(9):
        await store.take([("A", {"x": 1.5, "mode": "SAFE"})])
    assert await store.placed("A") == [0] * 9
    for _ in range(3):
        await store.take([("A", {"x": 1.5, "mode": "SAFE"})])
    assert await store.placed("A") == [0] * 10 + [1] * 2
    store.start_session()
    await store.take([("A", {"x": 1.5, "mode": "SAFE"})])
    assert (await store.placed("A"))[-1] == 1  # what is stored is known at once


async def test_a_session_decodes_by_position_what_is_stored_from_its_second_batch_on(store):
    for _ in range(2):
        await store.take([("A", {"x": 1.5, "mode": "SAFE"})])
    assert store.by_position == 0
    store.start_session()
    await store.take([("A", {"x": 1.5, "mode": "SAFE"})])
    assert store.by_position == 0
    await store.take([("A", {"x": 2.5, "mode": "SAFE"})])
    assert store.by_position == 1


async def test_a_parameter_may_change_between_number_text_and_no_value(store):
    values: list[Value] = [None, 1, "off", 2.5, True, None, 3, 2**60, "", 4]
    for _ in range(12):
        keys = await store.take([("A", {"x": value, "y": 1}) for value in values])
        read = await store.read("A")
        assert [read[key]["x"] for key in keys] == values
    assert (await store.placed("A"))[-10:] == [1, 2, 1, 2, 1, 1, 2, 1, 1, 2]
    assert len(await store.sets("A")) <= 4


async def test_a_spacecraft_that_invents_names_makes_few_sets_and_its_own_names_keep_their_place(store):
    chosen = random.Random(1)  # noqa: S311 - to be repeated
    own = {f"own{index}": index + 0.5 for index in range(20)}
    for _ in range(60):
        flood = [own | {f"n{chosen.randrange(10**9)}": 1 for _ in range(40)} for _ in range(10)]
        keys = await store.take([("A", reported) for reported in flood])
    read = await store.read("A")
    assert [shown(read[key]) for key in keys] == [as_before(dict(reported)) for reported in flood]
    assert min((await store.placed("A"))[-100:]) >= 20
    sizes = await store.sets("A")
    assert sum(sizes) <= MAX_PARAMETERS + 2_000
    assert len(sizes) <= 60 + 10


async def test_packets_of_many_kinds_have_no_more_places_than_a_few_times_their_numbers(store):
    """A spacecraft with 10,000 parameters that reports a hundred at a time."""
    packets = [{f"p{kind}_{index}": index + 0.5 for index in range(100)} for kind in range(100)]
    for _ in range(13):
        await store.take([("A", packet) for packet in packets])
    await store.take([("A", packet) for packet in packets])
    read = await store.read("A", 100)
    assert [len(values) for values in read.values()] == [100] * 100
    assert min((await store.placed("A"))[-100:]) == 100
    query = "SELECT max(cardinality(numbers)) FROM (SELECT * FROM app.snapshot ORDER BY id DESC LIMIT 50) AS _"
    assert await store.connection.fetchval(query) <= 1_000


async def test_ten_thousand_parameters_at_once(store):
    wide = {f"p{index}": index / 7 for index in range(MAX_PARAMETERS)}
    for _ in range(4):
        keys = await store.take([("A", wide)] * 3)
    read = await store.read("A", 3)
    assert [shown(read[key]) for key in keys] == [as_before(wide)] * 3
    assert (await store.placed("A"))[-1] == 0
    await store.take([("A", wide)])
    assert (await store.placed("A"))[-1] == MAX_PARAMETERS
    assert await store.sets("A") == [MAX_PARAMETERS]
