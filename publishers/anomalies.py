"""Anomalies as messages on `anomalies.<spacecraftId>`."""

import hashlib
from collections.abc import Iterable, Iterator

from missionops.store.anomalies import StoredAnomaly
from publishers.exactly_once import Message


def messages(anomalies: Iterable[StoredAnomaly]) -> Iterator[Message]:
    """Stored anomalies as they are published: the stored bytes, under an id made of what identifies them."""
    for anomaly in anomalies:
        yield Message(f"anomalies.{anomaly.spacecraft_id}", _id(anomaly), anomaly.body)


def _id(anomaly: StoredAnomaly) -> str:
    parts = (
        anomaly.spacecraft_id, anomaly.timestamp.isoformat(), anomaly.snapshot_id, anomaly.parameter, anomaly.kind,
    )  # fmt: skip
    # U+0000 is refused in every one of them, so it separates them.
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
