"""What a config document says of a spacecraft's clock and of its silence."""

from collections.abc import Iterator, Mapping
from typing import Any

from missionops.errors import Detail

LEAST_SILENCE = 60
"""Seconds: the least that `silentAfter` may be."""
MOST = 10**10
"""Seconds, which are more than all the years that are kept."""


def faults(document: Mapping[str, Any]) -> Iterator[Detail]:
    """What is wrong with `clock` and `silentAfter`."""
    clock = document.get("clock", {})
    if not isinstance(clock, dict):
        yield Detail("clock", 'must be an object such as {"ahead": 600}')
    elif "ahead" in clock and not _is_between(clock["ahead"], 0):
        yield Detail("clock.ahead", f"must be a number of seconds from 0 to {MOST}")
    if "silentAfter" in document and not _is_between(document["silentAfter"], LEAST_SILENCE):
        yield Detail("silentAfter", f"must be a number of seconds from {LEAST_SILENCE} to {MOST}")


def _is_between(value: object, least: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= MOST
