"""What clients see, with our command and with plain NATS and PostgreSQL clients on the addresses of the ready file."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import nats
import pytest

from tests.system import installed
from tests.system.installed import Place, Up
from tests.wait import PATIENCE, until

LIMITS = '{"mission": "test", "parameters": {"temp": {"critLow": 0, "warnLow": 5, "warnHigh": 45, "critHigh": 70}}}'


def test_publish_and_watch_with_the_command(place: Place, up: Up) -> None:
    put_limits(place, up, "CLI-1")
    watch = place.start("watch", "anomalies.CLI-1", "--json", "--count", "2", "--server", up.nats)
    watch.said("Watching")
    at = ("--timestamp", "2025-01-01T00:00:00Z")
    sent = place.run(
        "publish", "CLI-1", "--param", "temp=46", "--param", "mode=CRUISE", *at, MISSIONOPS_NATS_URL=up.nats
    )
    assert (sent.code, sent.err) == (0, "")
    snapshot = re.fullmatch(r"CLI-1: snapshot (ts_[0-9a-f]{32}) acknowledged\n", sent.out)
    assert snapshot
    assert place.run("publish", "CLI-1", "--param", "temp=45", "--server", up.nats).code == 0  # at the limit: nominal
    assert place.run("publish", "CLI-1", "--param", "temp=-0.5", "--server", up.nats).code == 0
    seen = watch.end()
    first, second = map(json.loads, seen.out.splitlines())
    assert seen.code == 0
    assert first.pop("detectedAt").endswith("Z")
    assert first == {
        "id": f"{snapshot[1]}:temp:WARN_HIGH",
        "spacecraftId": "CLI-1",
        "timestamp": "2025-01-01T00:00:00Z",
        "parameter": "temp",
        "value": 46,
        "severity": "MEDIUM",
        "description": "Parameter temp above warnHigh 45",
        "limit": {"name": "warnHigh", "value": 45},
        "snapshotId": snapshot[1],
        "configVersion": 1,
    }
    assert (second["severity"], second["description"]) == ("HIGH", "Parameter temp below critLow 0")


def test_watch_ends_with_ctrl_c(place: Place, up: Up) -> None:
    watch = place.start("watch", "--server", up.nats)
    watch.said("Watching alarms.*")
    watch.interrupt()
    done = watch.end()
    assert done.code in {0, 130}
    assert "Traceback" not in done.err


def test_a_config_is_answered_as_it_was_given(place: Place, up: Up) -> None:
    assert put_limits(place, up, "CLI-2") == 1
    assert put_limits(place, up, "CLI-2") == 2
    reply = json.loads(place.run("get-config", "CLI-2", "--json", "--server", up.nats).out)
    assert set(reply) == {"spacecraftId", "config", "status", "source", "version", "updatedAt"}
    assert (reply["spacecraftId"], reply["status"], reply["source"], reply["version"]) == (
        "CLI-2",
        "approved",
        "manual",
        2,
    )
    assert reply["config"] == json.loads(LIMITS)
    shown = place.run("get-config", "CLI-2", "--server", up.nats)
    assert shown.code == 0
    assert "temp" in shown.out


async def test_a_plain_client_publishes_and_subscribes(place: Place, up: Up) -> None:
    put_limits(place, up, "PLAIN-1")
    client = await nats.connect(up.nats)
    told = await client.subscribe("anomalies.*")
    dead = await client.subscribe("deadletters.telemetry.*")
    await client.publish("telemetry.PLAIN-1", snapshot(0, temp=71, mode="CRUISE", heater=True))
    acknowledged = await client.jetstream().publish(
        "telemetry.PLAIN-1", b"[" + snapshot(1, temp=4) + b',{"timestamp":"2025-01-01T00:00:02"},' + snapshot(3) + b"]"
    )
    assert acknowledged.stream == "TELEMETRY"
    anomalies = [json.loads((await told.next_msg(PATIENCE)).data) for _ in range(2)]
    assert [anomaly["id"].partition(":")[2] for anomaly in anomalies] == ["temp:CRIT_HIGH", "temp:WARN_LOW"]
    letter = await dead.next_msg(PATIENCE)
    assert letter.subject == "deadletters.telemetry.PLAIN-1"
    assert letter.data == b'{"timestamp":"2025-01-01T00:00:02"}'
    assert letter.headers
    assert (letter.headers["Missionops-Error-Code"], letter.headers["Missionops-Item"]) == ("invalid", "1")
    await client.close()

    # Stored before told: what an anomaly speaks of can be queried. The last one is nominal, in the same message.
    rows = await fetch(up, "SELECT parameters FROM app.telemetry WHERE spacecraft_id = 'PLAIN-1' ORDER BY timestamp")
    assert [json.loads(row["parameters"]) for row in rows] == [
        {"temp": 71, "mode": "CRUISE", "heater": True},
        {"temp": 4},
        {},
    ]


async def test_a_plain_client_asks(up: Up) -> None:
    client = await nats.connect(up.nats)
    unknown = await client.request("missionops.config.get.NOBODY", b"", timeout=5)
    assert json.loads(unknown.data) == {"error": {"code": "not_found", "message": "Config not found", "details": []}}
    assert unknown.headers
    assert unknown.headers["Nats-Service-Error-Code"] == "404"
    wrong = await client.request("missionops.config.set.NOBODY", b'{"parameters":{"t":{"warnHigh":"hot"}}}', timeout=5)
    fault = json.loads(wrong.data)["error"]
    assert (fault["code"], fault["details"][0]["path"]) == ("invalid_request", "parameters.t.warnHigh")
    found = json.loads((await client.request("$SRV.PING.missionops", b"", timeout=5)).data)
    assert found["name"] == "missionops"
    await client.close()


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_examples_for_curl_work_as_written(place: Place) -> None:
    """Those of docs/operations.md, but for the port; on a service of their own."""
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    examples = re.findall(r"^curl .*$", text, re.MULTILINE)
    assert len(examples) == 5
    address = place.up("--ephemeral").http.removeprefix("http://")
    show = "-s -w '\\n%{http_code}'"

    def answered(example: str) -> tuple[int, Any]:
        line = example.replace("localhost:8000", address).replace("curl ", f"curl {show} ", 1)
        done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True, timeout=30)
        body, status = done.stdout.rsplit("\n", 1)
        return int(status), json.loads(body)

    series, post, analyze, get, put = examples
    status, taken = answered(post)
    assert status == 201
    assert re.fullmatch("ts_[0-9a-f]{32}", taken["id"])
    status, plotted = answered(series)
    assert (status, [one["value"] for one in plotted["series"]]) == (200, [[42], []])
    assert answered(analyze) == (200, [])
    assert answered(get) == (404, {"error": {"code": "not_found", "message": "Config not found", "details": []}})
    status, config = answered(put)
    assert (status, config["version"]) == (200, 1)
    assert config["config"] == {"parameters": {"temp": {"warnHigh": 45, "critHigh": 70}}}
    assert config.pop("warnings") == []
    assert answered(get) == (200, config)
    assert answered(post) == (201, taken)
    assert answered(post.replace("42", "71"))[0] == 201
    (anomaly,) = answered(analyze)[1]
    assert anomaly["description"] == "Parameter temp above critHigh 70"


async def test_a_file_sent_twice_changes_nothing(place: Place, up: Up) -> None:
    put_limits(place, up, "SKCUBE", (installed.SAMPLES / "skcube.limits.json").read_text())
    client = await nats.connect(up.nats)
    for _ in range(2):
        sent = place.run("publish", "--file", installed.SAMPLES / "skcube.ndjson.gz", "--server", up.nats)
        assert (sent.code, "1,064" in sent.err + sent.out) == (0, True), sent
        await until_handled(up, client)
        [row] = await fetch(
            up,
            """SELECT (SELECT count(*) FROM app.snapshot WHERE spacecraft_id = 'SKCUBE') AS stored,
                      (SELECT count(*) FROM app.anomaly WHERE spacecraft_id = 'SKCUBE') AS anomalies""",
        )
        told = await client.jetstream().stream_info("ANOMALIES", subjects_filter="anomalies.SKCUBE")
        assert row["stored"] == 1064
        assert row["anomalies"] > 0
        assert told.state.subjects == {"anomalies.SKCUBE": row["anomalies"]}
    dead = await client.jetstream().stream_info("DEADLETTERS", subjects_filter="deadletters.telemetry.SKCUBE")
    assert not dead.state.subjects
    await client.close()


def test_what_is_wrong_in_a_file_is_named_and_the_rest_is_sent(place: Place, up: Up) -> None:
    lines = '{"timestamp":"2025-01-01T00:00:00Z","parameters":{"t":1}}\nnot json\n{"timestamp":"now","parameters":{}}\n'
    done = place.run("publish", "FILE-1", "--file", "-", "--server", up.nats, stdin=lines)
    assert done.code == 1
    assert "Traceback" not in done.err
    for line in ("2", "3"):
        assert re.search(rf"\b{line}\b", done.err), done.err


@pytest.mark.parametrize("number", ["42", "-0.5", "1e3", "18446744073709551615"])
async def test_a_number_is_stored_as_it_is_written(place: Place, up: Up, number: str) -> None:
    sent = place.run("publish", "NUMBER", "--param", f"n={number}", "--id", number, "--server", up.nats)
    assert sent.code == 0
    client = await nats.connect(up.nats)
    await until_handled(up, client)
    await client.close()
    [row] = await fetch(up, "SELECT parameters FROM app.telemetry WHERE spacecraft_id = 'NUMBER' AND id = $1", number)
    assert json.loads(row["parameters"]) == {"n": json.loads(number)}


async def until_handled(up: Up, client: Any) -> None:
    """Until the service says that it has handled all that the stream holds."""
    last = (await client.jetstream().stream_info("TELEMETRY")).state.last_seq
    until(lambda: installed.get(f"{up.http}/health/ready")[1]["ingest"]["sequence"] >= last, "the ingest")


async def fetch(up: Up, query: str, *arguments: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(up.database)
    try:
        return await connection.fetch(query, *arguments)
    finally:
        await connection.close()


def put_limits(place: Place, up: Up, spacecraft: str, limits: str = LIMITS) -> int:
    done = place.run("set-config", spacecraft, "--file", "-", "--server", up.nats, stdin=limits)
    assert done.code == 0, done.err
    version = re.match(rf"{spacecraft}: config version (\d+) in force: \d+ limits \(before: \d+\)\n", done.out)
    assert version
    return int(version[1])


def snapshot(second: int, **parameters: Any) -> bytes:
    return json.dumps({"timestamp": f"2025-01-01T00:00:{second:02}Z", "parameters": parameters}).encode()


async def test_watch_shows_once_what_comes_again_with_its_id(place: Place, up: Up) -> None:
    """A core subscriber also hears attempts of the service that the stream refused."""
    watch = place.start("watch", "anomalies.WATCH-1", "--json", "--count", "3", "--server", up.nats)
    watch.said("Watching")
    client = await nats.connect(up.nats)
    for body, name in ((b"1", "one"), (b"1", "one"), (b"2", "one"), (b"1", "one"), (b"3", "two")):
        await client.publish("anomalies.WATCH-1", body, headers={"Nats-Msg-Id": name})
    await client.close()
    assert watch.end().out.split() == ["1", "2", "3"]


async def test_what_is_written_otherwise_is_named_in_its_dead_letter(place: Place, up: Up) -> None:
    client = await nats.connect(up.nats)
    marked = b'\xef\xbb\xbf{"timestamp":"2025-01-01T00:00:00Z","parameters":{"a":1}}'
    await client.publish("telemetry.WIRE-1", b"\x82\xa9timestamp\xb42025-01-01T00:00:00Z\xaaparameters\x80")
    await client.publish("telemetry.WIRE-2", marked[3:], headers={"Content-Type": "application/msgpack"})
    await client.publish("telemetry.WIRE-2", b"")
    await client.publish("telemetry.WIRE-1", marked)
    await client.close()
    letters = ("dead-letters", "list", "WIRE-1", "--json", "--server", up.nats)
    (letter,) = until(lambda: json.loads(place.run(*letters).out), "the dead letter")
    assert "looks like MessagePack" in letter["error"]
    assert "Content-Type: application/msgpack" in letter["error"]
    stored = ("list-telemetry", "WIRE-1", "--json", "--server", up.nats)
    (snapshot,) = until(lambda: json.loads(place.run(*stored).out), "the snapshot")
    assert snapshot["parameters"] == {"a": 1}
    letters = ("dead-letters", "list", "WIRE-2", "--json", "--server", up.nats)
    empty, as_json = json.loads(place.run(*letters).out)  # published before the snapshot that is stored
    assert (empty["error"], "looks like JSON" in as_json["error"]) == ("body: not JSON: it is empty", True)
