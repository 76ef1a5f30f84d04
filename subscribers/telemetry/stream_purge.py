"""Purging telemetry that is handled from the stream, which keeps it for a while for other readers."""

import asyncio
import logging
import time
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import nats.errors
from nats.aio.client import Client

from missionops.broker import streams
from missionops.errors import Unavailable
from missionops.ingest.status import IngestStatus, StreamEnd
from missionops.settings import Settings

log = logging.getLogger(__name__)

_PAUSE = 5.0
_LOG_INTERVAL = 600.0
"""Seconds between two log lines about what was purged: an idle service purges a few messages again and again."""
_FULL = 0.8
_NOT_FOUND = 10037


class PurgeResult(NamedTuple):
    """How many messages were purged, and where the stream ended before that."""

    purged: int
    stream_end: StreamEnd


async def purge_handled(client: Client, status: IngestStatus, settings: Settings) -> None:
    """Purge messages that are handled and older than the setting, for ever.

    A stream that is nearly full gives up half of the handled messages, whatever their age: otherwise it would refuse
    new telemetry to keep old telemetry that is stored already.
    """
    purged, logged_at = 0, float("-inf")
    while True:
        await asyncio.sleep(_PAUSE)
        try:
            result = await purge(client, status.sequence, settings.telemetry_max_age)
            purged, status.stream_end = purged + result.purged, result.stream_end
        except (Unavailable, TimeoutError, nats.errors.Error) as error:
            log.warning("handled telemetry stays in the stream for now: %s", str(error) or type(error).__name__)
        if purged and time.monotonic() - logged_at > _LOG_INTERVAL:
            log.info("purged %d handled messages from the stream TELEMETRY", purged)
            purged, logged_at = 0, time.monotonic()


async def purge(client: Client, handled: int, max_age: float) -> PurgeResult:
    """Purge what may go now; never a message after `handled`.

    An empty stream has no first message, though the server gives its first sequence as 0 or one after the last.
    """
    info = await streams.ask(client, f"STREAM.INFO.{streams.TELEMETRY}")
    stream_end = StreamEnd(str(info["created"]), int(info["state"]["last_seq"]))
    if not info["state"]["messages"]:
        return PurgeResult(0, stream_end)
    first = int(info["state"]["first_seq"])
    keep = min(handled + 1, max(await _first_young(client, info, max_age), _first_after_pressure(info, handled)))
    if keep <= first:
        return PurgeResult(0, stream_end)
    response = await streams.ask(client, f"STREAM.PURGE.{streams.TELEMETRY}", {"seq": keep})
    return PurgeResult(int(response["purged"]), stream_end)


async def _first_young(client: Client, info: dict[str, Any], max_age: float) -> int:
    """The first message younger than `max_age`, by the server's clock."""
    since = datetime.fromisoformat(info["ts"][:19] + "+00:00") - timedelta(seconds=max_age)
    request = {"start_time": since.isoformat(), "next_by_subj": ">"}
    answer = await streams.ask(client, f"STREAM.MSG.GET.{streams.TELEMETRY}", request, accepted=_NOT_FOUND)
    return int(answer["message"]["seq"]) if "message" in answer else int(info["state"]["last_seq"]) + 1


def _first_after_pressure(info: dict[str, Any], handled: int) -> int:
    state, most = info["state"], int(info["config"]["max_bytes"])
    if most <= 0 or int(state["bytes"]) < _FULL * most:
        return 0
    return int(state["first_seq"]) + (handled + 1 - int(state["first_seq"]) + 1) // 2
