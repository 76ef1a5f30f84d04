"""A recording published from a file, with its progress and what became of it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from nats.aio.client import Client

from missionops import errors
from missionops.cli.client import connection, files, publish_snapshot, snapshot_reader
from missionops.cli.client.bulk_publisher import BulkPublisher, PublishOutcome
from missionops.cli.output import terminal
from missionops.cli.output.progress_bar import Bar

SHOW_SECONDS = 0.1
MOST_REASONS = 20
MOST_PLACES = 5
MOST_SPACECRAFT = 10
OTHER_REASONS = "for other reasons"


class Tally:
    """What became of the snapshots so far."""

    def __init__(self, unit: str = "line") -> None:
        self.unit = unit
        self.sent = 0
        self.acknowledged = 0
        self.refused = 0
        self._spacecraft: dict[str, int] = {}
        self._reasons: dict[str, list[int]] = {}
        self._counts: dict[str, int] = {}

    def settle(self, outcome: PublishOutcome[int]) -> None:
        """Counts what the stream said."""
        if outcome.refusal is None:
            self.acknowledged += 1
        else:
            self.refuse(outcome.mark, outcome.refusal)

    def refuse(self, place: int, reason: str) -> None:
        """Counts one that is not in the stream, and keeps the first few places for each reason."""
        self.refused += 1
        if reason not in self._counts and len(self._counts) >= MOST_REASONS:
            reason = OTHER_REASONS
        self._counts[reason] = self._counts.get(reason, 0) + 1
        places = self._reasons.setdefault(reason, [])
        if len(places) < MOST_PLACES:
            places.append(place)

    def reasons(self) -> list[str]:
        """Each reason with how often and where, the most frequent first."""
        ordered = sorted(self._counts.items(), key=lambda item: -item[1])
        return [f"{count:,} refused: {reason} ({self._where(reason)})" for reason, count in ordered]

    def _where(self, reason: str) -> str:
        places = self._reasons[reason]
        more = ", …" if self._counts[reason] > len(places) else ""
        return f"{self.unit}{'s' if len(places) > 1 else ''} {', '.join(map(str, places))}{more}"

    def send(self, spacecraft_id: str) -> None:
        """Counts one that is on its way."""
        self.sent += 1
        self._spacecraft[spacecraft_id] = self._spacecraft.get(spacecraft_id, 0) + 1

    def summary(self, seconds: float) -> str:
        """All of it in one line: what became of the snapshots, and how many of each spacecraft were sent."""
        what = f"{self.sent:,} sent, {self.acknowledged:,} acknowledged, {self.refused:,} refused"
        first = [f"{spacecraft_id} {count:,}" for spacecraft_id, count in self._spacecraft.items()][:MOST_SPACECRAFT]
        more = len(self._spacecraft) - len(first)
        whose = f": {', '.join(first)}{f' and {more:,} more spacecraft' if more else ''}" if first else ""
        return f"{what} in {seconds:.1f} s ({self.acknowledged / max(seconds, 0.001):,.0f}/s){whose}"


class _Pace:
    """Lets through `rate` a second; all at once where there is none."""

    def __init__(self, rate: float | None) -> None:
        self._pause = 1 / rate if rate else 0.0
        self._due = time.monotonic()

    async def wait(self) -> None:
        if self._pause:
            await asyncio.sleep(max(0.0, self._due - time.monotonic()))
            # From now if we are late: what was missed while the server was away is not made up for in a burst.
            self._due = max(self._due, time.monotonic() - 1) + self._pause


async def publish(
    file: Path, spacecraft_id: str | None, rate: float | None, time_column: str | None, server_url: str
) -> bool:
    """Publishes a file and says what became of it; whether all was taken. InvalidRequest if nothing is in it."""
    tally = Tally()
    began = time.monotonic()
    with snapshot_reader.opened(file, time_column) as recording:
        async with connection.connected(server_url) as client:
            try:
                await _Replay(client, recording, tally).publish(spacecraft_id, _Pace(rate), _title(file))
            except errors.Unavailable as error:
                raise publish_snapshot.explained(error) from None
            finally:
                _report(tally, recording, time.monotonic() - began)
    if not tally.sent and not tally.refused:
        if not recording.is_array:
            raise errors.InvalidRequest(f"{files.name(file)} holds no snapshot.")
        terminal.note(f"{files.name(file)} holds no snapshot: it is an empty array.")
    return not tally.refused


class _Replay:
    """One recording on its way, and how far it is."""

    def __init__(self, client: Client, recording: snapshot_reader.OpenedFile, tally: Tally) -> None:
        self._client = client
        self._recording = recording
        self._tally = tally
        self._position = 0.0

    async def publish(self, spacecraft_id: str | None, pace: _Pace, title: str) -> None:
        with Bar(title, share_is_known=bool(self._recording.size)) as bar:
            async with _shown(self, bar), BulkPublisher(self._client, self._tally.settle) as publisher:
                async for batch in snapshot_reader.read(self._recording, spacecraft_id):
                    await self._publish_batch(batch, publisher, pace)

    async def _publish_batch(
        self, batch: snapshot_reader.SnapshotBatch, publisher: BulkPublisher[int], pace: _Pace
    ) -> None:
        step = (batch.position - self._position) / max(len(batch.items), 1)
        for item in batch.items:
            if isinstance(item, snapshot_reader.Refusal):
                self._tally.refuse(item.place, item.reason)
            else:
                await pace.wait()
                await publisher.publish(item.spacecraft_id, item.body, item.place)
                self._tally.send(item.spacecraft_id)
            self._position += step
        self._tally.unit = self._recording.unit

    def show(self, bar: Bar) -> None:
        share = min(self._position / self._recording.size, 1.0) if self._recording.size else None
        bar.show(self._tally.acknowledged, share, "" if self._client.is_connected else "waiting for NATS")


@contextlib.asynccontextmanager
async def _shown(course: _Replay, bar: Bar) -> AsyncIterator[None]:
    async def keep_showing() -> None:
        while True:
            course.show(bar)
            await asyncio.sleep(SHOW_SECONDS)

    task = asyncio.create_task(keep_showing())
    try:
        yield
    finally:
        task.cancel()
        course.show(bar)


def _report(tally: Tally, recording: snapshot_reader.OpenedFile, seconds: float) -> None:
    for line in [*recording.notes, *tally.reasons()]:
        terminal.note(terminal.printable(line))
    if tally.sent or tally.refused:
        terminal.result(tally.summary(seconds))


def _title(file: Path) -> str:
    return "standard input" if file == snapshot_reader.STANDARD_INPUT else terminal.printable(file.name)
