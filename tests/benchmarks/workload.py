"""What is published: snapshots made from their number alone, so that every process knows them without being told."""

import dataclasses
import hashlib
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, Self

import msgspec

_PRIME = 2_654_435_761  # Knuth's: spreads the numbers, so that what is chosen falls on every spacecraft
_NOMINAL, _BEYOND = 40.0, 60.5
LIMITS = {"critLow": -100, "warnLow": -50, "warnHigh": 50, "critHigh": 100}
_MODES = ("CRUISE", "SAFE", "DOWNLINK", "ECLIPSE")

Place = tuple[str, datetime]
"""Spacecraft and time: no two snapshots of a workload share both."""


class Snapshot(NamedTuple):
    """One snapshot, whatever its encoding."""

    spacecraft_id: str
    timestamp: datetime
    id: str
    parameters: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Workload:
    """The base case; each field is a factor that can be varied alone."""

    snapshots: int = 100_000
    """Distinct ones; repeats come on top."""
    parameters: int = 20
    encoding: Literal["json", "msgpack"] = "json"
    array: int = 1
    """Snapshots in one message."""
    ids: bool = True
    anomalous: float = 0.01
    duplicates: float = 0.01
    rules: int = 10
    spacecraft: int = 10
    tick: float = 1
    """Seconds between two messages of one spacecraft."""
    disorder: float = 0
    """Seconds of the spacecraft's time that a message comes late, at most."""
    start: float = 1_750_000_000
    subject: str = "telemetry"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `as_json` wrote."""
        return cls(**json.loads(text))

    def as_json(self) -> str:
        """For the command line of another process."""
        return json.dumps(dataclasses.asdict(self))

    def after(self, moment: datetime) -> Self:
        """The same load, later."""
        return dataclasses.replace(self, start=moment.timestamp())

    @property
    def messages(self) -> int:
        """Distinct ones."""
        return self.snapshots // self.array

    @property
    def config(self) -> dict[str, Any]:
        """What every spacecraft is judged by."""
        return {"parameters": {_name(number): LIMITS for number in range(self.rules)}}

    @property
    def spacecraft_ids(self) -> list[str]:
        """All that report."""
        return [_spacecraft(number) for number in range(self.spacecraft)]

    def order(self) -> list[int]:
        """The numbers of messages as they are published: some come again, soon or a few thousand later."""
        latest = self.disorder / self.tick * self.spacecraft
        first = [(number + _chosen(number + 17) * latest, number) for number in range(self.messages)]
        again = [
            (place + 0.5 + _chosen(number + 7) * 4_000, number)
            for place, number in first
            if _chosen(number + 13) < self.duplicates
        ]
        return [number for _, number in sorted(first + again)]

    def place(self, number: int) -> Place:
        """Whose snapshot it is, and of when."""
        message, item = divmod(number, self.array)
        tick = message // self.spacecraft * self.array + item
        return _spacecraft(message % self.spacecraft), self.begin + timedelta(seconds=tick * self.tick)

    @property
    def begin(self) -> datetime:
        """The time of the first."""
        return datetime.fromtimestamp(self.start, UTC)

    @property
    def end(self) -> datetime:
        """After the time of the last."""
        return self.begin + timedelta(seconds=(self.messages // self.spacecraft + 1) * self.array * self.tick)

    def is_anomalous(self, number: int) -> bool:
        """Whether its first parameter is beyond a limit."""
        return bool(self.rules) and _chosen(number) < self.anomalous

    def all(self) -> Iterator[Snapshot]:
        """Every snapshot in order; the same each time."""
        values = random.Random(1)  # noqa: S311 - to be repeated, not to be secret
        for number in range(self.snapshots):
            parameters = {_name(index): _value(index, values) for index in range(self.parameters)}
            if self.is_anomalous(number):
                parameters[_name(0)] = _BEYOND
            yield Snapshot(*self.place(number), self._id(number), parameters)

    def _id(self, number: int) -> str:
        digest = hashlib.blake2b(b"%d" % number, digest_size=16).hexdigest()
        return digest[:12] if self.ids else f"ts_{digest}"  # as long as the one that the service derives

    def bodies(self) -> list[bytes]:
        """The body of each message."""
        encode = msgspec.json.encode if self.encoding == "json" else msgspec.msgpack.encode
        snapshots = map(self._document, self.all())
        if self.array == 1:
            return [encode(snapshot) for snapshot in snapshots]
        return [encode([next(snapshots) for _ in range(self.array)]) for _ in range(self.messages)]

    def _document(self, snapshot: Snapshot) -> dict[str, Any]:
        document = {
            "timestamp": snapshot.timestamp.isoformat().replace("+00:00", "Z"),
            "parameters": snapshot.parameters,
        }
        return {"id": snapshot.id, **document} if self.ids else document


def _chosen(number: int) -> float:
    """Evenly spread between 0 and 1."""
    return number * _PRIME % 2**32 / 2**32


def _spacecraft(number: int) -> str:
    return f"SC-{number:05d}"


def _name(index: int) -> str:
    return f"temp_{index:02d}"


def _value(index: int, values: random.Random) -> Any:
    """Mostly readings; of ten one counter, of twenty one mode and one switch."""
    if index % 20 == 18:
        return _MODES[int(values.random() * len(_MODES))]
    if index % 20 == 19:
        return values.random() < 0.5
    if index % 10 == 8:
        return int(values.random() * _NOMINAL)
    return round((values.random() * 2 - 1) * _NOMINAL, 4)
