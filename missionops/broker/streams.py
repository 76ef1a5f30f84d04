"""The JetStream streams: created where they are absent, checked where they are not, never rewritten."""

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from nats.aio.client import Client

from missionops.broker import jetstream
from missionops.broker.jetstream import ApiError, ErrorCode
from missionops.errors import SetupError
from missionops.settings import Settings

log = logging.getLogger(__name__)

TELEMETRY = "TELEMETRY"
ANOMALIES = "ANOMALIES"
ALARMS = "ALARMS"
EVENTS = "EVENTS"
DEADLETTERS = "DEADLETTERS"

OUTGOING = {
    ANOMALIES: "anomalies.*",
    ALARMS: "alarms.*",
    EVENTS: "events.*",
    DEADLETTERS: "deadletters.telemetry.*",
}
"""The streams that the service publishes to, each with the subjects that it stores."""

OLDEST_SERVER = (2, 14)
"""A consumer can be reset to a position since this version."""

_LEAST = 8 << 20
"""The least max_bytes of an outgoing stream: what the dead letters of one message may hold."""

PARTITIONS = 16
"""The parts of the stream TELEMETRY, each of which can be read in its own order. Fixed when the stream is made."""

TELEMETRY_WINDOW = 0.1
"""Seconds in which TELEMETRY drops a repeated Nats-Msg-Id: the least that the server takes.

The window is the stream's, not a spacecraft's: two spacecraft that number their messages would lose each other's. A
repeat that comes later is found by the database.
"""


def _wanted(settings: Settings) -> Iterator[dict[str, Any]]:
    window = _nanoseconds(settings.duplicate_window)
    yield {
        "name": TELEMETRY,
        # Not telemetry.*: no stream would keep what is published on telemetry.SAT.1, and its publisher would not know.
        "subjects": ["telemetry.>"],
        # The hash of the whole subject is put before the rest of it, so no publisher can choose it: telemetry.0.SC-1
        # is stored as telemetry.<n>.0.SC-1. One consumer can then read some of the partitions.
        "subject_transform": {"src": "telemetry.>", "dest": f"telemetry.{{{{partition({PARTITIONS})}}}}.>"},
        "retention": "limits",
        "discard": "new",  # a full stream refuses telemetry; it does not forget what was not read yet
        "max_bytes": settings.telemetry_max_bytes,
        "storage": "file",
        "allow_direct": True,
        "duplicate_window": _nanoseconds(TELEMETRY_WINDOW),
    }
    for name, subject in OUTGOING.items():
        yield {
            "name": name,
            "subjects": [subject],
            "retention": "limits",
            "discard": "old",
            "max_bytes": settings.outgoing_max_bytes,
            "max_age": _nanoseconds(settings.outgoing_max_age),
            "storage": "file",
            "allow_direct": True,
            "allow_atomic": True,
            "duplicate_window": min(window, _nanoseconds(settings.outgoing_max_age)),
        }


# The service cannot work without these. Sizes, ages, replicas and placement are the operator's.
_NEEDED = ("subjects", "subject_transform", "retention", "allow_direct", "allow_atomic")


async def provision(client: Client, settings: Settings) -> None:
    """Create the streams that are absent; SetupError names the first that exists and cannot be used."""
    refuse_old_server(client)
    size = settings.outgoing_max_bytes
    for wanted in _wanted(settings):
        found = await _config(client, wanted["name"])
        if found is None and wanted["name"] == TELEMETRY:
            if not await _create(client, wanted):
                raise _no_room(wanted)
            continue
        if found is None:  # where one stream had to be smaller, those after it are no larger
            size = await _create_outgoing(client, wanted, size)
            continue
        for key in _NEEDED:
            if key in wanted and found.get(key) != wanted[key]:
                raise SetupError(
                    f"The stream {wanted['name']} exists with {key} = {json.dumps(found.get(key))}; missionops needs "
                    f"{json.dumps(wanted[key])}. Change the stream (`nats stream edit {wanted['name']}`), which keeps "
                    "what it holds, or remove it so that missionops makes its own."
                )
        if wanted["name"] == TELEMETRY and (found.get("max_age") or found.get("discard") != "new"):
            raise SetupError(
                "The stream TELEMETRY would drop telemetry that was not stored: it needs max_age 0, discard new."
            )


async def warn_of_window(client: Client) -> None:
    """Log a warning if TELEMETRY drops repeats for longer, as a stream of an earlier version or of the operator may."""
    config = await _config(client, TELEMETRY) or {}
    window = config.get("duplicate_window", 0) / 1e9
    if window > TELEMETRY_WINDOW:
        log.warning(
            "the stream TELEMETRY drops a Nats-Msg-Id that comes again within %g s, whichever spacecraft it is of: "
            "publishers have to begin it with their spacecraft's id. Lower it by "
            "`nats stream edit TELEMETRY --dupe-window 100ms`.", window
        )  # fmt: skip


def refuse_old_server(client: Client) -> None:
    """SetupError if the server lacks what the ingest path is built on."""
    version = client.connected_server_version
    if (version.major, version.minor) < OLDEST_SERVER:
        oldest = ".".join(map(str, OLDEST_SERVER))
        raise SetupError(f"nats-server {version.major}.{version.minor} is too old: missionops needs {oldest} or newer.")


async def _config(client: Client, name: str) -> dict[str, Any] | None:
    try:
        config: dict[str, Any] = (await jetstream.stream_info(client, name))["config"]
    except ApiError as error:
        if error.error_code == ErrorCode.STREAM_NOT_FOUND:
            return None
        raise
    return config


async def _create(client: Client, wanted: dict[str, Any]) -> bool:
    """Create a stream; False if NATS has no room for its max_bytes."""
    try:
        await jetstream.request(client, f"STREAM.CREATE.{wanted['name']}", wanted)
    except ApiError as error:
        if error.error_code == ErrorCode.STORAGE_RESOURCES_EXCEEDED:
            return False
        raise
    return True


async def _create_outgoing(client: Client, wanted: dict[str, Any], size: int) -> int:
    """Create a stream with a bound of `size`, or of less where NATS has less room; returns its bound, 0 if it has none.

    No telemetry is lost by a smaller one, and the service says in its readiness what it dropped.
    """
    while size >= _LEAST:
        if await _create(client, wanted | {"max_bytes": size}):
            if size < wanted["max_bytes"]:
                log.warning("NATS has no room for %d bytes of the stream %s: it may hold %d bytes",
                            wanted["max_bytes"], wanted["name"], size)  # fmt: skip
            return size
        size //= 4
    if not await _create(client, wanted | {"max_bytes": -1}):
        raise _no_room(wanted)
    return 0


def _no_room(wanted: Mapping[str, Any]) -> SetupError:
    setting = "MISSIONOPS_TELEMETRY_MAX_BYTES" if wanted["name"] == TELEMETRY else "MISSIONOPS_OUTGOING_MAX_BYTES"
    return SetupError(
        f"NATS has no room for the stream {wanted['name']}: lower {setting} ({wanted['max_bytes']}) or raise the "
        "server's max_file_store."
    )


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
