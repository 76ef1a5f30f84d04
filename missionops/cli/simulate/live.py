"""The simulated missions as they are now: published at a rate until stopped."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from nats.aio.client import Client

from missionops import errors
from missionops.cli.client import connection, publish_snapshot
from missionops.cli.client.bulk_publisher import BulkPublisher
from missionops.cli.client.publish_file import Tally
from missionops.cli.output import terminal
from missionops.cli.output.progress_bar import Bar
from missionops.cli.simulate import register, seed
from missionops.simulator import fleet
from missionops.simulator.course import Course
from missionops.simulator.profile import Profile

SHOW_SECONDS = 0.5
LAST_SECONDS = 2.0
"""For the last acknowledgements, when it is stopped."""


async def simulate(  # noqa: PLR0917 - what one run is made of
    profiles: Sequence[Profile],
    rate: float,
    seed: int,
    injections: fleet.Injections,
    count: int | None,
    server_url: str,
) -> None:
    """Publishes `rate` snapshots a second of each mission, `count` of each if that is given."""
    tally = Tally("snapshot")
    began = time.monotonic()
    async with connection.connected(server_url, reconnect_tries=connection.FOR_EVER) as client:
        for profile in profiles:
            await register.introduce(client, profile, replace=False)
        names = ", ".join(profile.spacecraft_id for profile in profiles)
        terminal.note(f"Simulating {names}, seed {seed}; Ctrl-C ends.")
        began = time.monotonic()
        try:
            await _Simulation(client, tally, injections).run(profiles, rate, seed, count)
        except errors.Unavailable as error:
            raise publish_snapshot.explained(error) from None
        finally:
            for line in tally.reasons():
                terminal.note(terminal.printable(line))
            terminal.result(tally.summary(time.monotonic() - began))


class _Simulation:
    """What is sent, and what is told about it."""

    def __init__(self, client: Client, tally: Tally, injections: fleet.Injections) -> None:
        self._client = client
        self._tally = tally
        self._to_come = sorted(
            (one.seconds, spacecraft_id, one.name) for spacecraft_id, several in injections.items() for one in several
        )
        self._injections = injections
        self._shown = 0.0

    async def run(self, profiles: Sequence[Profile], rate: float, seed: int, count: int | None) -> None:
        start = datetime.now(UTC)
        courses = [Course(profile, seed, start, self._injections[profile.spacecraft_id]) for profile in profiles]
        with Bar("simulation", share_is_known=False) as bar:
            async with BulkPublisher(self._client, self._tally.settle) as publisher:
                try:
                    await self._go_on(courses, publisher, bar, 1 / rate, start, count)
                except asyncio.CancelledError:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LAST_SECONDS):
                            await publisher.finish()
                    raise

    async def _go_on(  # noqa: PLR0917 - what one run is made of
        self,
        courses: Sequence[Course],
        publisher: BulkPublisher[int],
        bar: Bar,
        pause: float,
        start: datetime,
        count: int | None,
    ) -> None:
        due, round_ = time.monotonic(), 0
        while count is None or round_ < count:
            now = datetime.now(UTC)
            self._announce((now - start).total_seconds())
            for course in courses:
                report = course.report(now)
                await publisher.publish(report.spacecraft_id, seed.encode(report), self._tally.sent + 1)
                self._tally.send(report.spacecraft_id)
            round_ += 1
            self._show(bar)
            # From now if we are late: what was missed while the server was away is not made up for in a burst.
            due = max(due + pause, time.monotonic() - 1)
            if count is None or round_ < count:
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    def _announce(self, seconds: float) -> None:
        """Each fault as it begins."""
        while self._to_come and self._to_come[0][0] <= seconds:
            _, spacecraft_id, name = self._to_come.pop(0)
            terminal.note(f"{datetime.now(UTC):%H:%M:%S}  {spacecraft_id}: {name} begins")

    def _show(self, bar: Bar) -> None:
        if time.monotonic() - self._shown > SHOW_SECONDS:
            self._shown = time.monotonic()
            bar.show(self._tally.acknowledged, None, "" if self._client.is_connected else "waiting for NATS")
