"""The demo: ESA's telemetry replayed through a running service, and the anomalies compared with the mission's log."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple

import asyncpg
import msgspec
import typer
from nats.aio.client import Client
from nats.aio.msg import Msg

from missionops import errors, local, settings
from missionops.cli.client import connection, snapshot_reader
from missionops.cli.client.bulk_publisher import BulkPublisher, PublishOutcome
from missionops.cli.demo import alarms, opssat, summary
from missionops.cli.demo.screen import Screen, ScreenState, screen
from missionops.cli.output import terminal

POLL_SECONDS = 0.2
START_SECONDS = 60.0
PATIENCE_SECONDS = 20.0
"""When nothing was stored or received for so long, the demo ends with what it has."""
TERMINATED = 128 + signal.SIGTERM

_COUNTS = """
SELECT (SELECT count(*) FROM app.telemetry WHERE spacecraft_id = $1),
       (SELECT count(*) FROM app.anomaly WHERE spacecraft_id = $1),
       (SELECT count(*) FROM app.alarm_transition WHERE spacecraft_id = $1),
       (SELECT count(*) FROM app.alarm_mark WHERE spacecraft_id = $1)
"""

_decode = msgspec.json.Decoder(opssat.FoundAnomaly).decode
_decode_transition = msgspec.json.Decoder(alarms.FoundTransition).decode
_decode_alarms = msgspec.json.Decoder(list[alarms.FoundAlarm]).decode


class _Counts(NamedTuple):
    """How much of the demo's spacecraft is stored."""

    snapshots: int
    anomalies: int
    transitions: int
    marks: int
    """Spans of telemetry in which alarms are still to be found."""


async def run() -> bool:
    """Run the demo on servers of its own, without keeping data; whether the service found what the mission did."""
    task = asyncio.current_task()
    assert task  # noqa: S101 - we run in one
    is_terminated = False

    def terminate() -> None:
        nonlocal is_terminated
        is_terminated = True
        task.cancel()

    # As with Ctrl-C: the servers are stopped in order and nothing is left behind.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    logging.basicConfig(level=logging.ERROR)  # The service's log lines would be printed across the progress bars.
    logging.getLogger("nats").setLevel(logging.CRITICAL)
    began = time.monotonic()
    summary.introduce()
    try:
        async with contextlib.AsyncExitStack() as exits:
            try:
                async with asyncio.timeout(START_SECONDS):
                    running = await exits.enter_async_context(local.running(None))
            except TimeoutError:
                raise errors.Unavailable(f"The service was not ready within {START_SECONDS:.0f} s.") from None
            terminal.result(f"NATS, PostgreSQL and the service are running ({time.monotonic() - began:.1f} s)")
            result = await _replay(running.addresses)
        is_exact = summary.conclude(result._replace(total_seconds=time.monotonic() - began))
        summary.show_next_steps()
    except asyncio.CancelledError:
        if not is_terminated:
            raise
        raise typer.Exit(TERMINATED) from None
    return is_exact


async def run_in(running: local.LocalService) -> None:
    """Run the demo in a service that stays up; nothing is replayed where its telemetry is stored already."""
    began = time.monotonic()
    database = await asyncpg.connect(running.addresses["database"])
    try:
        stored = (await _counts(database)).snapshots
    finally:
        await database.close()
    if stored >= opssat.SNAPSHOTS:
        terminal.note(f"The {stored:,} snapshots of {opssat.SPACECRAFT} are stored already: nothing is replayed.")
        return
    summary.introduce()
    logging.disable(logging.WARNING)  # The service's log lines would be printed across the progress bars.
    try:
        result = await _replay(running.addresses)
    finally:
        logging.disable(logging.NOTSET)
    if stored:
        terminal.note(
            f"{stored:,} of these snapshots were stored before, and their anomalies are not published again: the "
            "comparison with the mission's log needs an empty data directory."
        )
        return
    summary.conclude(result._replace(total_seconds=time.monotonic() - began))


async def _replay(addresses: Mapping[str, str]) -> summary.Result:
    """Put the limits in force, publish the telemetry, and wait for its anomalies."""
    # Without the user that the environment names, which is one of another server.
    access = settings.read_access(**settings.ANYBODY, nats_url=addresses["nats"])
    async with connection.connected_as(access) as client:
        await connection.request(client, f"missionops.config.set.{opssat.SPACECRAFT}", opssat.LIMITS.read_bytes())
        terminal.result(f"{opssat.SPACECRAFT}'s limits are in force")
        database = await asyncpg.connect(addresses["database"])
        try:
            return await _Replay(client, database).run()
        finally:
            await database.close()


async def _counts(database: "asyncpg.Connection[asyncpg.Record]") -> _Counts:
    row = await database.fetchrow(_COUNTS, opssat.SPACECRAFT)
    assert row  # noqa: S101 - counts always return a row
    return _Counts(*row)


class _Replay:
    """The replay, and its state so far."""

    def __init__(self, client: Client, database: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._client = client
        self._database = database
        self._received = opssat.ReceivedAnomalies()
        self._state = ScreenState()
        self._bodies: dict[int, bytes] = {}
        """By the line of the recording."""

    async def run(self) -> summary.Result:
        async def on_anomaly(message: Msg) -> None:
            anomaly = _decode(message.data)
            self._received.add(anomaly)
            self._state.receive(anomaly)

        async def on_alarm(message: Msg) -> None:
            self._state.receive_alarm(_decode_transition(message.data))

        before = await _counts(self._database)
        await self._client.subscribe(f"anomalies.{opssat.SPACECRAFT}", cb=on_anomaly)
        await self._client.subscribe(f"alarms.{opssat.SPACECRAFT}", cb=on_alarm)
        await self._client.flush()
        began = time.monotonic()
        with screen(opssat.SNAPSHOTS) as shown:
            async with self._counted(shown, before):
                await self._publish_recording()
                await self._until_complete()
                before_dump = await self._alarms()
                replay_seconds = time.monotonic() - began
                # What was out of contact then comes last; what it changes is found a second after it.
                async with self._publishing() as publish:
                    for line in alarms.DUMP:
                        await publish(line)
                expected = await asyncio.to_thread(alarms.expected, self._bodies.values())
                await self._until_complete()
        compared = alarms.compare(before_dump, await self._alarms(), expected)
        return summary.Result(self._state, self._received, compared, replay_seconds)

    async def _until_complete(self) -> None:
        """Wait until all that was sent is handled, and all that this has led to was received."""
        before, since = self._state.progress, time.monotonic()
        while not self._state.is_complete:
            now = self._state.progress
            if now != before:
                before, since = now, time.monotonic()
            elif time.monotonic() - since > PATIENCE_SECONDS:  # nothing more will arrive
                break
            await asyncio.sleep(POLL_SECONDS / 2)

    async def _alarms(self) -> list[alarms.FoundAlarm]:
        subject = f"missionops.alarms.list.{opssat.SPACECRAFT}"
        return _decode_alarms(await connection.request(self._client, subject, b'{"limit":1000}'))

    async def _publish_recording(self) -> None:
        """Publish what was in contact, and keep all of it."""
        with snapshot_reader.opened(opssat.RECORDING) as opened:
            async with self._publishing() as publish:
                async for batch in snapshot_reader.read(opened, None):
                    for item in batch.items:
                        if isinstance(item, snapshot_reader.Refusal):
                            raise errors.SetupError(f"The sample is damaged at line {item.place}: {item.reason}.")
                        self._bodies[item.place] = item.body
                        if item.place not in alarms.DUMP:
                            await publish(item.place)

    @contextlib.asynccontextmanager
    async def _publishing(self) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
        """A function that publishes a line; after the block all are in the stream."""
        refused: list[str] = []

        def settle(outcome: PublishOutcome[int]) -> None:
            if outcome.refusal:
                refused.append(f"line {outcome.mark}: {outcome.refusal}")

        async with BulkPublisher(self._client, settle) as publisher:

            async def publish(line: int) -> None:
                await publisher.publish(opssat.SPACECRAFT, self._bodies[line], line)
                self._state.sent += 1

            yield publish
        if refused:
            raise errors.Unavailable(f"{len(refused)} snapshots were not taken: {refused[0]}.")

    @contextlib.asynccontextmanager
    async def _counted(self, shown: Screen, before: _Counts) -> AsyncIterator[None]:
        """Count what is stored, and show the state, for the time of a block."""
        owner = asyncio.current_task()
        assert owner  # noqa: S101 - we run in one

        async def keep_counting() -> None:
            while True:
                now = await _counts(self._database)
                self._state.stored, self._state.marks = now.snapshots, now.marks
                self._state.stored_anomalies = now.anomalies - before.anomalies
                self._state.stored_transitions = now.transitions - before.transitions
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
            await asyncio.wait([task])  # Awaited itself, its cancellation would be taken for one of ours.
            shown.show(self._state)
