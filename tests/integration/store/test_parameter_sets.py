"""Names of parameters are stored once for spacecraft of one kind, whatever comes, and within a bound."""

import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from missionops.domain import parameter_set, snapshot
from missionops.domain.parameter_name import MAX_PARAMETERS
from missionops.domain.parameter_set import Value
from missionops.ingest import parameter_sets as ingest_sets
from missionops.ingest.batch import Batch, Delivery
from missionops.ingest.parameter_sets import BatchSets, ParameterSets
from missionops.store import database as databases
from missionops.store import parameter_sets
from missionops.store.spacecraft import IngestConfig
from missionops.wire.decoder import Decoder


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    async with databases.connected(database_url) as found:
        yield found


async def note(connection: Any, sets: ParameterSets, **names: list[str]) -> BatchSets:
    """A batch in which each of these spacecraft brings a snapshot with these names."""
    return await handle(
        connection, sets, {spacecraft_id: [dict.fromkeys(some, 1)] for spacecraft_id, some in names.items()}
    )


async def handle(connection: Any, sets: ParameterSets, snapshots: dict[str, list[dict[str, Value]]]) -> BatchSets:
    """A batch of these snapshots by spacecraft."""
    batch = Batch(0, Decoder())
    for spacecraft_id, several in snapshots.items():
        for parameters in several:
            body = json.dumps({"timestamp": "2025-01-01T00:00:00Z", "id": "x", "parameters": parameters}).encode()
            sequence = batch.sequence + 1
            list(batch.add(Delivery(f"telemetry.1.{spacecraft_id}".encode(), sequence, sequence, body, None, b"")))
    prepared = await sets.prepare(connection, batch)
    configs = dict.fromkeys(snapshots, IngestConfig(0, 600))
    async with connection.transaction():
        await prepared.note(connection)
        prepared.rows(configs, [*batch.entries.values(), *itertools.chain(*batch.repeats.values())])
    return prepared


async def rows(connection: Any) -> tuple[int, int]:
    """How many sets there are, and how many spacecraft have one."""
    found = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM app.parameter_set), (SELECT count(*) FROM app.spacecraft_parameter_set)"
    )
    return found[0], found[1]


async def test_spacecraft_of_one_kind_share_a_set_in_whatever_order_the_names_come(connection):
    reported = ParameterSets()
    await note(connection, reported, A=["x", "y"], B=["y", "x"])
    await note(connection, reported, C=["x", "y"])
    assert await rows(connection) == (1, 3)
    assert await parameter_sets.reported_names(connection, "C") == ["x", "y"]


async def test_what_is_new_is_a_set_of_its_own_and_what_is_known_writes_nothing(connection):
    reported = ParameterSets()
    await note(connection, reported, A=["x", "y"])
    await note(connection, reported, A=["y"], B=["z"])
    assert await rows(connection) == (2, 2)
    await note(connection, reported, A=["z", "x"])
    assert await rows(connection) == (2, 3)
    assert await parameter_sets.reported_names(connection, "A") == ["x", "y", "z"]
    assert await parameter_sets.reported_names(connection, "B") == ["z"]


async def test_another_session_knows_what_is_stored(connection):
    await note(connection, ParameterSets(), A=["x", "y"], B=["x", "y", "z"])
    before = await rows(connection)
    await note(connection, ParameterSets(), A=["x"], B=["z", "y"], C=["x", "y"])
    assert await rows(connection) == (before[0], before[1] + 1)
    await note(connection, ParameterSets(), A=["x", "y", "z"])
    assert await parameter_sets.reported_names(connection, "A") == ["x", "y", "z"]


async def test_invented_names_end_at_the_bound_also_in_another_session(connection, caplog):
    reported = ParameterSets()
    for number in range(11):
        await note(connection, reported, A=[f"n{number}_{index}" for index in range(999)])
    assert len(await parameter_sets.reported_names(connection, "A")) == MAX_PARAMETERS
    assert caplog.text.count("A has reported 10000 different parameters") == 1
    for session in (reported, ParameterSets()):
        await note(connection, session, A=["another"], B=["b"])
    assert len(await parameter_sets.reported_names(connection, "A")) == MAX_PARAMETERS
    assert await parameter_sets.reported_names(connection, "B") == ["b"]


async def test_what_is_forgotten_in_memory_is_read_again(connection, monkeypatch):
    monkeypatch.setattr(ingest_sets, "_MOST_NAMES", 3)
    reported = ParameterSets()
    for number in range(10):
        await note(connection, reported, A=[f"n{number}", f"n{number + 1}"], B=["b"])
    assert await parameter_sets.reported_names(connection, "A") == sorted(f"n{number}" for number in range(11))
    assert await rows(connection) == (11, 11)


async def test_a_set_has_the_digest_that_its_class_has():
    assert snapshot.values_class(["b", "a"], int).digest == parameter_set.digest(["a", "b"])
