"""Anomalies as messages on `anomalies.<spacecraftId>`."""

import hashlib
from collections.abc import Iterable, Iterator

from missionops.store.anomalies import StoredAnomaly
from publishers.exactly_once import Message


def messages(anomalies: Iterable[StoredAnomaly]) -> Iterator[Message]:
    """Stored anomalies as messages: the stored bytes, with a message id that is derived from the anomaly's key."""
    for anomaly in anomalies:
        key = (
            anomaly.spacecraft_id, anomaly.timestamp.isoformat(), anomaly.snapshot_id, anomaly.parameter, anomaly.kind,
        )  # fmt: skip
        # U+0000 separates the parts: none of them can contain it.
        message_id = hashlib.blake2b("\0".join(key).encode(), digest_size=16).hexdigest()
        yield Message(f"anomalies.{anomaly.spacecraft_id}", message_id, anomaly.body)
