"""The demo, from its first server to its last table."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncIterator

import asyncpg
import msgspec
import typer
from nats.aio.client import Client
from nats.aio.msg import Msg

from missionops import errors, local, settings
from missionops.cli.client import connection, snapshot_reader
from missionops.cli.client.bulk_publisher import BulkPublisher, PublishOutcome
from missionops.cli.demo import opssat, summary
from missionops.cli.demo.screen import Screen, State, screen

POLL_SECONDS = 0.2
START_SECONDS = 60.0
PATIENCE_SECONDS = 20.0
"""Without anything new stored or heard, the demo ends with what there is."""
TERMINATED = 128 + signal.SIGTERM

_COUNTS = "SELECT (SELECT count(*) FROM app.telemetry), (SELECT count(*) FROM app.anomaly)"

_decode = msgspec.json.Decoder(opssat.FoundAnomaly).decode


async def run() -> bool:
    """Runs it all; whether the service found exactly what the mission did."""
    task = asyncio.current_task()
    assert task  # noqa: S101 - we run in one
    is_terminated = False

    def terminate() -> None:
        nonlocal is_terminated
        is_terminated = True
        task.cancel()

    # As with Ctrl-C: the servers are stopped in order and nothing is left behind.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    logging.basicConfig(level=logging.ERROR)  # What the service says of itself would run through the picture.
    logging.getLogger("nats").setLevel(logging.CRITICAL)
    try:
        return await _run()
    except asyncio.CancelledError:
        if not is_terminated:
            raise
        raise typer.Exit(TERMINATED) from None


async def _run() -> bool:
    began = time.monotonic()
    summary.introduce()
    async with _stack() as addresses, _connected(addresses["nats"]) as client:
        summary.step(f"NATS, PostgreSQL and the service are running ({time.monotonic() - began:.1f} s)")
        await connection.request(client, f"missionops.config.set.{opssat.SPACECRAFT}", opssat.LIMITS.read_bytes())
        summary.step(f"{opssat.SPACECRAFT}'s limits are in force")
        database = await asyncpg.connect(addresses["database"])
        try:
            result = await _Course(client, database).run()
        finally:
            await database.close()
    result = result._replace(total_seconds=time.monotonic() - began)
    return summary.conclude(result)


def _connected(server: str) -> contextlib.AbstractAsyncContextManager[Client]:
    """As nobody in particular: what the environment says is about another server."""
    return connection.connected_as(settings.read_access(**settings.ANYBODY, nats_url=server))


@contextlib.asynccontextmanager
async def _stack() -> AsyncIterator[dict[str, str]]:
    """All that `missionops up` starts, on data that are thrown away."""
    async with contextlib.AsyncExitStack() as exits:
        try:
            async with asyncio.timeout(START_SECONDS):
                stack = await exits.enter_async_context(local.running(None))
        except TimeoutError:
            raise errors.Unavailable(f"The service was not ready within {START_SECONDS:.0f} s.") from None
        yield stack.addresses


class _Course:
    """The replay, and what came of it so far."""

    def __init__(self, client: Client, database: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._client = client
        self._database = database
        self._heard = opssat.ReceivedAnomalies()
        self._state = State()
        self._refused: list[str] = []

    async def run(self) -> summary.Result:
        await self._client.subscribe(f"anomalies.{opssat.SPACECRAFT}", cb=self._hear)
        await self._client.flush()
        began = time.monotonic()
        with screen(opssat.SNAPSHOTS) as shown:
            async with self._counted(shown):
                await self._send()
                await self._until_all_came()
        return summary.Result(self._state, self._heard, time.monotonic() - began)

    async def _send(self) -> None:
        with snapshot_reader.opened(opssat.RECORDING) as recording:
            async with BulkPublisher(self._client, self._settle) as publisher:
                async for batch in snapshot_reader.read(recording, None):
                    for item in batch.items:
                        if isinstance(item, snapshot_reader.Refusal):
                            raise errors.SetupError(f"The sample is damaged at line {item.place}: {item.reason}.")
                        await publisher.publish(item.spacecraft_id, item.body, item.place)
                        self._state.sent += 1
        if self._refused:
            raise errors.Unavailable(f"{len(self._refused)} snapshots were not taken: {self._refused[0]}.")

    def _settle(self, outcome: PublishOutcome[int]) -> None:
        if outcome.refusal:
            self._refused.append(f"line {outcome.mark}: {outcome.refusal}")

    async def _hear(self, message: Msg) -> None:
        anomaly = _decode(message.data)
        self._heard.add(anomaly)
        self._state.hear(anomaly)

    @contextlib.asynccontextmanager
    async def _counted(self, shown: Screen) -> AsyncIterator[None]:
        owner = asyncio.current_task()
        assert owner  # noqa: S101 - we run in one

        async def keep_counting() -> None:
            while True:
                await self._count()
                shown.show(self._state)
                await asyncio.sleep(POLL_SECONDS)

        def end_with(task: "asyncio.Task[None]") -> None:
            if not task.cancelled():
                owner.cancel()

        task = asyncio.create_task(keep_counting())
        task.add_done_callback(end_with)
        try:
            yield
        except asyncio.CancelledError:
            if task.done():
                task.result()  # raises what ended it: the database, or the reader of our output, is gone
            raise
        finally:
            task.cancel()
            await asyncio.wait([task])  # Awaited itself, it would take a cancellation of ours for its own.
            shown.show(self._state)

    async def _count(self) -> None:
        row = await self._database.fetchrow(_COUNTS)
        assert row  # noqa: S101 - counts always answer
        self._state.stored, self._state.stored_anomalies = row

    async def _until_all_came(self) -> None:
        """Until nothing is missing, or nothing has come for so long that nothing will."""
        before, since = (-1, -1), time.monotonic()
        while not self._state.is_complete:
            now = self._state.stored, self._state.heard
            if now != before:
                before, since = now, time.monotonic()
            elif time.monotonic() - since > PATIENCE_SECONDS:
                return
            await asyncio.sleep(POLL_SECONDS / 2)
