"""Replays of dead letters, as many requests as they take."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from missionops.cli.client import connection

_MOST = 1000
"""How many letters one request may name."""


class Outcome(NamedTuple):
    """What became of one letter."""

    sequence: int
    refusal: str | None
    """Why it stays a dead letter; None if it was replayed."""


class _Refused(msgspec.Struct):
    sequence: int
    reason: str
    retry: bool


class _Result(msgspec.Struct):
    replayed: list[int]
    refused: list[_Refused]


_decode = msgspec.json.Decoder(_Result).decode


async def replay(sequences: Iterable[int], report: Callable[[Outcome], None], server_url: str) -> None:
    """Replay letters in this order, and report each as soon as it is known what became of it.

    A letter that the service could not replay yet is asked for again, as long as others are replayed meanwhile.
    """
    waiting = list(sequences)
    async with connection.connected(server_url) as client:
        while waiting:
            request = msgspec.json.encode({"sequences": waiting[:_MOST]})
            result = _decode(await connection.request(client, "missionops.deadletters.replay", request))
            for sequence in result.replayed:
                report(Outcome(sequence, None))
            again = [refused.sequence for refused in result.refused if refused.retry and result.replayed]
            for refused in result.refused:
                if refused.sequence not in again:
                    report(Outcome(refused.sequence, refused.reason))
            waiting = again + waiting[_MOST:]
