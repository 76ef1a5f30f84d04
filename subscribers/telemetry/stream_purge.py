"""Purge handled telemetry from the stream, which keeps it for a while for those who want to read it again."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from nats.aio.client import Client

from missionops.broker import jetstream, streams
from missionops.errors import Unavailable
from missionops.settings import Settings

log = logging.getLogger(__name__)

_PAUSE = 5.0
_FULL = 0.8


async def purge_handled(client: Client, handled: Callable[[], int], settings: Settings) -> None:
    """Purge messages up to `handled()` that are older than the setting, for ever.

    A stream that is nearly full loses half of what is handled, whatever its age: otherwise it would refuse new
    telemetry for the sake of telemetry that is stored.
    """
    while True:
        await asyncio.sleep(_PAUSE)
        try:
            await purge(client, handled(), settings.telemetry_max_age)
        except Unavailable as error:
            log.warning("handled telemetry stays in the stream for now: %s", error)


async def purge(client: Client, handled: int, max_age: float) -> None:
    """Purge what may go now; never a message after `handled`.

    An empty stream has no first message, though the server gives its first sequence as 0 or one after the last.
    """
    info = await jetstream.stream_info(client, streams.TELEMETRY)
    state, max_bytes = info["state"], int(info["config"]["max_bytes"])
    if not state["messages"]:
        return
    first, last = int(state["first_seq"]), int(state["last_seq"])

    since = datetime.fromisoformat(info["ts"][:19] + "+00:00") - timedelta(seconds=max_age)  # by the server's clock
    request = {"start_time": since.isoformat(), "next_by_subj": ">"}
    young = await jetstream.find_message(client, streams.TELEMETRY, request)
    keep = young.sequence if young else last + 1
    if max_bytes > 0 and int(state["bytes"]) >= _FULL * max_bytes:
        keep = max(keep, first + (handled + 1 - first + 1) // 2)

    keep = min(keep, handled + 1)
    if keep > first:
        answer = await jetstream.request(client, f"STREAM.PURGE.{streams.TELEMETRY}", {"seq": keep})
        if answer["purged"]:
            log.info("purged %d handled messages from the stream", answer["purged"])
