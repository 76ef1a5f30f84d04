"""The demo's data: the telemetry, the mission's own fault log, and how well anomalies match it."""

import csv
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import msgspec

from missionops.domain import timestamp

SPACECRAFT = "OPS-SAT-1"
SNAPSHOTS = 36_950
END_OF_LOG = datetime(2020, 12, 1, tzinfo=UTC)
"""The log covers November 2020; the telemetry goes on to May 2021."""

_SAMPLES = Path(str(resources.files("missionops"))) / "samples"
RECORDING = _SAMPLES / "opssat1.ndjson.gz"
LIMITS = _SAMPLES / "opssat1.limits.json"
LOG = _SAMPLES / "opssat1.labels.csv"


class FoundAnomaly(msgspec.Struct, rename="camel", gc=False):
    """What the demo reads of a message on `anomalies.OPS-SAT-1`."""

    id: str
    timestamp: str
    parameter: str
    value: float
    severity: str
    description: str

    @property
    def kind(self) -> str:
        """Which check it failed, as CRIT_HIGH."""
        return self.id.rpartition(":")[2]


class Device(NamedTuple):
    """An optical device that must be off while the sun shines into it, and the anomalies that report this."""

    name: str
    label: str
    parameter: str
    kinds: Collection[str]


DEVICES = (
    Device("optical receiver", "optical_rx_must_be_off", "I_PD6_THETA", ("WARN_HIGH", "CRIT_HIGH")),
    Device("camera", "hd_camera_must_be_off", "I_PD6_THETA", ("CRIT_HIGH",)),
    Device("star tracker", "star_tracker_must_be_off", "I_PD3_THETA", ("CRIT_HIGH",)),
)


class Comparison(NamedTuple):
    """One device's times in the mission's log against those of our anomalies."""

    device: Device
    logged: int
    found: int
    missed: int
    extra: int

    @property
    def is_exact(self) -> bool:
        """Whether both are the same."""
        return not self.missed and not self.extra


class ReceivedAnomalies:
    """The anomalies that were received over NATS."""

    def __init__(self) -> None:
        self.count = 0
        self.severities: Counter[str] = Counter()
        self.times: defaultdict[tuple[str, str], set[datetime]] = defaultdict(set)
        self._ids: set[tuple[str, str]] = set()

    @property
    def repeated(self) -> int:
        """How many were received more than once: none should be."""
        return self.count - len(self._ids)

    def add(self, anomaly: FoundAnomaly) -> None:
        """Keep what the comparison needs."""
        self.count += 1
        self.severities[anomaly.severity] += 1
        self._ids.add((anomaly.timestamp, anomaly.id))
        self.times[anomaly.parameter, anomaly.kind].add(timestamp.parse(anomaly.timestamp))


def read_log(path: Path = LOG) -> Mapping[str, set[datetime]]:
    """The times of each label in the mission's fault-detection log."""
    times: defaultdict[str, set[datetime]] = defaultdict(set)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            times[row["label"]].add(timestamp.parse(row["timestamp"]))
    return times


def compare(
    log: Mapping[str, set[datetime]], received: ReceivedAnomalies, devices: Iterable[Device] = DEVICES
) -> list[Comparison]:
    """Compare device by device, over the time that the log covers."""
    comparisons = []
    for device in devices:
        logged = log.get(device.label, set())
        reported = set().union(*(received.times.get((device.parameter, kind), set()) for kind in device.kinds))
        found = {time for time in reported if time < END_OF_LOG}
        comparisons.append(
            Comparison(device, len(logged), len(found & logged), len(logged - found), len(found - logged))
        )
    return comparisons
