"""Replays of dead letters, in as many requests as they take."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec
from nats.aio.client import Client

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


async def replay(client: Client, sequences: Iterable[int], report: Callable[[Outcome], None]) -> None:
    """Replay letters in this order, and report each as soon as it is known what became of it.

    A letter that the service could not replay yet is requested again, as long as others are replayed meanwhile.
    """
    waiting = list(sequences)
    while waiting:
        request = msgspec.json.encode({"sequences": waiting[:_MOST]})
        reply = await connection.request(client, "missionops.deadletters.replay", request)
        result = msgspec.json.decode(reply, type=_Result)
        for sequence in result.replayed:
            report(Outcome(sequence, None))
        again = [refused.sequence for refused in result.refused if refused.retry and result.replayed]
        for refused in result.refused:
            if refused.sequence not in again:
                report(Outcome(refused.sequence, refused.reason))
        waiting = again + waiting[_MOST:]
