"""The past of the simulated missions: simulated, shown or published."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from missionops import errors
from missionops.cli.client import publish_snapshot
from missionops.cli.client.bulk_publisher import BulkPublisher
from missionops.cli.client.publish_file import Tally
from missionops.cli.client.service import Service
from missionops.cli.output import tables, terminal
from missionops.cli.output.progress_bar import Bar
from missionops.cli.simulate import register
from missionops.domain import anomaly, limits, timestamp
from missionops.domain.snapshot import Snapshot
from missionops.simulator import course, fleet
from missionops.simulator.course import Report

SHOW_EVERY = 200


class Plan(NamedTuple):
    """The history that is to be simulated."""

    timestamps: Sequence[datetime]
    seed: int
    injections: fleet.Injections

    def reports(self) -> Iterator[Report]:
        """All snapshots, in the order of time."""
        courses = [
            course.history(profile, self.seed, self.timestamps, self.injections[profile.spacecraft_id])
            for profile in fleet.PROFILES
        ]
        for reports in zip(*courses, strict=True):
            yield from reports

    @property
    def size(self) -> int:
        """How many snapshots that is."""
        return len(self.timestamps) * len(fleet.PROFILES)


def plan(minutes: int, interval_seconds: int, end: str | None, seed: int, faults: Sequence[str]) -> Plan:
    """The plan for a command's arguments; InvalidRequest if they make none."""
    count, interval = minutes * 60 // interval_seconds, timedelta(seconds=interval_seconds)
    if not count:
        raise errors.InvalidRequest(f"{minutes} minutes hold no snapshot if there is one each {interval_seconds} s.")
    try:
        last = timestamp.parse(end) if end else datetime.now(UTC).replace(microsecond=0)
        timestamp.within(last - interval * count)
    except timestamp.InvalidTimestamp as error:
        raise errors.InvalidRequest(f"--end {error}.") from None
    injections = fleet.inject(faults)
    length = interval * (count - 1)
    for injection in {one for several in injections.values() for one in several}:
        if injection.seconds > length.total_seconds():
            raise errors.InvalidRequest(
                f"{injection.name}@t+{injection.seconds:.0f} begins after the last snapshot, "
                f"{length.total_seconds():.0f} s after the first."
            )
    return Plan(course.moments(last, count, interval), seed, injections)


class Judge:
    """Counts the anomalies that the missions' own limits will find."""

    def __init__(self) -> None:
        self._rules = {profile.spacecraft_id: limits.compile_rules(profile.config) for profile in fleet.PROFILES}
        self.counts = dict.fromkeys(self._rules, 0)

    def add(self, report: Report) -> None:
        time = timestamp.to_microseconds(report.timestamp)
        snapshot = Snapshot((report.spacecraft_id, time, ""), report.parameters)
        found = anomaly.judge(snapshot, self._rules[report.spacecraft_id], 0, time)
        self.counts[report.spacecraft_id] += len(found)


def show(planned: Plan) -> None:
    """The snapshots as newline-delimited JSON, as `publish --file` reads them."""
    for report in planned.reports():
        terminal.json(encode(report, with_spacecraft=True))


def preview(planned: Plan) -> None:
    """A table of what would be published."""
    judge = Judge()
    for report in planned.reports():
        judge.add(report)
    _table(planned, judge, {})
    terminal.note(f"A dry run: none of these {planned.size:,} snapshots was sent; --json prints them.")


async def publish(planned: Plan, service: Service, *, as_json: bool) -> bool:
    """Publish the history and print what became of it; whether all was taken."""
    tally, judge = Tally("snapshot"), Judge()
    began = time.monotonic()
    async with service.connected() as client:
        versions = {
            profile.spacecraft_id: await register.register(client, profile, replace=True) for profile in fleet.PROFILES
        }
        try:
            with Bar("demo data", share_is_known=True) as bar:
                async with BulkPublisher(client, tally.settle) as publisher:
                    for place, report in enumerate(planned.reports(), 1):
                        judge.add(report)
                        await publisher.publish(report.spacecraft_id, encode(report), place)
                        tally.send(report.spacecraft_id)
                        if place % SHOW_EVERY == 0:
                            bar.show(tally.acknowledged, place / planned.size)
                bar.show(tally.acknowledged, 1.0)
        except errors.Unavailable as error:
            raise publish_snapshot.explained(error) from None
    for line in tally.reasons():
        terminal.note(terminal.printable(line))
    if as_json:
        terminal.json(msgspec.json.encode(_summary(planned, judge, versions, tally)))
    else:
        _table(planned, judge, versions)
        terminal.result(tally.summary(time.monotonic() - began))
    return not tally.refused


def encode(report: Report, *, with_spacecraft: bool = False) -> bytes:
    """A snapshot's body; in a file it names its spacecraft."""
    named = {"spacecraftId": report.spacecraft_id} if with_spacecraft else {}
    return msgspec.json.encode({**named, "timestamp": report.timestamp, "parameters": report.parameters})


def _table(planned: Plan, judge: Judge, versions: Mapping[str, int]) -> None:
    terminal.result(f"{len(planned.timestamps):,} snapshots each, {planned.timestamps[0]:%Y-%m-%d %H:%M:%S} to "
                    f"{planned.timestamps[-1]:%Y-%m-%d %H:%M:%S} UTC, seed {planned.seed}")  # fmt: skip
    rows = []
    for profile in fleet.PROFILES:
        spacecraft_id = profile.spacecraft_id
        version = f"version {versions[spacecraft_id]}" if spacecraft_id in versions else "not set"
        faults = ", ".join(f"{one.name}@t+{one.seconds:.0f}" for one in planned.injections[spacecraft_id]) or "none"
        rows.append([spacecraft_id, profile.mission_type, version, f"{judge.counts[spacecraft_id]:,}", faults])
    tables.plain(("spacecraft", "mission", "config", "anomalies", "faults"), rows, right=("anomalies",))


def _summary(planned: Plan, judge: Judge, versions: Mapping[str, int], tally: Tally) -> dict[str, Any]:
    return {
        "seed": planned.seed,
        "from": planned.timestamps[0],
        "to": planned.timestamps[-1],
        "sent": tally.sent,
        "acknowledged": tally.acknowledged,
        "refused": tally.refused,
        "spacecraft": [
            {
                "spacecraftId": profile.spacecraft_id,
                "missionType": profile.mission_type,
                "snapshots": len(planned.timestamps),
                "anomalies": judge.counts[profile.spacecraft_id],
                "configVersion": versions[profile.spacecraft_id],
            }
            for profile in fleet.PROFILES
        ],
    }
