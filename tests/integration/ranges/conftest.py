"""Stored telemetry and who asks for it, for tests of series, states and latest values."""

import asyncio
import itertools
import json
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as profile
from hypothesis.strategies import SearchStrategy

from missionops.store import database as databases
from tests import stored_telemetry

NUMBERS = ("a", "b", "large")
LIMITS: Sequence[Mapping[str, float]] = ({"warnHigh": 5}, {"warnHigh": 5, "critHigh": 9}, {})
"""Of each of these parameters, in the config versions 1, 2 and 3."""

Snapshot = tuple[datetime, Mapping[str, Any]]

spacecraft_ids = (f"SERIES-{number}" for number in itertools.count())


class Asker:
    def __init__(self, client: Any) -> None:
        self.client = client

    async def page(self, verb: str, spacecraft_id: str, **request: Any) -> tuple[Any, str | None]:
        body = {("from" if name == "start" else "to" if name == "end" else name): at(value)
                for name, value in request.items()}  # fmt: skip
        reply = await self.client.request(
            f"missionops.telemetry.{verb}.{spacecraft_id}", json.dumps(body).encode(), timeout=6
        )
        return json.loads(reply.data), (reply.headers or {}).get("Missionops-Next-Cursor")

    async def raw(self, verb: str, spacecraft_id: str, **request: Any) -> bytes:
        body = {("from" if name == "start" else "to" if name == "end" else name): at(value)
                for name, value in request.items()}  # fmt: skip
        subject = f"missionops.telemetry.{verb}.{spacecraft_id}"
        return bytes((await self.client.request(subject, json.dumps(body).encode(), timeout=6)).data)

    async def pages(self, verb: str, spacecraft_id: str, **request: Any) -> list[Any]:
        found, cursor = await self.page(verb, spacecraft_id, **request)
        answers = [found]
        while cursor:
            assert not found["complete"]
            found, cursor = await self.page(verb, spacecraft_id, **request, cursor=cursor)
            answers.append(found)
        assert found["complete"], found
        return answers


def at(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


@pytest.fixture
def ask(service, client) -> Asker:
    return Asker(client)


@pytest.fixture
async def database(database_url) -> AsyncIterator[Any]:
    """A connection that takes JSON as bytes."""
    async with databases.connected(database_url) as connection:
        yield connection


@pytest.fixture
def store(database):
    """Stores snapshots, and what the service would store of their anomalies; configs have versions 1 to 3."""

    async def store(
        snapshots: Sequence[Snapshot],
        *,
        names: Sequence[str] | None = None,
        versions: Sequence[int] = (),
        received_at: datetime | None = None,
    ) -> str:
        spacecraft_id = next(spacecraft_ids)
        for number, limits in enumerate(LIMITS if versions else (), 1):
            document = json.dumps({"parameters": dict.fromkeys(NUMBERS, limits)}).encode()
            await database.execute("INSERT INTO app.spacecraft VALUES ($1) ON CONFLICT DO NOTHING", spacecraft_id)
            await database.execute(
                "INSERT INTO app.config VALUES ($1, $2, $3, 'manual', 'test')", spacecraft_id, number, document
            )
        await stored_telemetry.add(database, spacecraft_id, snapshots, names=names, received_at=received_at)
        for index, (when, parameters) in enumerate(snapshots if versions else ()):
            version = versions[index % len(versions)]
            await database.execute(
                "UPDATE app.snapshot SET config_version = $1 WHERE spacecraft_id = $2 AND id = $3",
                version, spacecraft_id, f"{index:08}",
            )  # fmt: skip
            for name, value in parameters.items():
                if severity := severity_of(value, version):
                    await add_anomaly(database, spacecraft_id, when, f"{index:08}", name, severity)
        return spacecraft_id

    return store


def severity_of(value: Any, version: int) -> str | None:
    limits = LIMITS[version - 1] if version else {}
    if not is_number(value):
        return None
    if value > limits.get("critHigh", math.inf):
        return "HIGH"
    return "MEDIUM" if value > limits.get("warnHigh", math.inf) else None


async def add_anomaly(  # noqa: PLR0917
    database: Any, spacecraft_id: str, when: datetime, snapshot_id: str, name: str, severity: str
) -> None:
    await database.execute("SELECT app.ensure_partitions('app.anomaly', $1, 32)", [when.date()])
    await database.execute(
        "INSERT INTO app.anomaly VALUES ($1, $2, $3, $4, 'WARN_HIGH', $5, 1, now(), $6, 0, 0, 0, 0)",
        spacecraft_id, when, snapshot_id, name, severity, b'{"limit":{"name":"warnHigh","value":5}}',
    )  # fmt: skip


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


async def compare_examples(
    examples: SearchStrategy[Any], compared: Callable[..., Coroutine[Any, Any, None]], count: int = 60
) -> None:
    """Compare random examples one after another, in the event loop of the test; the same ones in every run."""
    loop = asyncio.get_running_loop()

    @given(examples)
    @profile(
        max_examples=count, database=None, derandomize=True, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def compare(example: Any) -> None:
        asyncio.run_coroutine_threadsafe(compared(*example), loop).result()

    await asyncio.to_thread(compare)


class Hurried:
    """A pace that ends each page after a few snapshots."""

    count = 7
    is_over = True

    def __init__(self, _: float) -> None: ...

    def note(self) -> None: ...

    def note_roll_ups(self) -> None: ...
