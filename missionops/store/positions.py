"""Positions of snapshots as bytes that sort as they do: time, timestamp, and the id by code point."""

from missionops.domain import timestamp
from missionops.domain.episodes.episode import Position

_SINCE = timestamp.to_microseconds(timestamp.EARLIEST)
_SIZE = 8


def written(position: Position) -> bytes:
    """A position as it is stored."""
    time, stamp, identifier = position
    return (time - _SINCE).to_bytes(_SIZE) + (stamp - _SINCE).to_bytes(_SIZE) + identifier.encode()


def read(stored: bytes) -> Position:
    """A stored position."""
    time, stamp = (int.from_bytes(stored[start : start + _SIZE]) + _SINCE for start in (0, _SIZE))
    return time, stamp, stored[2 * _SIZE :].decode()
