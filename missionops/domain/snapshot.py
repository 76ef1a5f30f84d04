"""A snapshot: what one spacecraft reported at one time."""

import hashlib
from collections.abc import Callable
from datetime import datetime

import msgspec

from missionops.domain import timestamp
from missionops.domain.parameter_set import ParameterValues, Value

SnapshotKey = tuple[str, int, str]
"""Spacecraft, time (microseconds since 1970) and id."""


class Snapshot(msgspec.Struct, gc=False):
    """What one spacecraft reported at one time; two with one identity are the same snapshot."""

    identity: SnapshotKey
    values: ParameterValues | dict[str, Value]

    @property
    def spacecraft_id(self) -> str:
        return self.identity[0]

    @property
    def timestamp(self) -> datetime:
        return timestamp.from_microseconds(self.identity[1])

    @property
    def id(self) -> str:
        return self.identity[2]

    @property
    def parameters(self) -> dict[str, Value]:
        return self.values if isinstance(self.values, dict) else self.values.named()


text: Callable[[ParameterValues | dict[str, Value]], bytes] = msgspec.json.Encoder(order="deterministic").encode
"""Parameters as JSON that depends on names and values alone: sorted, no white space, shortest numbers."""


def derived_id(time: int, parameters_text: bytes) -> str:
    """The id of a snapshot whose publisher gave none: the same content has the same id, whatever its encoding."""
    digest = hashlib.blake2b(timestamp.from_microseconds(time).isoformat().encode(), digest_size=16)
    digest.update(b"\n")
    digest.update(parameters_text)
    return f"ts_{digest.hexdigest()}"
