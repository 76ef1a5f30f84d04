"""Subjects of telemetry as the stream TELEMETRY stores them: `telemetry.<partition>.<what followed telemetry.>`.

The stream puts the partition, a number, before the rest of the subject. It leaves one kind of subject as it was
published: one with a token `*` or `>`, which NATS lets anybody publish to. Such a token is no number and no spacecraft
id, so what is published to `telemetry.*.SC-002` or `telemetry.0.*` cannot pass for the telemetry of a spacecraft.
"""

import re
from functools import lru_cache

from missionops.domain import spacecraft
from missionops.wire import headers
from missionops.wire.fault import shown

_PREFIX = "telemetry."
_STORED = re.compile(rf"telemetry\.[0-9]{{1,5}}\.({spacecraft.ID_PATTERN})".encode())
_LONGEST = len(_PREFIX) + len("12345.") + spacecraft.ID_LENGTH
_WILDCARDS = frozenset({"*", ">"})


def spacecraft_id(stored: bytes) -> str | None:
    """The spacecraft whose telemetry has this stored subject; None if it is no spacecraft's."""
    return _known_id(stored) if len(stored) <= _LONGEST else None  # a longer one need not be remembered


@lru_cache(maxsize=16_384)
def _known_id(stored: bytes) -> str | None:
    found = _STORED.fullmatch(stored)
    return found[1].decode() if found else None


def published(stored: bytes) -> str:
    """The subject that was published to, from the one that is stored."""
    first, *rest = headers.text(stored).removeprefix(_PREFIX).split(".")
    return _PREFIX + ".".join([first, *rest] if _WILDCARDS & {first, *rest} else rest)


def fault(stored: bytes) -> str:
    """Why a stored subject is no spacecraft's."""
    subject = published(stored)
    tokens = subject.count(".") + 1
    if tokens > 2:  # noqa: PLR2004 - telemetry and the id
        return f"subject: {shown(subject)} has {tokens} tokens; it must be telemetry.<spacecraftId>"
    return f"subject: {shown(subject)} does not end in a spacecraft id ({spacecraft.ID_RULE})"
