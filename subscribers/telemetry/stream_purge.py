"""Purge handled telemetry from the stream, which keeps it for a while for those who want to read it again."""

import asyncio
import logging
import time
from datetime import datetime, timedelta
from typing import NamedTuple

from nats.aio.client import Client

from missionops.broker import jetstream, streams
from missionops.errors import Unavailable
from missionops.ingest.status import IngestStatus, StreamEnd
from missionops.settings import Settings

log = logging.getLogger(__name__)

_PAUSE = 5.0
_LOG_INTERVAL = 600.0
"""Seconds between two log lines about what was purged: an idle service purges a few messages again and again."""
_FULL = 0.8


class PurgeResult(NamedTuple):
    """How many messages were purged, and where the stream ended before that."""

    purged: int
    stream_end: StreamEnd


async def purge_handled(client: Client, status: IngestStatus, settings: Settings) -> None:
    """Purge messages that are handled and older than the setting, for ever.

    A stream that is nearly full loses half of what is handled, whatever its age: otherwise it would refuse new
    telemetry for the sake of telemetry that is stored.
    """
    purged, logged_at = 0, float("-inf")
    while True:
        await asyncio.sleep(_PAUSE)
        try:
            # What the status calls handled is published, too; the checkpoint may be ahead of it.
            result = await purge(client, status.sequence, settings.telemetry_max_age)
            purged, status.stream_end = purged + result.purged, result.stream_end
        except Unavailable as error:
            log.warning("handled telemetry stays in the stream for now: %s", error)
        if purged and time.monotonic() - logged_at > _LOG_INTERVAL:
            log.info("purged %d handled messages from the stream TELEMETRY", purged)
            purged, logged_at = 0, time.monotonic()


async def purge(client: Client, handled: int, max_age: float) -> PurgeResult:
    """Purge what may go now; never a message after `handled`.

    An empty stream has no first message, though the server gives its first sequence as 0 or one after the last.
    """
    info = await jetstream.stream_info(client, streams.TELEMETRY)
    state, max_bytes = info["state"], int(info["config"]["max_bytes"])
    first, last = int(state["first_seq"]), int(state["last_seq"])
    stream_end = StreamEnd(str(info["created"]), last)
    if not state["messages"]:
        return PurgeResult(0, stream_end)

    since = datetime.fromisoformat(info["ts"][:19] + "+00:00") - timedelta(seconds=max_age)  # by the server's clock
    request = {"start_time": since.isoformat(), "next_by_subj": ">"}
    young = await jetstream.find_message(client, streams.TELEMETRY, request)
    keep = young.sequence if young else last + 1
    if max_bytes > 0 and int(state["bytes"]) >= _FULL * max_bytes:
        keep = max(keep, first + (handled + 1 - first + 1) // 2)

    keep = min(keep, handled + 1)
    if keep <= first:
        return PurgeResult(0, stream_end)
    response = await jetstream.request(client, f"STREAM.PURGE.{streams.TELEMETRY}", {"seq": keep})
    return PurgeResult(int(response["purged"]), stream_end)
