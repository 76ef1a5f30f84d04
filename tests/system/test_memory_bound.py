"""Whatever one spacecraft sends, memory stays below its bound and another spacecraft's anomaly is told in time."""

import json
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import nats
import psutil
import pytest
from nats.aio.client import Client

from tests.system import installed
from tests.system.installed import Place, Up
from tests.wait import until_async

BOUND = 150 << 20
"""Bytes; what the product promises with its settings as they come."""
TIME = "2025-01-01T00:00:00Z"
RULES = 10_000

Message = tuple[str, bytes]


def many_large_configs() -> tuple[list[Message], list[Message], int]:
    """Spacecraft whose configs have 10,000 rules each, all of them different."""
    configs, telemetry = [], []
    for number in range(24):
        rules = {f"p{index}": {"critLow": -1.5 - number, "warnHigh": 40.25 + number} for index in range(RULES)}
        configs.append((f"LARGE-{number}", encode({"parameters": rules})))
        telemetry.append((f"LARGE-{number}", encode({"timestamp": TIME, "parameters": {"p0": 1}})))
    return configs, telemetry, 0


def many_anomalies_in_one_message() -> tuple[list[Message], list[Message], int]:
    """Nine snapshots of 10,000 parameters, each of them out of its limits."""
    config = {"parameters": {f"p{index}": {"warnHigh": 0} for index in range(RULES)}}
    parameters = {f"p{index}": 1 for index in range(RULES)}
    snapshots = [{"timestamp": TIME, "id": f"{n}".ljust(128, "x"), "parameters": parameters} for n in range(9)]
    return [("BURST", encode(config))], [("BURST", encode(snapshots))], 9 * RULES


def everything_out_of_limits() -> tuple[list[Message], list[Message], int]:
    """A spacecraft in safe mode, or a config in another unit: a backlog in which nothing is nominal."""
    config = {"parameters": {f"param{index:03d}": {"warnHigh": 0} for index in range(150)}}
    parameters = {f"param{index:03d}": index + 0.5 for index in range(150)}
    telemetry = [
        ("SAFE", encode({"timestamp": TIME, "id": str(number), "parameters": parameters})) for number in range(1_200)
    ]
    return [("SAFE", encode(config))], telemetry, 1_200 * 150


def names_without_end() -> tuple[list[Message], list[Message], int]:
    """Spacecraft after spacecraft with 500 parameter names of its own, just often enough to learn them."""

    def telemetry() -> Iterator[Message]:
        for spacecraft in range(100):
            parameters = {f"v{spacecraft}_{index}": 1 for index in range(500)}
            for number in range(66):
                yield f"N-{spacecraft}", encode({"timestamp": TIME, "id": str(number), "parameters": parameters})

    return [], list(telemetry()), 0


@pytest.mark.parametrize(
    "shape", [many_large_configs, many_anomalies_in_one_message, everything_out_of_limits, names_without_end]
)
async def test_memory_is_bounded_and_others_are_told(place: Place, shape):
    configs, telemetry, anomalies = shape()
    up = place.up("--ephemeral")
    client = await nats.connect(up.nats)
    for spacecraft_id, config in [*configs, ("OTHER", b'{"parameters":{"temp":{"warnHigh":45}}}')]:
        reply = await client.request(f"missionops.config.set.{spacecraft_id}", config, timeout=10)
        assert "Nats-Service-Error-Code" not in (reply.headers or {}), reply.data
    for spacecraft_id, body in telemetry:
        await client.publish(f"telemetry.{spacecraft_id}", body)
    await client.flush()
    await until_told(client, 10 + anomalies / 10_000)
    await until_handled(client)
    assert peak(up) < BOUND
    streams = client.jetstream()
    assert (await streams.stream_info("ANOMALIES")).state.messages == anomalies + 1
    await client.close()


async def until_told(client: Client, seconds: float) -> None:
    """Publish an anomalous snapshot of another spacecraft behind all that waits, and wait for its anomaly."""
    told = await client.subscribe("anomalies.OTHER")
    await client.publish("telemetry.OTHER", encode({"timestamp": TIME, "parameters": {"temp": 46}}))
    found = json.loads((await told.next_msg(installed.busy(seconds))).data)
    assert found["parameter"] == "temp"


async def until_handled(client: Client) -> None:
    async def is_handled() -> bool:
        return not json.loads((await client.request("missionops.health", b"", timeout=10)).data)["ingest"]["lag"]

    await until_async(is_handled, "the end of the stream", installed.busy(60))


def peak(up: Up) -> int:
    """The most memory that the service ever held; where the system does not tell, what it holds now."""
    status = Path(f"/proc/{up.pid}/status")
    if status.exists():
        return 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line)
    return int(psutil.Process(up.pid).memory_info().rss)


def encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


async def test_invented_names_do_not_fill_the_database(up: Up):
    client = await nats.connect(up.nats)
    for round_ in range(13):
        parameters = {f"n{round_}_{index}": 1 for index in range(1_000)}
        body = encode({"timestamp": TIME, "id": str(round_), "parameters": parameters})
        await client.jetstream().publish("telemetry.INVENTOR", body)
    await until_handled(client)
    database = await asyncpg.connect(up.database)
    stored = await database.fetchval("SELECT count(*) FROM app.snapshot WHERE spacecraft_id = 'INVENTOR'")
    listed = await database.fetchval(
        "SELECT sum(cardinality(names)) FROM app.spacecraft_parameter_set JOIN app.parameter_set"
        " ON id = parameter_set_id WHERE spacecraft_id = 'INVENTOR'"
    )
    assert (stored, listed) == (13, 10_000)
    assert "INVENTOR has reported 10000 different parameters" in up.err
    await database.close()
    await client.close()
