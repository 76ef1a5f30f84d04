"""The latest values of a spacecraft, read again whenever there is telemetry."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import nats.errors
from nats.aio.msg import Msg

from missionops import errors
from missionops.cli.client import connection
from missionops.cli.client.service import Service
from missionops.cli.output import terminal

PAUSE_SECONDS = 0.25
"""Between two readings, however much telemetry there is."""
LONGEST_SECONDS = 2.0
"""Until the next reading where there is none: ages change, and another way may have brought telemetry."""


async def follow(service: Service, spacecraft_id: str, request: Mapping[str, Any]) -> AsyncIterator[bytes]:
    """The latest values, now and whenever some may be new; during an outage one line says so, and it goes on after."""
    arrived, is_away = asyncio.Event(), False

    async def note(_: Msg) -> None:
        arrived.set()

    async with connection.connected(service.url, reconnect_tries=connection.FOR_EVER) as client:
        await client.subscribe(f"telemetry.{spacecraft_id}", cb=note)  # where that is refused, time alone counts
        while True:
            arrived.clear()
            try:
                body = msgspec.json.encode(request)
                reply = await connection.request(client, f"missionops.telemetry.latest.{spacecraft_id}", body)
            except (errors.Unavailable, nats.errors.Error) as error:
                if not is_away:
                    terminal.note(f"{error} Waiting for it.")
                is_away = True
            else:
                if is_away:
                    terminal.note("It answers again.")
                is_away = False
                yield reply
            await asyncio.sleep(PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_SECONDS - PAUSE_SECONDS):
                    await arrived.wait()
