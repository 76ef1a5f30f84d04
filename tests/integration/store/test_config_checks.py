"""Which versions of a config have which checks: noted with each version, and by the migration for those before it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from missionops.domain import limits
from missionops.store import config_checks, configs, migrate
from missionops.store import database as databases
from missionops.store.configs import NewConfig

TWICE = {"samples": 2}
VERSIONS: tuple[Mapping[str, Any], ...] = (
    {"a": {"warnHigh": 1}, "b": {"states": {"ON": None}}, "c": {"change": {"per": "second", "warn": 1}}},
    {"a": {"warnHigh": 2, "staleAfter": 60}, "b": {"states": {"ON": None}}},
    {"a": {"off": "defective", "warnHigh": 2}, "b": {"when": [{"if": {"mode": "SAFE"}, "critLow": 1, "raise": TWICE}]}},
    {"a": {"severeLow": -5}, "b": {"critLow": 1}, "c": {"unit": "V"}},
    {
        "a": {"severeLow": -5, "when": [{"if": {"mode": "SAFE"}, "severeLow": None}]},
        "b": {"critLow": 2, "raise": TWICE},
    },
    {},
    {"a": {"severeLow": -5}, "c": {"change": {"per": "sample", "warn": 1, "raise": TWICE}}},
)
SPANS = {
    ("a", "LIMIT"): [(1, 3), (4, 6), (7, None)],
    ("a", "STALE"): [(2, 3)],
    ("b", "LIMIT"): [(3, 4), (4, 5), (5, 6)],  # of these the second has no persistence
    ("b", "STATE"): [(1, 3)],
    ("c", "CHANGE"): [(1, 2), (7, None)],
}


async def put_all(connection: Any) -> None:
    for parameters in VERSIONS:
        document = {"parameters": parameters}
        new = NewConfig("SC-1", json.dumps(document).encode(), "test", "test", None)
        async with connection.transaction():
            await configs.put(connection, new, limits.compile_rules(document))


async def spans(connection: Any) -> dict[tuple[str, str], list[tuple[int, int | None]]]:
    found: dict[tuple[str, str], list[tuple[int, int | None]]] = {}
    for span in await config_checks.spans(connection, "SC-1"):
        found.setdefault((span.parameter, span.check), []).append((span.first, span.end))
    return {key: sorted(found[key], key=lambda span: span[0]) for key in sorted(found)}


async def test_each_version_notes_the_checks_that_it_begins_and_ends(database_url):
    async with databases.connected(database_url) as connection:
        await put_all(connection)
        assert await spans(connection) == SPANS
        assert await config_checks.with_memory(connection, "SC-1") == {("a", "STALE"), ("c", "CHANGE")}
        beyond = {("a", "STALE"), ("b", "LIMIT"), ("c", "CHANGE")}
        assert await config_checks.beyond_one_snapshot(connection, "SC-1") == beyond
        assert await config_checks.spans(connection, "SC-2") == []


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The migrations up to the one that brings the table."""
    for file in migrate.folder().glob("*.sql"):
        if file.name < "0009":
            shutil.copy(file, tmp_path)
    return tmp_path


async def test_the_migration_notes_what_there_was_before_it(empty_database_url, before):
    await migrate.apply(empty_database_url, before)
    async with databases.connected(empty_database_url) as connection:
        await connection.execute(
            "INSERT INTO app.spacecraft (spacecraft_id, config_version) VALUES ('SC-1', $1), ('SC-2', 0)", len(VERSIONS)
        )
        await connection.executemany(
            "INSERT INTO app.config (spacecraft_id, version, document, source, recorded_by) "
            "VALUES ($1, $2, $3, 'test', 'test')",
            [("SC-1", number, json.dumps({"parameters": one}).encode()) for number, one in enumerate(VERSIONS, 1)],
        )
    await migrate.apply(empty_database_url)
    async with databases.connected(empty_database_url) as connection:
        assert await spans(connection) == SPANS
