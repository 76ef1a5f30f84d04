"""Publishing the snapshots of a file, with progress and a summary."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from nats.aio.client import Client

from missionops import errors
from missionops.cli.client import files, publish_snapshot, snapshot_reader
from missionops.cli.client.bulk_publisher import BulkPublisher, PublishOutcome
from missionops.cli.client.service import Service
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
        """What a snapshot's place counts."""
        self.sent = 0
        self.acknowledged = 0
        self.refused = 0
        self._spacecraft = Counter[str]()
        self._counts = Counter[str]()
        self._places: dict[str, list[int]] = {}

    def settle(self, outcome: PublishOutcome[int]) -> None:
        """Count one that the stream has acknowledged or refused."""
        if outcome.refusal is None:
            self.acknowledged += 1
        else:
            self.refuse(outcome.mark, outcome.refusal)

    def refuse(self, place: int, reason: str) -> None:
        """Count one that is not in the stream, and keep the first few places for each reason."""
        self.refused += 1
        if reason not in self._counts and len(self._counts) >= MOST_REASONS:
            reason = OTHER_REASONS
        self._counts[reason] += 1
        places = self._places.setdefault(reason, [])
        if len(places) < MOST_PLACES:
            places.append(place)

    def send(self, spacecraft_id: str) -> None:
        """Count one that was published."""
        self.sent += 1
        self._spacecraft[spacecraft_id] += 1

    def reasons(self) -> list[str]:
        """Each reason with how often and where, the most frequent first."""
        lines = []
        for reason, count in self._counts.most_common():
            places = self._places[reason]
            unit = f"{self.unit}{'s' if len(places) > 1 else ''}"
            more = ", …" if count > len(places) else ""
            lines.append(f"{count:,} refused: {reason} ({unit} {', '.join(map(str, places))}{more})")
        return lines

    def summary(self, seconds: float) -> str:
        """One line: what became of the snapshots, and how many of each spacecraft were sent."""
        counts = f"{self.sent:,} sent, {self.acknowledged:,} acknowledged, {self.refused:,} refused"
        first = [f"{spacecraft_id} {count:,}" for spacecraft_id, count in self._spacecraft.items()][:MOST_SPACECRAFT]
        more = len(self._spacecraft) - len(first)
        spacecraft = f": {', '.join(first)}{f' and {more:,} more spacecraft' if more else ''}" if first else ""
        return f"{counts} in {seconds:.1f} s ({self.acknowledged / max(seconds, 0.001):,.0f}/s){spacecraft}"


class _Pace:
    """Lets `rate` snapshots a second through; all at once without a rate."""

    def __init__(self, rate: float | None) -> None:
        self._pause = 1 / rate if rate else 0.0
        self._due = time.monotonic()

    async def wait(self) -> None:
        if self._pause:
            await asyncio.sleep(max(0.0, self._due - time.monotonic()))
            # From now if we are late: what was missed while the server was away is not made up for in a burst.
            self._due = max(self._due, time.monotonic() - 1) + self._pause


async def publish(
    file: Path, spacecraft_id: str | None, rate: float | None, time_column: str | None, service: Service
) -> bool:
    """Publish a file and report what became of it; whether all was taken. InvalidRequest if it holds no snapshot."""
    tally = Tally()
    began = time.monotonic()
    title = "standard input" if file == files.STANDARD_INPUT else terminal.printable(file.name)
    with snapshot_reader.opened(file, time_column) as opened:
        async with service.connected() as client:
            try:
                await _FilePublisher(client, opened, tally).publish(spacecraft_id, _Pace(rate), title)
            except errors.Unavailable as error:
                raise publish_snapshot.explained(error) from None
            finally:
                for line in [*opened.notes, *tally.reasons()]:
                    terminal.note(terminal.printable(line))
                if tally.sent or tally.refused:
                    terminal.result(tally.summary(time.monotonic() - began))
    if not tally.sent and not tally.refused:
        if not opened.is_array:
            raise errors.InvalidRequest(f"{files.name(file)} holds no snapshot.")
        terminal.note(f"{files.name(file)} holds no snapshot: it is an empty array.")
    return not tally.refused


class _FilePublisher:
    """Publishes one file, and knows how far it is."""

    def __init__(self, client: Client, opened: snapshot_reader.OpenedFile, tally: Tally) -> None:
        self._client = client
        self._file = opened
        self._tally = tally
        self._position = 0.0

    async def publish(self, spacecraft_id: str | None, pace: _Pace, title: str) -> None:
        with Bar(title, share_is_known=bool(self._file.size)) as bar:
            async with self._shown(bar), BulkPublisher(self._client, self._tally.settle) as publisher:
                async for batch in snapshot_reader.read(self._file, spacecraft_id):
                    step = (batch.position - self._position) / max(len(batch.items), 1)
                    for item in batch.items:
                        if isinstance(item, snapshot_reader.Refusal):
                            self._tally.refuse(item.place, item.reason)
                        else:
                            await pace.wait()
                            await publisher.publish(item.spacecraft_id, item.body, item.place)
                            self._tally.send(item.spacecraft_id)
                        self._position += step
                    self._tally.unit = self._file.unit

    @contextlib.asynccontextmanager
    async def _shown(self, bar: Bar) -> AsyncIterator[None]:
        """Show the progress for the time of a block."""

        def show() -> None:
            share = min(self._position / self._file.size, 1.0) if self._file.size else None
            bar.show(self._tally.acknowledged, share, "" if self._client.is_connected else "waiting for NATS")

        async def keep_showing() -> None:
            while True:
                show()
                await asyncio.sleep(SHOW_SECONDS)

        task = asyncio.create_task(keep_showing())
        try:
            yield
        finally:
            task.cancel()
            show()
