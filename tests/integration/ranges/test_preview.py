"""Previews of configs: what one would have found in stored telemetry, beside what was found."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import pytest

from missionops.domain import history, limits, severity, timestamp
from missionops.domain.history import JudgedSnapshot
from missionops.domain.limits import Rules
from missionops.operations import preview, preview_cursor
from tests import stored_telemetry
from tests.integration.ranges import conftest
from tests.integration.ranges.conftest import Hurried

pytestmark = pytest.mark.shared_service

START = datetime(2025, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DRAFT = {
    "parameters": {
        "a": {"warnHigh": 4, "critHigh": 8, "deadband": 1, "raise": {"samples": 2}},
        "b": {"change": {"per": "second", "warn": 3}, "staleAfter": 2},
        "mode": {"states": {"SAFE": "HIGH"}, "when": [{"if": {"a": {"above": 5}}, "otherwise": "LOW"}]},
        "none": {"warnHigh": 1},
    }
}


class Previewer:
    def __init__(self, client: Any) -> None:
        self.client = client

    async def page(self, spacecraft_id: str, config: Any, **more: Any) -> tuple[Any, str | None]:
        request = {"config": config, "from": START.isoformat(), "to": (START + timedelta(days=1)).isoformat(), **more}
        subject = f"missionops.config.preview.{spacecraft_id}"
        reply = await self.client.request(subject, json.dumps(request).encode(), timeout=6)
        return json.loads(reply.data), (reply.headers or {}).get("Missionops-Next-Cursor")

    async def pages(self, spacecraft_id: str, config: Any, **more: Any) -> list[Any]:
        found, cursor = await self.page(spacecraft_id, config, **more)
        pages = [found]
        while cursor:
            assert not found["complete"], found
            assert len(cursor) <= preview_cursor.MOST_BYTES
            found, cursor = await self.page(spacecraft_id, config, **{**more, "cursor": cursor})
            pages.append(found)
        assert found["complete"], found
        return pages


@pytest.fixture
def previewer(service, client) -> Previewer:
    return Previewer(client)


def snapshots(count: int, seed: int = 1) -> list[tuple[datetime, Mapping[str, Any]]]:
    random = Random(seed)  # noqa: S311 - a seed that is known
    found: list[tuple[datetime, Mapping[str, Any]]] = []
    for number in range(count):
        values: dict[str, Any] = {"a": random.randint(0, 9), "mode": random.choice(("ON", "SAFE"))}
        if random.random() < 0.6:
            values["b"] = random.choice((random.random() * 10, None, 2**60))
        found.append((START + number // 2 * SECOND, values))
    return found


def expected(told: Sequence[tuple[datetime, Mapping[str, Any]]], rules: Mapping[int, Rules], versions: Sequence[int]):
    """Count of alarms by parameter and severity, as the fold of all finds them."""
    found: dict[str, dict[str, int]] = {}
    judged = [
        JudgedSnapshot(
            (at := timestamp.to_microseconds(when), at, f"{number:08}"), values, versions[number % len(versions)]
        )
        for number, (when, values) in enumerate(told)
    ]
    for alarm in history.alarms(judged, rules):
        counts = found.setdefault(alarm.parameter, {})
        level = severity.AT_LEVEL[alarm.episode.severity]
        counts[level] = counts.get(level, 0) + 1
    return found


def added(pages: Sequence[Any], side: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for page in pages:
        for name in page["restarted"]:
            found.pop(name, None)
        for one in page["parameters"]:
            for level, count in one[side]["bySeverity"].items():
                counts = found.setdefault(one["parameter"], {})
                counts[level] = counts.get(level, 0) + count
    return found


@pytest.fixture
def store(store, database):
    """As elsewhere, and the newest of the configs is in force."""

    async def stored(*args: Any, versions: Sequence[int] = (), **more: Any) -> str:
        spacecraft_id = await store(*args, versions=versions, **more)
        if versions:
            await database.execute(
                "UPDATE app.spacecraft SET config_version = 3 WHERE spacecraft_id = $1", spacecraft_id
            )
        return spacecraft_id

    return stored


@pytest.mark.parametrize("is_hurried", [False, True])
async def test_what_was_found_stands_beside_what_would_have_been(previewer, store, monkeypatch, is_hurried):
    told = snapshots(300)
    spacecraft_id = await store(told, versions=[1, 2])
    if is_hurried:
        monkeypatch.setattr(preview, "ReadingPace", Hurried)
    pages = await previewer.pages(spacecraft_id, DRAFT)
    assert (len(pages) > 40) == is_hurried
    assert sum(page["snapshots"] for page in pages) == 300
    by_version = {
        number: limits.compile_rules({"parameters": dict.fromkeys(conftest.NUMBERS, one)})
        for number, one in enumerate(conftest.LIMITS, 1)
    }
    draft = limits.compile_rules(DRAFT)
    assert added(pages, "now") == expected(told, by_version, [1, 2])
    assert added(pages, "then") == expected(told, {1: draft, 2: draft}, [1, 2])
    counts = {one["parameter"]: one["count"] for one in pages[0]["parameters"]} if len(pages) == 1 else None
    assert counts is None or counts == {
        "a": 300, "b": sum(values.get("b") is not None for _, values in told), "large": 0, "mode": 300, "none": 0,
    }  # fmt: skip


async def test_a_part_says_all_that_is_asked(previewer, store):
    values = [20, 46, 47, 20, 71, 20, 46]
    spacecraft_id = await store([(START + number * SECOND, {"a": value}) for number, value in enumerate(values)])
    [found] = await previewer.pages(spacecraft_id, {"parameters": {"a": {"warnHigh": 45, "critHigh": 70}}})
    [one] = found.pop("parameters")
    assert found == {
        "from": "2025-03-01T00:00:00Z", "to": "2025-03-02T00:00:00Z", "until": "2025-03-02T00:00:00Z",
        "complete": True, "progress": 1.0, "snapshots": 7, "restarted": [], "warnings": [],
        "faults": [],
    }  # fmt: skip
    observed = one.pop("observed")
    assert (observed["min"], observed["max"], observed["p01"]) == (20, 71, 20)
    assert 70 < observed["p99"] <= 71
    assert one.pop("now") == {"alarms": 0, "bySeverity": {}, "seconds": 0, "anomalies": 0}
    assert one.pop("then") == {"alarms": 3, "bySeverity": {"MEDIUM": 2, "HIGH": 1}, "seconds": 3, "anomalies": 4}
    at = "2025-03-01T00:00:0{}Z".format
    assert one.pop("gained") == [
        {"check": "LIMIT", "severity": level, "start": at(start), "raisedAt": at(start), "end": end and at(end),
         "peak": {"timestamp": at(peak), "value": value}}
        for level, start, end, peak, value in (
            ("HIGH", 4, 5, 4, 71), ("MEDIUM", 6, None, 6, 46), ("MEDIUM", 1, 3, 2, 47),
        )
    ]  # fmt: skip
    counts = {"gained": 3, "lost": 0, "changed": 0}
    assert one == {"parameter": "a", "count": 7, "counts": counts, "lost": [], "changed": []}


async def test_what_is_changed_and_lost(previewer, store):
    spacecraft_id = await store([(START + n * SECOND, {"a": n % 8}) for n in range(16)], versions=[1])
    [found] = await previewer.pages(spacecraft_id, {"parameters": {"a": {"critHigh": 6}}})
    a, b, _ = found["parameters"]
    assert (a["counts"], b["counts"]) == (
        {"gained": 0, "lost": 0, "changed": 2},
        {"gained": 0, "lost": 0, "changed": 0},
    )
    assert [(one["now"]["severity"], one["then"]["severity"]) for one in a["changed"]] == [("MEDIUM", "HIGH")] * 2
    [found] = await previewer.pages(spacecraft_id, {})
    a, b, _ = found["parameters"]
    assert [one["severity"] for one in a["lost"]] == ["MEDIUM"] * 2
    assert (a["now"]["alarms"], a["then"]["alarms"]) == (2, 0)


async def test_misdated_snapshots_stand_at_their_reception(previewer, store, database):
    spacecraft_id = await store([(START + n * SECOND, {"a": 9 if n == 5 else n}) for n in range(5)])
    late = [(START + timedelta(days=400), {"a": 9})]
    await stored_telemetry.add(
        database, spacecraft_id, late, received_at=START + timedelta(seconds=2, milliseconds=500)
    )
    await database.execute(
        'INSERT INTO app.misdated_snapshot SELECT spacecraft_id, "timestamp", id, received_at FROM app.snapshot '
        "WHERE spacecraft_id = $1 AND \"timestamp\" > '2026-01-01Z'", spacecraft_id,
    )  # fmt: skip
    [found] = await previewer.pages(spacecraft_id, {"parameters": {"a": {"warnHigh": 5}}})
    [one] = found["parameters"][0]["gained"]
    assert (found["snapshots"], one["start"], one["end"]) == (6, "2025-03-01T00:00:02.500000Z", "2025-03-01T00:00:03Z")
    assert one["peak"]["timestamp"].startswith("2026-04-05")


async def test_over_http_the_body_is_the_document(service, previewer, store):
    spacecraft_id = await store(snapshots(50), versions=[1])
    [over_nats] = await previewer.pages(spacecraft_id, DRAFT)
    between = {"from": over_nats["from"], "to": over_nats["to"]}
    path = f"/spacecraft/{spacecraft_id}/config/preview"
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        reply = await http.post(path, params=between, json=DRAFT)
        assert (reply.status_code, reply.json()) == (200, over_nats)
        for params, path_of_fault in (
            ({}, "from"),
            ({**between, "config": "{}"}, "config"),
            ({**between, "x": 1}, "x"),
        ):
            reply = await http.post(path, params=params, json=DRAFT)
            assert (reply.status_code, reply.json()["error"]["details"][0]["path"]) == (400, path_of_fault)


@pytest.mark.parametrize(
    ("config", "more", "path"),
    [
        ({"parameters": {"a": {"warnHigh": 5, "critHigh": 4}}}, {}, "parameters.a.critHigh"),
        ([], {}, "body"),
        (DRAFT, {"from": "2025-03-03T00:00:00Z"}, "to"),
        (DRAFT, {"from": "yesterday"}, "from"),
        (DRAFT, {"cursor": "AAAA"}, "cursor"),
        (DRAFT, {"cursor": "ü"}, "cursor"),
        (DRAFT, {"limit": 1}, "limit"),
    ],
)
async def test_bad_input_is_refused_with_its_path(previewer, config, more, path):
    found, _ = await previewer.page("NEW", config, **more)
    assert found["error"]["details"][0]["path"] == path


async def test_faults_are_an_answer_where_they_are_asked_for(previewer, store):
    config = {"parameters": {"a": {"warnHigh": 5, "critHigh": 4}}}
    found, cursor = await previewer.page("NEW", config, faults=True)
    assert ([one["path"] for one in found["faults"]], found["complete"], cursor) == (
        ["parameters.a.critHigh"], False, None,
    )  # fmt: skip
    [found] = await previewer.pages(await store(snapshots(5)), DRAFT, faults=True)
    assert (found["faults"], found["snapshots"]) == ([], 5)


async def test_a_cursor_continues_its_own_preview_alone(previewer, store, monkeypatch):
    monkeypatch.setattr(preview, "ReadingPace", Hurried)
    spacecraft_id = await store(snapshots(50))
    _, cursor = await previewer.page(spacecraft_id, DRAFT)
    found, _ = await previewer.page(spacecraft_id, {}, cursor=cursor)
    assert found["error"]["message"] == "cursor is none that this service gave out for this config and range"


async def test_a_range_of_all_times_and_a_spacecraft_without_telemetry(previewer):
    between = {"from": "1900-01-01T00:00:00Z", "to": "2199-12-31T23:59:59Z"}
    [found] = await previewer.pages("NOBODY", DRAFT, **between)
    assert (found["snapshots"], [one["count"] for one in found["parameters"]]) == (0, [0, 0, 0, 0])
    [found] = await previewer.pages("NOBODY", {}, **between)
    assert found["parameters"] == []


async def test_many_rules_are_taken_in_groups(previewer, store, monkeypatch):
    """What is open of all of them does not fit into a cursor, and so what was read of some is read again."""
    monkeypatch.setattr(preview, "ReadingPace", Hurried)
    names = [f"p{number:03}" for number in range(300)]
    random = Random(1)  # noqa: S311 - a seed that is known
    told = [(START + n * SECOND, {name: random.random() * 10 if n > 7 else 0.5 for name in names}) for n in range(20)]
    spacecraft_id = await store(told, names=names)
    config = {"parameters": {name: {"critHigh": 3, "change": {"per": "sample", "warn": 3}} for name in names}}
    monkeypatch.setattr(preview_cursor, "MOST_BYTES", 2_000)
    pages = await previewer.pages(spacecraft_id, config)
    assert any(page["restarted"] for page in pages)
    assert added(pages, "then") == expected(told, {0: limits.compile_rules(config)}, [0])
    assert sum(page["snapshots"] for page in pages) == 20
    progress = [page["progress"] for page in pages]
    assert progress[-1] == 1


async def test_the_longest_cursors_fit_into_a_query(service, previewer, store, monkeypatch):
    monkeypatch.setattr(preview, "ReadingPace", Hurried)
    names = [f"p{number:03}" for number in range(250)]
    random = Random(2)  # noqa: S311 - a seed that is known
    told = [(START + n * SECOND, {name: random.random() * 10 for name in names}) for n in range(20)]
    spacecraft_id = await store(told, names=names)
    config = {"parameters": {name: {"critHigh": 3, "change": {"per": "sample", "warn": 3}} for name in names}}
    page, cursor = await previewer.page(spacecraft_id, config)
    assert 8_000 < len(cursor) <= preview_cursor.MOST_BYTES
    params = {"from": page["from"], "to": page["to"], "cursor": cursor}
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        reply = await http.post(f"/spacecraft/{spacecraft_id}/config/preview", params=params, json=config)
    following, _ = await previewer.page(spacecraft_id, config, cursor=cursor)
    assert (reply.status_code, reply.json()) == (200, following)


async def test_ten_thousand_rules(previewer, store):
    spacecraft_id = await store(snapshots(100), versions=[1])
    config = {"parameters": {f"p{number:05}": {"warnHigh": number, "critHigh": number + 1} for number in range(10_000)}}
    pages = await previewer.pages(spacecraft_id, config)
    assert len({one["parameter"] for page in pages for one in page["parameters"]}) == 10_003


async def test_large_texts_are_read_and_cut(previewer, store):
    texts = ["x" * 300_000, "SAFE", "y" * 3_000, "SAFE"]
    spacecraft_id = await store([(START + n * SECOND, {"mode": text}) for n, text in enumerate(texts)])
    [found] = await previewer.pages(
        spacecraft_id, {"parameters": {"mode": {"states": {"SAFE": None}, "otherwise": "LOW"}}}
    )
    [one] = found["parameters"]
    assert [len(each["peak"]["value"]) for each in one["gained"]] == [257, 257]


async def test_what_a_preview_cannot_show_is_said(previewer, store):
    spacecraft_id = await store(snapshots(5), versions=[1])
    config = {"parameters": {"A": {"warnHigh": 1}}, "clock": {"ahead": 5}, "silentAfter": 60}
    [found] = await previewer.pages(spacecraft_id, config)
    assert [one["path"] for one in found["warnings"]] == ["parameters.A", "clock", "silentAfter"]


async def test_a_config_that_was_set_ends_what_it_does_not_check(previewer, store, database):
    told = [(START + n * SECOND, {"a": 9} if n < 3 else {"b": 0}) for n in range(8)]
    spacecraft_id = await store(told, versions=[1])
    await database.execute(
        "INSERT INTO app.config_start VALUES ($1, 3, $2)", spacecraft_id, START + timedelta(seconds=4, milliseconds=500)
    )
    [found] = await previewer.pages(spacecraft_id, {"parameters": {"a": {"warnHigh": 5}}})
    [one] = found["parameters"][0]["changed"]
    assert (one["now"]["end"], one["then"]["end"]) == ("2025-03-01T00:00:04.500000Z", None)
    assert (found["parameters"][0]["now"]["seconds"], found["parameters"][0]["then"]["seconds"]) == (4.5, 7)


async def test_the_command_adds_up_the_parts(run, previewer, store, monkeypatch, tmp_path):
    spacecraft_id = await store(snapshots(300), versions=[1])
    (tmp_path / "draft.json").write_text(json.dumps(DRAFT))
    words = ("preview-config", spacecraft_id, "--file", str(tmp_path / "draft.json"), "--from", "2025-03-01")
    _, out, _ = await run(*words, "--to", "2025-03-01", "--json")
    whole = json.loads(out)
    monkeypatch.setattr(preview, "ReadingPace", Hurried)
    monkeypatch.setattr(preview_cursor, "MOST_BYTES", 600)  # so that some parameters are read again
    code, out, err = await run(*words, "--to", "2025-03-01", "--json")
    parts = json.loads(out)
    assert (code, "100 %" in err) == (0, True)
    for one, other in zip(whole["parameters"], parts["parameters"], strict=True):
        if one["observed"]:
            for name in ("p01", "p99"):
                assert one["observed"].pop(name) == pytest.approx(other["observed"].pop(name), abs=0.2)
            del one["observed"]["digest"], other["observed"]["digest"]
        assert one == other
    assert (whole["snapshots"], whole["complete"]) == (parts["snapshots"], parts["complete"]) == (300, True)


async def test_the_table_says_what_would_change(run, store, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    spacecraft_id = await store([(START + n * SECOND, {"a": n % 8}) for n in range(16)], versions=[1])
    (tmp_path / "draft.json").write_text('{"parameters": {"a": {"critHigh": 6}, "none": {"warnHigh": 1}}}')
    words = ("preview-config", spacecraft_id, "--file", str(tmp_path / "draft.json"))
    code, out, err = await run(*words, "--from", "2025-03-01", "--to", "2025-03-01")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0
    assert f"{spacecraft_id}: 16 snapshots, 2025-03-01 00:00:00 to 2025-03-01 23:59:59 UTC" in lines
    assert any(line.startswith("a 16 0 0 7 7 4 → 2 2 ") for line in lines), lines
    assert "Not in the table: 3 parameters without a value in this range." in lines
    assert "In all: 2 changed." in lines
    assert (
        "changed a LIMIT MEDIUM 2025-03-01 00:00:06 to 2025-03-01 00:00:08, peak 7 "
        "becomes HIGH 2025-03-01 00:00:07 to 2025-03-01 00:00:08, peak 7"
    ) in lines
    assert "Warning: parameters.none was never seen" in err
    monkeypatch.setenv("COLUMNS", "80")
    _, out, err = await run(*words, "--from", "2025-03-01", "--to", "2025-03-01")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert any(line.startswith("a 16 0 7 4 → 2 2 ") for line in lines), lines
    assert "A terminal of 120 columns also shows p01, p99, alarms that differ." in err


async def test_set_config_shows_changes_and_effect_first(run, store, database, tmp_path):
    spacecraft_id = await store([(START + n * SECOND, {"a": n % 8}) for n in range(16)], versions=[1])
    draft = tmp_path / "draft.json"
    draft.write_text('{"parameters": {"a": {"critHigh": 6}, "b": {"warnHigh": 4, "warnLow": 1}, "large": {}}}')
    warning = "Warning: parameters.large has no limit, so nothing is checked"
    await run("set-config", spacecraft_id, "--version", "1", "--yes")
    words = ("set-config", spacecraft_id, "--file", str(draft), "--preview", "2025-03-01")
    code, out, err = await run(*words)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 1
    assert err.index(warning) < err.index(
        "Not set. This is what it would have found. If that is what you want, add --yes."
    )
    for line in ("gone a: warnHigh 5", "new a: critHigh 6", "changed b: warnHigh 4 (before: 5)", "new b: warnLow 1"):
        assert line in lines
    assert any(line.startswith("In all: 2 changed") for line in lines)
    code, out, err = await run(*words, "--yes")
    assert (code, "config version 5 in force" in out, err.count(warning)) == (0, True, 1)
