"""What a stream keeps of a subject since a time, in the order in which it came."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from missionops import errors
from missionops.broker.client_patch import permissions
from missionops.broker.streams import ANOMALIES, DEADLETTERS, EVENTS

_PAGE = 256
_PAGE_BYTES = 4 << 20
_SECONDS = 6.0
_STREAMS = {"anomalies": ANOMALIES, "events": EVENTS, "deadletters": DEADLETTERS}
_END = {"204", "404"}
"""The status of a page's end, and of a page with nothing in it."""


class Stored(NamedTuple):
    """A message as it lies in a stream."""

    subject: str
    data: bytes
    headers: dict[str, str]


def stream_of(subject: str) -> str:
    """The stream that keeps what is published on `subject`; InvalidRequest if none keeps it to be read again."""
    if stream := _STREAMS.get(subject.partition(".")[0]):
        return stream
    raise errors.InvalidRequest(
        f"--since shows what a stream keeps of anomalies.*, events.* and deadletters.>, and none keeps {subject}; "
        "stored telemetry is shown by `missionops list-telemetry`."
    )


async def since(client: Client, subject: str, start: datetime) -> AsyncIterator[Stored]:
    """The messages that the subject's stream took at `start` or later (direct get, ADR-31)."""
    stream = stream_of(subject)
    wanted: dict[str, Any] = {"next_by_subj": subject, "batch": _PAGE, "max_bytes": _PAGE_BYTES}
    position: dict[str, Any] = {"start_time": start.isoformat()}
    while page := await _page(client, stream, wanted | position):
        for message in page:
            headers = dict(message.headers or {})
            position = {"seq": int(headers["Nats-Sequence"]) + 1}
            yield Stored(headers["Nats-Subject"], message.data, headers)


async def _page(client: Client, stream: str, request: Mapping[str, Any]) -> list[Msg]:
    inbox, subject = client.new_inbox(), f"$JS.API.DIRECT.GET.{stream}"
    subscription = await client.subscribe(inbox)
    messages: list[Msg] = []
    try:
        await client.publish(subject, json.dumps(request).encode(), inbox)
        while True:
            message = await permissions.unless_refused(client, subject, subscription.next_msg(_SECONDS))
            headers = message.headers or {}
            if "Nats-Sequence" in headers:  # not by its `Status`: a publisher may have set one
                messages.append(message)
            elif headers.get("Status") in _END:
                return messages
            else:
                raise errors.Unavailable(f"The stream {stream} cannot be read: NATS answers {headers.get('Status')}.")
    except nats.errors.TimeoutError:
        raise errors.Unavailable(f"The stream {stream} gave no answer within {_SECONDS:.0f} s.") from None
    except nats.errors.Error as error:
        raise errors.Unavailable(f"The connection to NATS failed: {error}.") from None
    finally:
        await subscription.unsubscribe()
