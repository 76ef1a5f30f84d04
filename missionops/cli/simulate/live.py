"""The simulated missions live: published at a rate until stopped."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from nats.aio.client import Client

from missionops import errors
from missionops.cli.client import connection, publish_snapshot
from missionops.cli.client.bulk_publisher import BulkPublisher
from missionops.cli.client.publish_file import Tally
from missionops.cli.client.service import Service
from missionops.cli.output import terminal
from missionops.cli.output.progress_bar import Bar
from missionops.cli.simulate import register, seed
from missionops.simulator import fleet
from missionops.simulator.course import Course
from missionops.simulator.profile import Profile

SHOW_SECONDS = 0.5
LAST_SECONDS = 2.0
"""For the last acknowledgements, when it is stopped."""


class Simulation(NamedTuple):
    """What is simulated."""

    profiles: Sequence[Profile]
    rate: float
    """Snapshots a second, of each mission."""
    seed: int
    injections: fleet.Injections
    most: int | None
    """How many snapshots of each mission; None for no end."""


async def simulate(simulation: Simulation, service: Service) -> None:
    """Publish snapshots of the missions until there are enough or it is stopped, and print a summary."""
    tally = Tally("snapshot")
    began = time.monotonic()
    async with connection.connected(service.url, reconnect_tries=connection.FOR_EVER) as client:
        for profile in simulation.profiles:
            await register.register(client, profile, replace=False)
        names = ", ".join(profile.spacecraft_id for profile in simulation.profiles)
        terminal.note(f"Simulating {names}, seed {simulation.seed}; Ctrl-C ends.")
        began = time.monotonic()
        try:
            async with BulkPublisher(client, tally.settle) as publisher:
                try:
                    await _publish(simulation, client, publisher, tally)
                except asyncio.CancelledError:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LAST_SECONDS):
                            await publisher.finish()
                    raise
        except errors.Unavailable as error:
            raise publish_snapshot.explained(error) from None
        finally:
            for line in tally.reasons():
                terminal.note(terminal.printable(line))
            terminal.result(tally.summary(time.monotonic() - began))


async def _publish(simulation: Simulation, client: Client, publisher: BulkPublisher[int], tally: Tally) -> None:
    """Publish one snapshot of each mission after the other, at the rate, and announce each fault as it begins."""
    start = datetime.now(UTC)
    courses = [
        Course(profile, simulation.seed, start, simulation.injections[profile.spacecraft_id])
        for profile in simulation.profiles
    ]
    faults = sorted(
        (injection.seconds, spacecraft_id, injection.name)
        for spacecraft_id, injections in simulation.injections.items()
        for injection in injections
    )
    due, shown, published = time.monotonic(), 0.0, 0
    with Bar("simulation", share_is_known=False) as bar:
        while simulation.most is None or published < simulation.most:
            now = datetime.now(UTC)
            while faults and faults[0][0] <= (now - start).total_seconds():
                _, spacecraft_id, name = faults.pop(0)
                terminal.note(f"{now:%H:%M:%S}  {spacecraft_id}: {name} begins")
            for course in courses:
                report = course.report(now)
                await publisher.publish(report.spacecraft_id, seed.encode(report), tally.sent + 1)
                tally.send(report.spacecraft_id)
            published += 1
            if time.monotonic() - shown > SHOW_SECONDS:
                shown = time.monotonic()
                bar.show(tally.acknowledged, None, "" if client.is_connected else "waiting for NATS")
            # From now if we are late: what was missed while the server was away is not made up for in a burst.
            due = max(due + 1 / simulation.rate, time.monotonic() - 1)
            if simulation.most is None or published < simulation.most:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
