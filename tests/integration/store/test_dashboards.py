"""The dashboards for Grafana: each query runs, as mission_reader, with its macros replaced as Grafana does."""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml

from missionops.store import anomalies, partitions
from missionops.store import database as databases
from missionops.store.anomalies import AnomalyRow
from tests import stored_telemetry

FOLDER = Path(__file__).parents[3] / "missionops" / "deploy" / "grafana"
DASHBOARDS = {file.stem: json.loads(file.read_text()) for file in sorted((FOLDER / "dashboards").glob("*.json"))}
SOURCE = {"type": "grafana-postgresql-datasource", "uid": "missionops"}

START = datetime(2025, 1, 31, 23, 0, tzinfo=UTC)
END = START + timedelta(hours=3)
ODD = 'it\'s "odd"; --'
"""A parameter whose name would end a literal."""
VARIABLES = {"spacecraft": "SC-1", "parameter": ODD, "state": "mode"}
LIMITS = {"parameters": {ODD: {"critLow": -5, "warnHigh": 4.5}, "off": {"warnHigh": 1, "off": "broken"}, "n": {}}}


def queries() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every query by the place that it stands in: of panels, annotations and variables."""
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield f"{name}/{panel['title']}/{target['refId']}", target
        for annotation in dashboard.get("annotations", {}).get("list", ()):
            yield f"{name}/annotation/{annotation['name']}", annotation["target"]
        for variable in dashboard.get("templating", {}).get("list", ()):
            yield f"{name}/variable/{variable['name']}", {"format": "table", "rawSql": variable["query"]}


QUERIES = dict(queries())


def expanded(query: str, variables: Mapping[str, str] = VARIABLES) -> str:
    """A query as Grafana sends it, for the time from START to END and a point for each minute."""
    query = query.replace("$__interval_ms", "60000").replace("$__interval", "1m")
    for name, value in variables.items():
        query = query.replace(f"${{{name}:sqlstring}}", "'" + value.replace("'", "''") + "'")
    first, last = (f"'{time:%Y-%m-%dT%H:%M:%SZ}'" for time in (START, END))
    query = re.sub(r"\$__timeFilter\(([^)]*)\)", rf"\1 BETWEEN {first} AND {last}", query)
    query = query.replace("$__timeFrom()", first).replace("$__timeTo()", last)
    query = re.sub(r"\$__timeGroupAlias\(([^,]*), 1m\)", r'floor(extract(epoch from \1)/60)*60 AS "time"', query)
    assert "$" not in query
    return query


@pytest.fixture(scope="module")
async def reader(module_database_url: str, as_role: Callable[[str, str], str]) -> AsyncIterator[Any]:
    """A connection as Grafana has it, to a database with two spacecraft, their telemetry, limits and anomalies."""
    async with databases.connected(module_database_url) as writer:
        await fill(writer)
    connection = await asyncpg.connect(as_role(module_database_url, "mission_reader"))
    yield connection
    await connection.close()


async def fill(writer: Any) -> None:
    modes = ["CRUISE", "CRUISE", "SAFE"]
    for spacecraft_id in ("SC-1", "SC-2"):
        await writer.execute("INSERT INTO app.spacecraft (spacecraft_id, name) VALUES ($1, 'One')", spacecraft_id)
        snapshots = [
            (START + timedelta(seconds=20 * n), {ODD: n / 10, "mode": modes[n // 20 % 3], "n": n}) for n in range(540)
        ]
        await stored_telemetry.add(writer, spacecraft_id, snapshots, config_version=2)
        await writer.execute(
            "INSERT INTO app.reception VALUES ($1, $2, $2, $2)", spacecraft_id, START + timedelta(hours=3)
        )
        for version, document in ((1, {"parameters": {ODD: {"warnHigh": 99}}}), (2, LIMITS)):
            await writer.execute(
                "INSERT INTO app.config VALUES ($1, $2, $3, 'manual', 'nats')",
                spacecraft_id, version, json.dumps(document).encode(),
            )  # fmt: skip
        await writer.execute("UPDATE app.spacecraft SET config_version = 2")
        await partitions.ensure(writer, partitions.ANOMALY, {START.date(), END.date()})
        body = json.dumps({"value": 5.5, "description": "Parameter p above warnHigh 4.5"}).encode()
        severities = ("HIGH", "MEDIUM", "MEDIUM")
        rows = [
            AnomalyRow(spacecraft_id, at := START + timedelta(hours=n), f"{n}", ODD, "WARN_HIGH", severity, 2, at, body,
                       0, 0, n + 1, 0)
            for n, severity in enumerate(severities)
        ]  # fmt: skip
        async with writer.transaction():
            await anomalies.add(writer, rows)
    await writer.execute(
        "INSERT INTO app.event (id, spacecraft_id, timestamp, type, severity, message, metadata)"
        " VALUES ('e', NULL, $1, 'INFO', 'LOW', 'hello', '{}')",
        START,
    )


@pytest.mark.parametrize("place", QUERIES)
async def test_a_query_answers(reader, place):
    target = QUERIES[place]
    rows = await reader.fetch(expanded(target["rawSql"]))
    assert rows
    if target["format"] == "time_series":  # one of times, in their order, and numbers; a text names the line
        assert next(iter(rows[0].keys())) == "time"
        assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
        numbers = [value for row in rows for name, value in row.items() if name not in {"time", "metric"}]
        assert all(isinstance(value, int | float) for value in numbers)


@pytest.mark.parametrize("place", [place for place, target in QUERIES.items() if "spacecraft:" in target["rawSql"]])
async def test_a_spacecraft_without_anything_is_an_empty_panel(reader, place):
    unknown = expanded(QUERIES[place]["rawSql"], VARIABLES | {"spacecraft": "'; DROP TABLE app.event; --"})
    assert await reader.fetch(unknown) == []


async def answers(reader: Any, place: str, **variables: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await reader.fetch(expanded(QUERIES[place]["rawSql"], VARIABLES | variables))]


async def test_a_plot_has_the_extremes_of_each_minute_and_the_limits_in_force(reader):
    plotted = await answers(reader, "spacecraft/$parameter/Values")
    assert len(plotted) == 180
    assert plotted[1] == (START + timedelta(minutes=1), 0.3, pytest.approx(0.4), 0.5)
    lines = await answers(reader, "spacecraft/$parameter/Limits")
    assert sorted(lines) == [
        (at, name, value) for at in (START, END) for name, value in (("critLow", -5.0), ("warnHigh", 4.5))
    ]
    for without in ("off", "n", "mode", "unknown"):
        assert await answers(reader, "spacecraft/$parameter/Limits", parameter=without) == []


async def test_states_begin_where_the_text_changes(reader):
    shown = await answers(reader, "spacecraft/$state/A")
    assert shown[:3] == [
        (START, "CRUISE"), (START + timedelta(minutes=40 / 3), "SAFE"), (START + timedelta(minutes=20), "CRUISE")
    ]  # fmt: skip
    assert await answers(reader, "spacecraft/$state/A", state="n") == []


async def test_the_fleet_counts_anomalies_of_the_time_shown(reader):
    [first, second] = await reader.fetch(expanded(QUERIES["fleet/Spacecraft, most anomalies first/A"]["rawSql"]))
    assert (first["spacecraft_id"], first["medium"], first["high"]) == ("SC-1", 2, 1)
    assert second["spacecraft_id"] == "SC-2"
    counted = await answers(reader, "fleet/Anomalies/A")
    assert [row[1:] for row in counted] == [("HIGH", 2), ("MEDIUM", 2), ("MEDIUM", 2)]


def test_every_part_of_a_dashboard_names_the_data_source_that_is_provisioned():
    [source] = yaml.safe_load((FOLDER / "datasources" / "missionops.yaml").read_text())["datasources"]
    assert {name: source[name] for name in SOURCE} == SOURCE
    assert source["user"] == "mission_reader"
    assert source["secureJsonData"] == {"password": "$POSTGRES_READER_PASSWORD"}
    for dashboard in DASHBOARDS.values():
        parts = [
            *dashboard["panels"],
            *dashboard.get("templating", {}).get("list", ()),
            *dashboard.get("annotations", {}).get("list", ()),
        ]
        assert [part["datasource"] for part in parts] == [SOURCE] * len(parts)
        variables = {variable["name"] for variable in dashboard.get("templating", {}).get("list", ())}
        used = set(re.findall(r"\$\{(\w+):sqlstring\}", json.dumps(dashboard)))
        assert used | {panel["repeat"] for panel in dashboard["panels"] if "repeat" in panel} <= variables
    assert f'"/d/{DASHBOARDS["spacecraft"]["uid"]}?var-spacecraft=' in json.dumps(DASHBOARDS["fleet"])


def test_grafana_reads_the_dashboards_where_the_docs_mount_them():
    [provider] = yaml.safe_load((FOLDER / "dashboards" / "missionops.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "/etc/grafana/provisioning/dashboards"
    text = (Path(__file__).parents[3] / "docs" / "running.md").read_text()
    for kind in ("datasources", "dashboards"):
        assert f"missionops/deploy/grafana/{kind}:/etc/grafana/provisioning/{kind}:ro" in text
    assert len({dashboard["uid"] for dashboard in DASHBOARDS.values()}) == len(DASHBOARDS) == 2
