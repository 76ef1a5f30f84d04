"""The demo without its terminal: the recording, the mission's own fault log, and how well anomalies match it."""

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
"""The log covers November 2020; the recording goes on to May 2021."""

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
    """An optical device that must be off while the sun shines into it, and the anomalies that say so."""

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
    """One device's moments in the mission's log against those of our anomalies."""

    device: Device
    logged: int
    found: int
    missed: int
    extra: int

    @property
    def is_exact(self) -> bool:
        """Whether both say the same."""
        return not self.missed and not self.extra


class ReceivedAnomalies:
    """The anomalies that came over NATS."""

    def __init__(self) -> None:
        self.count = 0
        self.severities: Counter[str] = Counter()
        self.moments: defaultdict[tuple[str, str], set[datetime]] = defaultdict(set)
        self._ids: set[tuple[str, str]] = set()

    @property
    def repeated(self) -> int:
        """How many came more than once: none should."""
        return self.count - len(self._ids)

    def add(self, anomaly: FoundAnomaly) -> None:
        """Keeps what the comparison needs."""
        self.count += 1
        self.severities[anomaly.severity] += 1
        self._ids.add((anomaly.timestamp, anomaly.id))
        self.moments[anomaly.parameter, anomaly.kind].add(timestamp.parse(anomaly.timestamp))


def read_log(path: Path = LOG) -> Mapping[str, set[datetime]]:
    """The moments of each label in the mission's fault-detection log."""
    moments: defaultdict[str, set[datetime]] = defaultdict(set)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            moments[row["label"]].add(timestamp.parse(row["timestamp"]))
    return moments


def compare(
    log: Mapping[str, set[datetime]], heard: ReceivedAnomalies, devices: Iterable[Device] = DEVICES
) -> list[Comparison]:
    """Device by device, over the time that the log covers."""
    return [_compare(device, log.get(device.label, set()), heard) for device in devices]


def _compare(device: Device, logged: set[datetime], heard: ReceivedAnomalies) -> Comparison:
    said = set().union(*(heard.moments.get((device.parameter, kind), set()) for kind in device.kinds))
    found = {at for at in said if at < END_OF_LOG}
    return Comparison(device, len(logged), len(found & logged), len(logged - found), len(found - logged))
