"""What people with psql and Grafana read: app.telemetry and app.samples, as mission_reader."""

import json
import math
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from missionops.store import database as databases
from tests import stored_telemetry

START = datetime(2025, 1, 31, 23, 59, tzinfo=UTC)  # the second snapshot is in the next month
VALUES = [
    0, -1, 42, 2**53, 2**53 + 1, -(2**63), 2**64 - 1, 0.1, -0.0, 1e300, 5e-324, -1.7976931348623157e308,
    True, False, None, "", "CRUISE", "null", "42", 'a "quoted" \\ text', "🛰 ünïcode",
]  # fmt: skip
"""Of each kind that a parameter may have."""


@pytest.fixture
async def writer(database_url: str) -> AsyncIterator[Any]:
    async with databases.connected(database_url) as connection:
        yield connection


@pytest.fixture
async def reader(
    database_url: str, as_role: Callable[[str, str], str]
) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(as_role(database_url, "mission_reader"))
    yield connection
    await connection.close()


async def samples(
    reader: Any, parameter: str, first: datetime = START, last: datetime = START + timedelta(days=9)
) -> list[tuple[Any, ...]]:
    """What app.samples has of a parameter of SC-1, in the order of time."""
    query = 'SELECT "timestamp", number, text FROM app.samples($1, $2, $3, $4) ORDER BY 1'
    return [tuple(row) for row in await reader.fetch(query, "SC-1", parameter, first, last)]


@pytest.mark.parametrize("names", [["p"], ["a", "p", "z"], ["other"], []], ids=str)
async def test_a_value_of_any_kind_is_shown_as_it_was_sent(writer, reader, names):
    """Whether or not its name is in the set of the snapshot."""
    stored = [(START + timedelta(minutes=minute), {"p": value}) for minute, value in enumerate(VALUES)]
    await stored_telemetry.add(writer, "SC-1", stored, names=names)
    rows = await reader.fetch('SELECT "timestamp", parameters FROM app.telemetry ORDER BY 1')
    shown = [json.loads(parameters)["p"] for _, parameters in rows]
    assert [repr(as_sent(*pair)) for pair in zip(shown, VALUES, strict=True)] == [repr(value) for value in VALUES]
    found = await samples(reader, "p")
    assert [at for at, _, _ in found] == [at for at, _ in stored]
    for value, (_, number, text) in zip(VALUES, found, strict=True):
        if isinstance(value, bool):
            assert (number, text) == (None, "true" if value else "false")
        elif isinstance(value, int | float):
            assert (repr(number), text) == (repr(float(value)), None)
        else:
            assert (number, text) == (None, value)


def as_sent(shown: Any, sent: Any) -> Any:
    """A double may be shown as an integer."""
    return math.copysign(float(shown), sent) if isinstance(sent, float) else shown


async def test_a_parameter_that_changes_its_set_and_its_kind_is_one_series(writer, reader):
    for minute, (names, value) in enumerate([
        (["p"], 1), (["p", "q"], 2.5), (["a", "b", "p"], "OFF"), (["q"], 3), (["p"], None), (["p"], False)
    ]):  # fmt: skip
        await stored_telemetry.add(
            writer, "SC-1", [(START + timedelta(minutes=minute), {"p": value, "q": 7})], names=names
        )
    await stored_telemetry.add(writer, "SC-1", [(START + timedelta(minutes=6), {"q": 8})], names=["p", "q"])
    await stored_telemetry.add(writer, "SC-2", [(START, {"p": 99})])
    assert [(number, text) for _, number, text in await samples(reader, "p")] == [
        (1, None), (2.5, None), (None, "OFF"), (3, None), (None, None), (None, "false")
    ]  # fmt: skip
    assert len(await samples(reader, "q")) == 7
    assert await samples(reader, "never") == []


async def test_both_ends_of_the_range_count(writer, reader):
    times = [START + timedelta(microseconds=number) for number in range(4)]
    await stored_telemetry.add(writer, "SC-1", [(time, {"p": number}) for number, time in enumerate(times)])
    assert [number for _, number, _ in await samples(reader, "p", times[1], times[2])] == [1, 2]
    assert await samples(reader, "p", times[2], times[1]) == []
    ever = datetime(1900, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, tzinfo=UTC)
    assert len(await samples(reader, "p", *ever)) == 4


async def test_a_snapshot_without_parameters_is_shown_too(writer, reader):
    await stored_telemetry.add(writer, "SC-1", [(START, {})], config_version=0)
    await stored_telemetry.add(writer, "SC-2", [(START, {"p": 1})], names=["p", "q"], config_version=3)
    rows = await reader.fetch(
        "SELECT parameters::text, config_version, received_at FROM app.telemetry ORDER BY spacecraft_id"
    )
    assert [tuple(row) for row in rows] == [("{}", None, START), ('{ "p" : 1 }', 3, START)]


async def test_the_selects_of_the_readme_work(writer, reader):
    await stored_telemetry.add(
        writer, "SC-001", [(START, {"temp": 46, "mode": "CRUISE"}), (START + timedelta(seconds=30), {"temp": 4.5})]
    )
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    [shown] = re.findall(r"(?m)^SELECT .* FROM app\.telemetry .*;$", readme)
    [found] = re.findall(r"(?m)^SELECT .* FROM app\.samples.*;$", readme)
    assert [row["temp"] for row in await reader.fetch(shown)] == ["46", "4.5"]
    assert [row["temp"] for row in await reader.fetch(found)] == [46, 4.5]
