"""The commands about ranges of telemetry, for people and for programs."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest

pytestmark = pytest.mark.shared_service

START = datetime(2025, 3, 1, tzinfo=UTC)
RANGE = ("--from", "2025-03-01", "--to", "2025-03-01")


async def test_series_shows_samples_or_extremes(run, store):
    spacecraft_id = await store(
        [(START + number * timedelta(seconds=10), {"a": number, "b": number / 4}) for number in range(360)],
        versions=[1],
    )
    code, out, err = await run("series", spacecraft_id, "a", "b", *RANGE, "--points", "48")
    assert (code, err) == (0, "")
    assert "a: 360 samples in buckets of 30 min" in out
    assert "2025-03-01 00:30:00" in out
    assert "MEDIUM" in out
    code, out, err = await run("series", spacecraft_id, "a", *RANGE, "--points", "500")
    assert "a: 360 samples\n" in out
    assert len(out.splitlines()) > 360
    code, out, err = await run("series", spacecraft_id, "none", *RANGE)
    assert (code, out) == (0, "")
    assert "No numbers" in err


async def test_series_writes_csv(run, store):
    spacecraft_id = await store([(START + number * timedelta(seconds=1), {"a": 0.5 * number}) for number in range(3)])
    code, out, _ = await run("series", spacecraft_id, "a", *RANGE, "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [(row["parameter"], row["time"], row["last"]) for row in rows] == [
        ("a", f"2025-03-01T00:00:0{number}Z", str(0.5 * number if number % 2 else number // 2)) for number in range(3)
    ]


async def test_series_puts_pages_together(run, store, ask):
    names = [f"p{number:02}" for number in range(20)]
    history = [
        (START + number * timedelta(seconds=1), {name: 1 / (1 + number + place) for place, name in enumerate(names)})
        for number in range(2_000)
    ]
    spacecraft_id = await store(history)
    request = {"parameters": names, "start": START, "end": history[-1][0], "points": 2_000}
    assert len(await ask.pages("series", spacecraft_id, **request)) > 1
    code, out, _ = await run("series", spacecraft_id, *names, *RANGE, "--points", "2000", "--json")
    found = json.loads(out)
    assert (code, found["complete"]) == (0, True)
    assert [one["value"] for one in found["series"]] == [[values[name] for _, values in history] for name in names]
    assert found["series"][0]["t"] == list(range(2_000))


async def test_latest_and_states_are_tables(run, store):
    spacecraft_id = await store(
        [
            (START + number * timedelta(seconds=10), {"a": number, "mode": "SAFE" if number > 4 else "ON"})
            for number in range(9)
        ],
        versions=[1],
    )
    code, out, err = await run("latest", spacecraft_id)
    assert (code, err) == (0, "")
    assert "MEDIUM" in out
    assert '"SAFE"' in out
    assert "10 s" in out
    assert "stale" in out
    code, out, err = await run("latest", spacecraft_id, "a", "--at", "2025-03-01T00:00:20Z", "--json")
    assert [(one["name"], one["value"]) for one in json.loads(out)["parameters"]] == [("a", 2)]
    code, out, err = await run("latest", "nobody")
    assert (code, out) == (0, "")
    assert "No telemetry" in err
    code, out, err = await run("states", spacecraft_id, "mode", "a", *RANGE)
    assert (code, err) == (0, "")
    assert '"SAFE"' in out
    assert "2025-03-01 00:00:50" in out
    code, out, err = await run("states", spacecraft_id, "a", *RANGE)
    assert "No texts" in err
