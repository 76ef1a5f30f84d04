"""A snapshot: what one spacecraft reported at one time."""

import hashlib
from datetime import UTC, datetime

import msgspec

Value = bool | int | float | str
Identity = tuple[str, datetime, str]

_canonical = msgspec.json.Encoder(order="deterministic").encode


class Snapshot(msgspec.Struct, gc=False):
    """What one spacecraft reported at one time; two with one identity are the same snapshot."""

    spacecraft_id: str
    timestamp: datetime
    id: str
    parameters: dict[str, Value]
    text: bytes
    """The parameters as JSON, sorted by name: what is stored."""

    @property
    def identity(self) -> Identity:
        return self.spacecraft_id, self.timestamp, self.id


def text(parameters: dict[str, Value]) -> bytes:
    """`parameters` as JSON that depends on names and values alone: sorted, no white space, shortest numbers."""
    return _canonical(parameters)


def derived_id(timestamp: datetime, parameters_text: bytes) -> str:
    """The id of a snapshot whose publisher gave none: the same content has the same id, whatever its encoding."""
    digest = hashlib.blake2b(timestamp.astimezone(UTC).isoformat().encode(), digest_size=16)
    digest.update(b"\n")
    digest.update(parameters_text)
    return f"ts_{digest.hexdigest()}"
