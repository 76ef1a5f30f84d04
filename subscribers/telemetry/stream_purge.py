"""Forgetting telemetry that is stored: the stream keeps it for a while, for whoever wants to read it again."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from nats.aio.client import Client

from missionops.broker import jetstream, streams
from missionops.errors import Unavailable
from missionops.settings import Settings

log = logging.getLogger(__name__)

_PAUSE = 5.0
_FULL = 0.8


async def purge_handled(client: Client, handled: Callable[[], int], settings: Settings) -> None:
    """Purge messages up to `handled()` that are older than the setting, for ever.

    A stream that is nearly full gives up half of what is handled, whatever its age: it would refuse new telemetry
    for the sake of old that is stored.
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
    if not info["state"]["messages"]:
        return
    first = int(info["state"]["first_seq"])
    keep = min(handled + 1, max(await _first_young(client, info, max_age), _first_after_pressure(info, handled)))
    if keep > first:
        answer = await jetstream.request(client, f"STREAM.PURGE.{streams.TELEMETRY}", {"seq": keep})
        if answer["purged"]:
            log.info("purged %d handled messages from the stream", answer["purged"])


async def _first_young(client: Client, info: dict[str, Any], max_age: float) -> int:
    """The first message younger than `max_age`, by the server's clock."""
    since = datetime.fromisoformat(info["ts"][:19] + "+00:00") - timedelta(seconds=max_age)
    request = {"start_time": since.isoformat(), "next_by_subj": ">"}
    found = await jetstream.find_message(client, streams.TELEMETRY, request)
    return found.sequence if found else int(info["state"]["last_seq"]) + 1


def _first_after_pressure(info: dict[str, Any], handled: int) -> int:
    state, most = info["state"], int(info["config"]["max_bytes"])
    if most <= 0 or int(state["bytes"]) < _FULL * most:
        return 0
    return int(state["first_seq"]) + (handled + 1 - int(state["first_seq"]) + 1) // 2
