"""Dead letters: telemetry that can never be stored, as DEADLETTERS keeps it, and whether it can be replayed."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from missionops.domain import spacecraft, timestamp
from missionops.domain.timestamp import Timestamp

SUBJECT = "deadletters.telemetry."
"""The subject of a dead letter, before the spacecraft's id."""
UNKNOWN = "_unknown"
"""Stands for the spacecraft's id in the subject of a dead letter where the telemetry's subject named no spacecraft."""

ERROR_CODE = "Missionops-Error-Code"
ERROR = "Missionops-Error"
STREAM_SEQUENCE = "Missionops-Stream-Sequence"
ITEM = "Missionops-Item"
ITEMS = "Missionops-Items"
TRUNCATED = "Missionops-Truncated"
CONTENT_TYPE = "Missionops-Content-Type"
ORIGINAL_ID = "Missionops-Original-Msg-Id"
HEADERS = (ERROR_CODE, ERROR, STREAM_SEQUENCE, ITEM, ITEMS, TRUNCATED, CONTENT_TYPE, ORIGINAL_ID)
"""The headers that the service adds to a dead letter; asyncapi.py describes each."""

_ADDED = ("nats-", "missionops-")
"""How the names of headers begin that the stream and the service add; all others came with the telemetry."""


class DeadLetterSummary(msgspec.Struct, frozen=True, rename="camel"):
    """A dead letter in a list."""

    sequence: int
    """Its number in the stream DEADLETTERS."""
    subject: str
    code: str | None
    """Why the telemetry was not stored; null where the letter's headers do not tell."""
    error: str | None
    item: int | None
    """Which item of an array it is, from 0; null where the message was no array."""
    at: Timestamp
    """When the stream took it."""
    size: int
    """Bytes of its body."""


class DeadLetter(NamedTuple):
    """A dead letter with its headers and its body."""

    sequence: int
    subject: str
    time: str
    """When the stream took it, as JetStream writes times."""
    headers: Mapping[str, str]
    body: bytes

    @property
    def spacecraft_id(self) -> str:
        """The spacecraft's id, or `UNKNOWN`."""
        return self.subject.removeprefix(SUBJECT)

    @property
    def own_headers(self) -> dict[str, str]:
        """All headers except those of the stream."""
        return {name: value for name, value in self.headers.items() if not name.lower().startswith("nats-")}

    @property
    def original_headers(self) -> dict[str, str]:
        """The headers that the telemetry came with, as far as they were kept.

        Only the first letter of an array has them; of the others a header of ours names the encoding.
        """
        kept = {name: value for name, value in self.headers.items() if not name.lower().startswith(_ADDED)}
        if CONTENT_TYPE in self.headers and not any(name.lower() == "content-type" for name in kept):
            kept["Content-Type"] = self.headers[CONTENT_TYPE]
        return kept

    @property
    def replay_id(self) -> str:
        """The message id of its replay: the same however often it is replayed, and of no other letter."""
        return f"{self.spacecraft_id}-replay-{self.sequence}-{self.time}"

    def summary(self) -> DeadLetterSummary:
        """The letter as a list shows it."""
        item = self.headers.get(ITEM, "")
        try:
            time = timestamp.parse(self.time)
        except timestamp.InvalidTimestamp:  # no clock of a NATS server is so wrong
            time = timestamp.EARLIEST
        return DeadLetterSummary(
            self.sequence,
            self.subject,
            self.headers.get(ERROR_CODE),
            self.headers.get(ERROR),
            int(item) if item.isdecimal() else None,
            time,
            len(self.body),
        )

    def reason_against_replay(self) -> str | None:
        """Why the letter can never be published again; None if it can."""
        if size := self.headers.get(TRUNCATED):
            return f"only its first {len(self.body)} of {size} bytes were kept"
        if not spacecraft.is_id(self.spacecraft_id):
            return "the subject that it came on names no spacecraft"
        return None
