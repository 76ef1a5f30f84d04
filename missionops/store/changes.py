"""Hints of what was changed: sent by the transaction that changes it, received when that is committed.

A hint is a text: what was changed and, after a space, of which spacecraft, separated by commas; `_fleet` stands for
what is about no one spacecraft. PostgreSQL carries each to every session that listens, of whichever instance.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

CHANNEL = "missionops_changes"

_LONGEST = 7_900
"""Bytes of one notification; the server takes 7,999."""


class HintKind(StrEnum):
    """What was changed."""

    TELEMETRY = "telemetry"
    """Telemetry was stored, and its anomalies with it."""
    EVENT = "event"
    ALARM = "alarm"
    CONFIG = "config"
    """A config, and so an event, too."""


class Hint(NamedTuple):
    """What was changed, and of which spacecraft."""

    kind: HintKind
    spacecraft_ids: list[str]


def written(kind: HintKind, spacecraft_ids: Iterable[str]) -> Iterator[str]:
    """The notifications that say so: as many as it takes."""
    text = kind.value
    for spacecraft_id in spacecraft_ids:
        if len(text) + len(spacecraft_id) >= _LONGEST:
            yield text
            text = kind.value
        text += f"{' ' if text == kind.value else ','}{spacecraft_id}"
    if text != kind.value:
        yield text


def read(text: str) -> Hint:
    """The hint in a notification; ValueError if it is none of ours."""
    kind, _, spacecraft_ids = text.partition(" ")
    return Hint(HintKind(kind), spacecraft_ids.split(","))
