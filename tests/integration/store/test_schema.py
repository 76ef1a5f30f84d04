"""The schema: every statement of the store fits it, and every rule of it refuses what it is there to refuse."""

import importlib
import itertools
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from missionops import store
from missionops.domain.clock import AHEAD
from missionops.store import database as databases

_SQL = re.compile(r"\s*(WITH|SELECT|INSERT|UPDATE|DELETE|SET|LOCK|CREATE|DO)\s")


def _statements() -> Iterator[tuple[str, str]]:
    """Every constant of missionops.store that is SQL, by its name; also those in a tuple of several."""
    for module in pkgutil.iter_modules(store.__path__):
        for name, value in vars(importlib.import_module(f"missionops.store.{module.name}")).items():
            texts = value if isinstance(value, tuple) else (value,)
            for number, text in enumerate(texts):
                if isinstance(text, str) and name.lstrip("_").isupper() and _SQL.match(text):
                    yield f"{module.name}.{name}.{number}", text


STATEMENTS = dict(_statements())

PARTS: dict[str, dict[str, list[str]]] = {
    "anomaly_search": {"period": [">= '2025-01-01Z'", "< '2025-01-01Z'"]},
    "latest": {"period": [">= '2025-01-01Z'", "< '2025-01-01Z'"], "table": ["app.roll_up_day", "app.roll_up_hour"]},
}
"""By module: what stands in the places of a statement that has several forms; in all others only {since} does."""

BUILT = {"rolled_up", "samples", "snapshot_columns", "states"}
"""Modules that make statements for any number of parameters: integration/ranges and roll_ups execute them all."""


def forms(name: str) -> Iterator[str]:
    """A statement as it is executed, in each of its forms."""
    if name.partition(".")[0] in BUILT and "{" in STATEMENTS[name]:
        return
    parts = PARTS.get(name.partition(".")[0], {"since": ["2025-01-01Z"]})
    found = [part for part in parts if f"{{{part}}}" in STATEMENTS[name]]
    for chosen in itertools.product(*(parts[part] for part in found)):
        text = STATEMENTS[name]
        for part, value in zip(found, chosen, strict=True):
            text = text.replace(f"{{{part}}}", value)
        yield text


async def test_each_statement_of_the_store_can_be_prepared(database_url):
    refused = {}
    async with databases.connected(database_url) as connection:
        for name in STATEMENTS:
            for statement in forms(name):
                try:
                    await connection.prepare(statement)
                except asyncpg.PostgresError as error:
                    refused[name] = f"{error}: {statement}"
    assert refused == {}


def test_the_statements_are_found_by_their_names():
    """A module without one, and this test would pass for it in vain."""
    found = {name.partition(".")[0] for name in STATEMENTS}
    without = {"__init__", "changes", "positions", "rows"}
    assert found == {module.name for module in pkgutil.iter_modules(store.__path__)} - without
    assert len(STATEMENTS) > 60


T = "'2025-01-01Z'"
ROLL_UP = {
    "start": T, "first_at": T, "last_at": T, "snapshots": "30", "parameter_set_id": "1", "spacecraft_id": "'SC-1'",
    "minima": "'{1.5}'", "minima_at": "'{0}'", "maxima": "'{1.5}'", "maxima_at": "'{0}'", "lasts": "'{1.5}'",
}  # fmt: skip
ROWS: dict[str, dict[str, str]] = {
    "spacecraft": {"spacecraft_id": "'SC-1'"},
    "config": {
        "spacecraft_id": "'SC-0'", "version": "1", "document": "'{}'", "source": "'manual'", "recorded_by": "'nats'",
    },
    "parameter_set": {"digest": r"'\x000102030405060708090a0b0c0d0e0f'", "names": "'{temp}'"},
    "spacecraft_parameter_set": {"spacecraft_id": "'SC-1'", "parameter_set_id": "1"},
    "snapshot": {
        "spacecraft_id": "'SC-1'", "timestamp": T, "id": "'a'", "received_at": T, "config_version": "0",
        "parameter_set_id": "1", "numbers": "'{1.5,NULL}'", "others": "'{}'",
    },
    "anomaly": {
        "spacecraft_id": "'SC-1'", "timestamp": T, "snapshot_id": "'a'", "parameter": "'temp'", "kind": "'WARN_HIGH'",
        "severity": "'MEDIUM'", "config_version": "1", "detected_at": T, "body": "'{}'", "partition": "0",
        "stream_generation": "0", "stream_sequence": "1", "number_in_message": "0",
    },
    "misdated_anomaly": {
        "spacecraft_id": "'SC-1'", "detected_at": "'2025-01-02Z'", "timestamp": T, "snapshot_id": "'a'",
        "parameter": "'temp'", "severity": "'MEDIUM'",
    },
    "checkpoint": {"partition": "1"},
    "roll_up_minute": ROLL_UP,
    "roll_up_hour": ROLL_UP,
    "roll_up_day": ROLL_UP,
    "stale_hour": {"spacecraft_id": "'SC-1'", "hour": T},
    "roll_up_turn": {"partition": "1"},
    "event": {
        "id": "'e1'", "spacecraft_id": "'SC-1'", "timestamp": T, "type": "'INFO'", "severity": "'LOW'",
        "message": "'m'", "metadata": "'{}'",
    },
    "document": {
        "id": "'d1'", "spacecraft_id": "'SC-1'", "title": "'t'", "category": "'general'", "tags": "'{}'", "body": "''",
        "published_at": T,
    },
    "token": {
        "name": "'operator'", "key": "'0123456789abcdef'", "digest": "decode(repeat('00', 32), 'hex')",
        "role": "'reader'", "created_at": T,
    },
    "alarm": {
        "id": "'al_' || repeat('0', 32)", "spacecraft_id": "'SC-1'", "parameter": "'temp'", "check": "'LIMIT'",
        "partition": "0", "severity": "3", "start": T, "end": T, "raised_position": "decode(repeat('00', 17), 'hex')",
        "closed_position": "decode(repeat('00', 17), 'hex')", "episode": "'{}'", "cause": "'{}'", "waits": "true",
        "is_late": "false", "found_at": T, "revision": "1", "updated_at": T,
    },
    "alarm_transition": {
        "alarm_id": "'al_' || repeat('0', 32)", "revision": "1", "transition": "'RAISED'", "at": T,
        "spacecraft_id": "'SC-1'", "message": "'{}'",
    },
    "alarm_mark": {"spacecraft_id": "'SC-1'", "is_late": "true"},
    "config_start": {"spacecraft_id": "'SC-1'", "version": "1", "time": T},
    "config_check": {
        "spacecraft_id": "'SC-1'", "parameter": "'temp'", "check": "'LIMIT'", "has_persistence": "false",
        "first_version": "1",
    },
    "misdated_snapshot": {"spacecraft_id": "'SC-1'", "timestamp": T, "id": "'a'", "received_at": T},
    "alarm_shelf": {
        "spacecraft_id": "'SC-1'", "is_whole": "true", "by": "'alice'", "until": "'2199-01-01Z'", "reason": "'Test'",
    },
    "notification": {
        "route": "'night'", "target": "'ops'", "alarm_id": "'al_' || repeat('0', 32)", "revision": "1",
        "told_level": "1", "told_at": T, "is_silenced": "false",
    },
    "notification_message": {
        "route": "'night'", "target": "'ops'", "title": "'t'", "body": "'b'", "level": "1", "alarms": "1",
        "written_at": T, "next_attempt_at": T,
    },
    "notifier": {"is_only": "true"},
}  # fmt: skip
"""For each table a row that it takes."""

REFUSED: dict[str, tuple[str, str, list[str]]] = {
    "spacecraft_spacecraft_id_check": ("spacecraft", "spacecraft_id", ["''", "'a b'", "'-a'", "repeat('a', 65)"]),
    "spacecraft_config_version_check": ("spacecraft", "config_version", ["-1"]),
    "spacecraft_clock_ahead_check": ("spacecraft", "clock_ahead", ["-1", "'NaN'", "'infinity'"]),
    "spacecraft_silent_after_check": ("spacecraft", "silent_after", ["0", "'NaN'", "'infinity'"]),
    "config_version_check": ("config", "version", ["0"]),
    "config_document_check": ("config", "document", ["'[]'", "'1'"]),
    "config_source_check": ("config", "source", ["''"]),
    "config_recorded_by_check": ("config", "recorded_by", ["''"]),
    "config_reason_check": ("config", "reason", ["''", "repeat('x', 1025)"]),
    "parameter_set_digest_check": ("parameter_set", "digest", [r"'\x00'"]),
    "parameter_set_names_check": (
        "parameter_set", "names", ["'{}'", "'{a,NULL}'", "array_fill('a'::text, ARRAY[10001])"],
    ),
    "snapshot_timestamp_check": ("snapshot", "timestamp", ["'1899-12-31Z'", "'2200-01-01Z'"]),
    "snapshot_config_version_check": ("snapshot", "config_version", ["-1"]),
    "snapshot_id_check": ("snapshot", "id", ["''", "repeat('a', 129)"]),
    "snapshot_check": ("snapshot", "parameter_set_id", ["NULL"]),
    "anomaly_timestamp_check": ("anomaly", "timestamp", ["'1899-12-31Z'", "'2200-01-01Z'"]),
    "anomaly_kind_check": ("anomaly", "kind", ["''", "'warn'", "'WARN HIGH'", "'1ST'", "repeat('A', 33)"]),
    "anomaly_severity_check": ("anomaly", "severity", ["'FATAL'", "'low'"]),
    "anomaly_config_version_check": ("anomaly", "config_version", ["0"]),
    "misdated_anomaly_severity_check": ("misdated_anomaly", "severity", ["'FATAL'"]),
    "misdated_anomaly_check": ("misdated_anomaly", "timestamp", ["'2025-01-01T00:00:01Z'", "'2025-01-02T23:59:59Z'"]),
    "checkpoint_partition_check": ("checkpoint", "partition", ["-1"]),
    "checkpoint_check": ("checkpoint", "published_sequence", ["1"]),
    "roll_up_minute_snapshots_check": ("roll_up_minute", "snapshots", ["0"]),
    "stale_hour_hour_check": ("stale_hour", "hour", ["'2025-01-01T00:30Z'"]),
    "roll_up_turn_partition_check": ("roll_up_turn", "partition", ["-1"]),
    "event_id_check": ("event", "id", ["''", "'a b'", "repeat('a', 129)"]),
    "event_spacecraft_id_check": ("event", "spacecraft_id", ["''", "'a b'"]),
    "event_timestamp_check": ("event", "timestamp", ["'1899-12-31Z'", "'2200-01-01Z'"]),
    "event_type_check": ("event", "type", ["'OTHER'"]),
    "event_severity_check": ("event", "severity", ["'FATAL'"]),
    "event_message_check": ("event", "message", ["''", "repeat('a', 4097)"]),
    "event_metadata_check": ("event", "metadata", ["'[]'"]),
    "document_id_check": ("document", "id", ["''", "'search'", "'a b'"]),
    "document_spacecraft_id_check": ("document", "spacecraft_id", ["'a b'"]),
    "document_title_check": ("document", "title", ["''", "repeat('a', 513)"]),
    "document_category_check": ("document", "category", ["''", "repeat('a', 129)"]),
    "document_tags_check": ("document", "tags", ["'{a,NULL}'", "array_fill('a'::text, ARRAY[101])"]),
    "document_body_check": ("document", "body", ["repeat('a', 1000001)"]),
    "token_name_check": ("token", "name", ["''", "'nats'", "'http'", "'a b'"]),
    "token_key_check": ("token", "key", ["'0123456789ABCDEF'", "'01'"]),
    "token_digest_check": ("token", "digest", [r"'\x00'"]),
    "token_role_check": ("token", "role", ["'owner'"]),
    "token_spacecraft_check": ("token", "spacecraft", ["'{}'", "'{a,NULL}'", "'{a b}'"]),
    "token_check": ("token", "expires_at", [T]),
    "alarm_id_check": ("alarm", "id", ["''", "'al_1'", "'al_' || repeat('G', 32)", "repeat('0', 35)"]),
    "alarm_check_check": ("alarm", "check", ["''", "'limit'", "'OTHER'"]),
    "alarm_severity_check": ("alarm", "severity", ["0", "5"]),
    "alarm_raised_position_check": ("alarm", "raised_position", [r"'\x00'"]),
    "alarm_closed_position_check": ("alarm", "closed_position", [r"'\x00'"]),
    "alarm_acknowledgement_check": ("alarm", "acknowledgement", ["repeat('a', 4097)"]),
    "alarm_revision_check": ("alarm", "revision", ["0"]),
    "alarm_check": ("alarm", "end", ["NULL"]),
    "alarm_check1": ("alarm", "merged_into", ["'al_' || repeat('0', 32)"]),
    "alarm_check2": ("alarm", "acknowledged_by", ["'alice'"]),
    "alarm_check3": ("alarm", "parameter", ["''"]),
    "alarm_transition_revision_check": ("alarm_transition", "revision", ["0"]),
    "alarm_transition_transition_check": ("alarm_transition", "transition", ["''", "'raised'", "'OTHER'"]),
    "alarm_mark_check": ("alarm_mark", "parameter", ["'temp'"]),
    "alarm_mark_check1": ("alarm_mark", "first_position", [r"'\x00'"]),
    "config_check_check_check": ("config_check", "check", ["'SILENT'", "'limit'"]),
    "config_check_first_version_check": ("config_check", "first_version", ["0"]),
    "config_check_check": ("config_check", "end_version", ["1"]),
    "alarm_shelf_reason_check": ("alarm_shelf", "reason", ["''", "repeat('a', 4097)"]),
    "alarm_shelf_check": ("alarm_shelf", "until", ["'1900-01-01Z'"]),
    "notification_revision_check": ("notification", "revision", ["0"]),
    "notification_told_level_check": ("notification", "told_level", ["-1", "5"]),
    "notification_told_end_check": ("notification", "told_end", ["''", "'CLOSED'"]),
    "notification_check": ("notification", "told_at", ["NULL"]),
    "notification_message_level_check": ("notification_message", "level", ["-1", "5"]),
    "notification_message_alarms_check": ("notification_message", "alarms", ["0"]),
    "notification_message_attempts_check": ("notification_message", "attempts", ["-1"]),
    "notifier_is_only_check": ("notifier", "is_only", ["false"]),
}  # fmt: skip
"""For each CHECK a column and values that it refuses."""


@pytest.fixture
async def tables(database: Any) -> Any:
    """A connection to tables that take any time, and a spacecraft for configs."""
    await database.execute("INSERT INTO app.spacecraft (spacecraft_id) VALUES ('SC-0')")
    await database.execute("DELETE FROM app.notifier")
    for table in ("snapshot", "anomaly", "roll_up_minute", "roll_up_hour", "roll_up_day"):
        await database.execute(f"CREATE TABLE app.{table}_other PARTITION OF app.{table} DEFAULT")
    return database


async def insert(connection: Any, table: str, row: dict[str, str]) -> None:
    columns = ", ".join(f'"{column}"' for column in row)
    await connection.execute(f"INSERT INTO app.{table} ({columns}) VALUES ({', '.join(row.values())})")  # noqa: S608 - ours


async def test_each_rule_has_a_case_here(database):
    found = await database.fetch(
        """
        SELECT conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
        WHERE contype = 'c' AND connamespace = 'app'::regnamespace AND NOT relispartition
        """
    )
    assert {row[0] for row in found} == REFUSED.keys()


async def test_the_rows_from_which_the_cases_are_made_are_taken(tables):
    for table, row in ROWS.items():
        await insert(tables, table, row)


async def test_each_rule_refuses_what_it_is_there_to_refuse(tables):
    for constraint, (table, column, values) in REFUSED.items():
        for value in values:
            with pytest.raises(asyncpg.CheckViolationError) as refusal:
                await insert(tables, table, ROWS[table] | {column: value})
            assert refusal.value.constraint_name == constraint


async def test_a_clock_may_be_ahead_by_as_much_where_no_config_was_ever_set(database_url):
    async with databases.connected(database_url) as connection:
        await connection.execute("INSERT INTO app.spacecraft (spacecraft_id) VALUES ('SC-001')")
        assert await connection.fetchval("SELECT clock_ahead FROM app.spacecraft") == AHEAD
