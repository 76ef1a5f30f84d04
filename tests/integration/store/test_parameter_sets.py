"""Names of parameters are stored once for spacecraft of one kind, whatever comes, and within a bound."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from missionops.domain import parameter_set
from missionops.domain.parameter_name import MAX_PARAMETERS
from missionops.ingest import reported_parameters
from missionops.ingest.batch import Batch
from missionops.ingest.reported_parameters import ReportedParameters
from missionops.store import database as databases
from missionops.store import parameter_sets
from missionops.wire.decoder import Decoder


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    async with databases.connected(database_url) as found:
        yield found


async def note(connection: Any, reported: ReportedParameters, **names: list[str]) -> None:
    """A batch in which these spacecraft bring these names."""
    batch = Batch(0, Decoder())
    for spacecraft_id, brought in names.items():
        batch.reported[spacecraft_id, hash(tuple(brought))] = brought
    async with connection.transaction():
        await reported.note(connection, batch)


async def rows(connection: Any) -> tuple[int, int]:
    """How many sets there are, and how many spacecraft have one."""
    found = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM app.parameter_set), (SELECT count(*) FROM app.spacecraft_parameter_set)"
    )
    return found[0], found[1]


async def test_spacecraft_of_one_kind_share_a_set_in_whatever_order_the_names_come(connection):
    reported = ReportedParameters()
    await note(connection, reported, A=["x", "y"], B=["y", "x"])
    await note(connection, reported, C=["x", "y"])
    assert await rows(connection) == (1, 3)
    assert await parameter_sets.reported_names(connection, "C") == ["x", "y"]


async def test_what_is_new_is_a_set_of_its_own_and_what_is_known_writes_nothing(connection):
    reported = ReportedParameters()
    await note(connection, reported, A=["x", "y"])
    await note(connection, reported, A=["y"], B=["z"])
    assert await rows(connection) == (2, 2)
    await note(connection, reported, A=["z", "x"])
    assert await rows(connection) == (2, 3)
    assert await parameter_sets.reported_names(connection, "A") == ["x", "y", "z"]
    assert await parameter_sets.reported_names(connection, "B") == ["z"]


async def test_another_session_knows_what_is_stored(connection):
    await note(connection, ReportedParameters(), A=["x", "y"], B=["x", "y", "z"])
    before = await rows(connection)
    await note(connection, ReportedParameters(), A=["x"], B=["z", "y"], C=["x", "y"])
    assert await rows(connection) == (before[0], before[1] + 1)
    await note(connection, ReportedParameters(), A=["x", "y", "z"])
    assert await parameter_sets.reported_names(connection, "A") == ["x", "y", "z"]


async def test_invented_names_end_at_the_bound_also_in_another_session(connection, caplog):
    reported = ReportedParameters()
    for number in range(11):
        await note(connection, reported, A=[f"n{number}_{index}" for index in range(999)])
    assert len(await parameter_sets.reported_names(connection, "A")) == MAX_PARAMETERS
    assert caplog.text.count("A has reported 10000 different parameters") == 1
    for session in (reported, ReportedParameters()):
        await note(connection, session, A=["another"], B=["b"])
    assert len(await parameter_sets.reported_names(connection, "A")) == MAX_PARAMETERS
    assert await parameter_sets.reported_names(connection, "B") == ["b"]


async def test_what_is_forgotten_in_memory_is_read_again(connection, monkeypatch):
    monkeypatch.setattr(reported_parameters, "_MOST_NAMES", 3)
    reported = ReportedParameters()
    for number in range(10):
        await note(connection, reported, A=[f"n{number}", f"n{number + 1}"], B=["b"])
    assert await parameter_sets.reported_names(connection, "A") == sorted(f"n{number}" for number in range(11))
    assert await rows(connection) == (11, 11)


async def test_a_set_has_the_digest_that_its_class_has():
    assert parameter_set.parameter_set(["b", "a"], int).digest == parameter_set.digest(["a", "b"])
