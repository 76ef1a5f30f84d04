"""A preview is exact: it finds the alarms that a spacecraft has once the config is in force; all over the wire."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import pytest

from missionops.operations import preview, range_reading
from tests import stored_telemetry
from tests.integration.alarms.test_any_order import until_settled
from tests.integration.ranges.conftest import Hurried
from tests.wait import until_async

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
OLD: Sequence[Any] = (
    {"parameters": {"temp": {"warnHigh": 6}, "mode": {"states": {"SAFE": "LOW"}}}},
    {"parameters": {"temp": {"warnHigh": 7, "critHigh": 8}, "gone": {"warnLow": 1}}},
)
DRAFT = {
    "parameters": {
        "temp": {"warnHigh": 5, "critHigh": 8, "deadband": 1, "raise": {"samples": 2}, "clear": {"seconds": 2}},
        "volts": {"change": {"per": "second", "warn": 2, "crit": 6, "within": 5}, "staleAfter": 4},
        "mode": {"states": {"SAFE": "HIGH"}, "when": [{"if": {"temp": {"above": 7}}, "states": {"ON": "LOW"}}]},
        "spare": {"off": "not mounted"},
    }
}

Snapshot = tuple[datetime, Mapping[str, Any]]


def snapshots(count: int) -> list[Snapshot]:
    random = Random(5)  # noqa: S311 - a seed that is known
    found: list[Snapshot] = []
    for number in range(count):
        values: dict[str, Any] = {"temp": random.randint(0, 9), "mode": random.choice(("ON", "SAFE", None))}
        if random.random() < 0.4:
            values["volts"] = random.choice((random.random() * 9, None, random.randint(0, 9)))
        found.append((START + number * SECOND, values))
    return found


class Mission:
    """Spacecraft that report, and what is asked about them."""

    def __init__(self, client: Any, database: Any) -> None:
        self.client = client
        self.database = database
        self.pages = 0
        """Of the last preview."""
        self._sent = 0

    async def ask(self, subject: str, **request: Any) -> Any:
        reply = await self.client.request(f"missionops.{subject}", json.dumps(request).encode(), timeout=5)
        found = json.loads(reply.data)
        assert "error" not in found, found
        return found

    async def set(self, name: str, document: Any) -> None:
        await self.ask(f"config.set.{name}", **document)

    async def report(self, name: str, told: Sequence[Snapshot]) -> None:
        """Report, and wait until all alarms were found."""
        for when, values in told:
            body = {"timestamp": when.isoformat(), "parameters": values, "id": when.isoformat()}
            await self.client.publish(f"telemetry.{name}", json.dumps(body).encode())
        await self.client.flush()
        self._sent += len(told)
        await until_settled(self.database, self._sent)

    async def preview(self, name: str, document: Any, **more: Any) -> dict[str, Any]:
        """What all pages hold together, by parameter."""
        between = {"from": START.isoformat(), "to": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
        request = {"config": document, **between, **more}
        pages: list[Any] = []
        cursor: str | None = None
        while not pages or cursor:
            given = {**request, "cursor": cursor} if cursor else request
            subject = f"missionops.config.preview.{name}"
            reply = await self.client.request(subject, json.dumps(given).encode(), timeout=4)
            pages.append(json.loads(reply.data))
            cursor = (reply.headers or {}).get("Missionops-Next-Cursor")
            assert pages[-1]["complete"] == (cursor is None)
        self.pages = len(pages)
        return added(pages)

    async def alarms(self, name: str) -> list[Any]:
        found = await self.ask(f"alarms.list.{name}", limit=1000)
        return [one for one in found if one["state"] != "RETRACTED"]


def added(pages: Sequence[Any]) -> dict[str, Any]:
    """The parts add up: the first page, to which all others are added."""
    found: dict[str, Any] = {}
    for one in (one for page in pages for one in page["parameters"]):
        known = found.setdefault(one["parameter"], one)
        if known is one:
            continue
        known["count"] += one["count"]
        for side in ("now", "then"):
            for name in ("alarms", "seconds", "anomalies"):
                known[side][name] += one[side][name]
            severities = Counter(known[side]["bySeverity"]) + Counter(one[side]["bySeverity"])
            known[side]["bySeverity"] = dict(severities)
        for name in ("gained", "lost", "changed"):
            known["counts"][name] += one["counts"][name]
            known[name] += one[name]
    return found


def tally(alarms: Sequence[Any], until: datetime) -> dict[str, Any]:
    """What a preview says of them."""
    seconds = sum(
        (datetime.fromisoformat(one["end"] or until.isoformat()) - datetime.fromisoformat(one["start"])).total_seconds()
        for one in alarms
    )
    severities = Counter(one["severity"] for one in alarms)
    return {"alarms": len(alarms), "bySeverity": dict(severities), "seconds": pytest.approx(seconds)}


def shown(alarms: Sequence[Any]) -> list[str]:
    """Each as a preview shows it, in the order of their texts."""
    found = []
    for one in alarms:
        peak = one["peak"] and [one["peak"]["timestamp"], one["peak"]["value"]]
        found.append(json.dumps([*(one[name] for name in ("check", "severity", "start", "raisedAt", "end")), peak]))
    return sorted(found)


@pytest.fixture
def mission(service, client, database) -> Mission:
    return Mission(client, database)


@pytest.mark.parametrize("is_hurried", [False, True])
async def test_a_preview_finds_the_alarms_that_the_config_finds_once_it_is_in_force(mission, monkeypatch, is_hurried):
    if is_hurried:
        monkeypatch.setattr(preview, "ReadingPace", Hurried)
    told = snapshots(60)
    await mission.report("NO-CONFIG", told)
    await mission.set("CONFIGURED", DRAFT)
    await mission.report("CONFIGURED", told)
    found = await mission.preview("NO-CONFIG", DRAFT)
    alarms = await mission.alarms("CONFIGURED")
    assert {one["check"] for one in alarms} == {"LIMIT", "CHANGE", "STALE", "STATE"}
    anomalies = Counter(one["parameter"] for one in await mission.ask("anomalies.list.CONFIGURED", limit=1000))
    for name, one in found.items():
        of_name = [alarm for alarm in alarms if alarm["parameter"] == name]
        assert shown(one["gained"]) == shown(of_name), name
        expected = tally(of_name, told[-1][0]) | {"anomalies": anomalies[name]}
        assert one["then"] == expected
        assert one["now"] == {"alarms": 0, "bySeverity": {}, "seconds": 0, "anomalies": 0}
        assert one["count"] == sum(values.get(name) is not None for _, values in told)
    # Where the config is in force already nothing differs.
    for one in (await mission.preview("CONFIGURED", DRAFT)).values():
        assert one["now"] == one["then"]
        assert one["counts"] == {"gained": 0, "lost": 0, "changed": 0}


async def test_what_was_found_are_the_alarms_there_are_with_late_telemetry_and_several_versions(mission):
    told = snapshots(60)
    late = told[5:15]
    await mission.set("SC-001", OLD[0])
    await mission.report("SC-001", told[:5] + told[15:30])
    await mission.set("SC-001", OLD[1])
    await mission.report("SC-001", late[::-1] + told[30:])
    alarms = await mission.alarms("SC-001")
    found = await mission.preview("SC-001", DRAFT)
    assert {*found} == {"temp", "volts", "mode", "spare", "gone"}
    for name, one in found.items():
        of_name = [alarm for alarm in alarms if alarm["parameter"] == name]
        expected = tally(of_name, told[-1][0])
        assert {key: one["now"][key] for key in expected} == expected, name
        # What is there on both sides is lost, changed, or the same.
        same = one["now"]["alarms"] - one["counts"]["lost"] - one["counts"]["changed"]
        assert same + one["counts"]["changed"] + one["counts"]["gained"] == one["then"]["alarms"]
    await mission.set("OTHER", DRAFT)
    await mission.report("OTHER", told)
    for name, one in found.items():
        of_name = [alarm for alarm in await mission.alarms("OTHER") if alarm["parameter"] == name]
        expected = tally(of_name, told[-1][0])
        assert {key: one["then"][key] for key in expected} == expected, name


async def test_the_range_has_both_its_ends_and_nothing_was_before_it(mission):
    told = [(START + number * SECOND, {"temp": 9}) for number in range(10)]
    await mission.report("SC-001", told)
    document = {"parameters": {"temp": {"warnHigh": 5, "raise": {"samples": 3}}}}
    given = {"from": told[2][0].isoformat(), "to": told[5][0].isoformat()}
    found = (await mission.preview("SC-001", document, **given))["temp"]
    [alarm] = found["gained"]
    assert (found["count"], alarm["start"], alarm["raisedAt"]) == (
        4, "2026-01-01T00:00:02Z", "2026-01-01T00:00:04Z",
    )  # fmt: skip
    for moment, count in ((told[3][0], 1), (told[3][0] + SECOND / 2, 0)):  # a range of one moment
        given = {"from": moment.isoformat(), "to": moment.isoformat()}
        found = (await mission.preview("SC-001", document, **given))["temp"]
        assert (found["count"], found["then"]["alarms"], found["observed"] is None) == (count, 0, not count)


async def test_twenty_of_each_are_shown_the_worst_first_and_all_are_counted(mission):
    told = [
        (START + number * SECOND, {"temp": value, "volts": value})
        for number, value in enumerate(value for peak in range(25) for value in (6 + peak, 0))
    ]
    await mission.set("SC-001", {"parameters": {"temp": {"warnHigh": 5}}})
    await mission.report("SC-001", told)
    document = {"parameters": {"volts": {"warnHigh": 5, "critHigh": 20}}}
    found = await mission.preview("SC-001", document)
    assert (len(found["temp"]["lost"]), found["temp"]["counts"]["lost"]) == (20, 25)
    gained = [one["severity"] for one in found["volts"]["gained"]]
    assert gained == ["HIGH"] * 10 + ["MEDIUM"] * 10
    assert found["volts"]["counts"]["gained"] == 25
    assert found["volts"]["then"] == {
        "alarms": 25, "bySeverity": {"MEDIUM": 15, "HIGH": 10}, "seconds": 25, "anomalies": 25,
    }  # fmt: skip


async def test_what_was_observed_are_the_numbers_of_the_range(mission):
    random = Random(3)  # noqa: S311 - a seed that is known
    numbers = [random.gauss(20, 5) for _ in range(2_000)]
    told = [(START + number * SECOND, {"temp": value}) for number, value in enumerate(numbers)]
    await mission.report("SC-001", [*told, (told[-1][0] + SECOND, {"temp": "TEXT"})])
    observed = (await mission.preview("SC-001", {"parameters": {"temp": {"warnHigh": 40}}}))["temp"]["observed"]
    numbers.sort()
    assert (observed["min"], observed["max"]) == (numbers[0], numbers[-1])
    assert numbers[10] <= observed["p01"] <= numbers[30]
    assert numbers[-31] <= observed["p99"] <= numbers[-11]


async def test_nothing_is_kept_published_or_changed(mission, service, database):
    await mission.set("SC-001", OLD[0])
    await mission.report("SC-001", snapshots(30))

    async def state() -> Any:
        tables = ("spacecraft", "config", "config_start", "snapshot", "anomaly", "alarm", "alarm_transition", "event")
        text = "SELECT md5(string_agg(one::text, ' ' ORDER BY one::text)) FROM app.{} AS one".format
        contents = {name: await database.fetchval(text(name)) for name in tables}
        streams = {
            name: (await mission.client.jetstream().stream_info(name)).state.last_seq
            for name in ("TELEMETRY", "ANOMALIES", "ALARMS", "EVENTS", "DEADLETTERS")
        }
        return contents, streams

    are_told = "SELECT count(*) > 0 AND NOT bool_or(is_waiting) FROM app.alarm_transition"
    await until_async(lambda: database.fetchval(are_told), "that each transition is published")
    before = await state()
    await mission.preview("SC-001", DRAFT)
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        params = {"from": START.isoformat(), "to": datetime.now(UTC).isoformat()}
        assert (await http.post("/spacecraft/SC-001/config/preview", params=params, json=DRAFT)).status_code == 200
        # Of a spacecraft that nobody knows neither a config nor a registration is left.
        assert (await http.post("/spacecraft/NOBODY/config/preview", params=params, json=DRAFT)).status_code == 200
        assert (await http.get("/spacecraft/NOBODY")).status_code == 404
    assert await state() == before


@pytest.mark.shared_service
@pytest.mark.parametrize(
    ("request_", "path"),
    [
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}, "config"),
        ({"config": {}, "from": "2026-01-01T00:00:00Z"}, "to"),
        ({"config": {}, "to": "2026-01-01T00:00:00Z"}, "from"),
        ({"config": {"parameters": {"temp": {"warnHih": 1}}}}, "parameters.temp.warnHih"),
        ({"config": {"parameters": {"temp": {"deadband": -1, "warnHigh": 1}}}}, "parameters.temp.deadband"),
        ({"config": {"parameters": {"temp": {"raise": {"samples": 0}}}}}, "parameters.temp.raise.samples"),
        ({"config": {"parameters": {"temp": {"when": [{"if": {}}]}}}}, "parameters.temp.when"),
        ({"config": {"silentAfter": 1}}, "silentAfter"),
        ({"config": None}, "body"),
        ({"config": "text"}, "body"),
    ],
)
async def test_a_document_with_a_fault_is_refused_with_its_path(client, service, request_, path):
    if len(request_) == 1:
        request_ = {**request_, "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    reply = await client.request("missionops.config.preview.SC-001", json.dumps(request_).encode(), timeout=4)
    error = json.loads(reply.data)["error"]
    assert (error["code"], error["details"][0]["path"][: len(path)]) == ("invalid_request", path), error


async def test_a_long_range_is_answered_in_parts_that_hold_what_one_answer_would(mission, database, monkeypatch):
    """Each part is answered within 4 s, or the request of the mission fails."""
    names = [f"p{number:02}" for number in range(20)]
    await stored_telemetry.generate(database, "SC-001", names, START, count=1_000, every=SECOND)
    rule = {"warnHigh": 20, "critHigh": 29, "deadband": 1, "change": {"per": "sample", "warn": 0.01}, "staleAfter": 60}
    document = {"parameters": dict.fromkeys(names, rule)}
    whole = await mission.preview("SC-001", document)
    pages_of_whole = mission.pages
    monkeypatch.setattr(range_reading, "_TIME", 0.1)
    parts = await mission.preview("SC-001", document)
    assert mission.pages > pages_of_whole
    for one in (*whole.values(), *parts.values()):
        del one["observed"]  # of each page for itself
        one["gained"].sort(key=json.dumps)
    assert parts == whole


async def test_the_commands_refuse_a_fault_with_its_path_and_say_where_nothing_was(run, tmp_path):
    path = tmp_path / "draft.json"
    path.write_text('{"parameters": {"temp": {"warnHigh": 5, "critHigh": 4}}}')
    for words in (("preview-config", "NOBODY"), ("set-config", "NOBODY", "--preview", "1h", "--yes")):
        code, out, err = await run(*words, "--file", str(path))
        assert (code, out, "parameters.temp.critHigh" in err) == (1, "", True), err
    path.write_text('{"parameters": {"temp": {"warnHigh": 5}}}')
    code, out, _ = await run("preview-config", "NOBODY", "--file", str(path), "--from", "-1h")
    assert (code, "NOBODY: 0 snapshots, " in out) == (0, True)
    assert out.endswith("In all: nothing was tried, as no telemetry is stored for that.\n")
    code, _, err = await run(
        "preview-config", "NOBODY", "--file", str(path), "--from", "2026-01-02", "--to", "2026-01-01"
    )
    assert (code, "to" in err) == (1, True), err
