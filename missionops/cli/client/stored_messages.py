"""The messages of a subject that a stream keeps since a time, oldest first."""

from collections.abc import AsyncIterator
from datetime import datetime

from nats.aio.client import Client

from missionops import errors
from missionops.broker import jetstream, streams
from missionops.broker.jetstream import StoredMessage

_PAGE = 256
_PAGE_BYTES = 4 << 20
_STREAMS = {subject.partition(".")[0]: stream for stream, subject in streams.OUTGOING.items()}


def stream_of(subject: str) -> str:
    """The stream that keeps what is published on `subject`; InvalidRequest if none keeps it to be read again."""
    if stream := _STREAMS.get(subject.partition(".")[0]):
        return stream
    raise errors.InvalidRequest(
        "--since shows what a stream keeps of alarms.*, anomalies.*, events.* and deadletters.>, and none keeps "
        f"{subject}; stored telemetry is shown by `missionops list-telemetry`."
    )


def is_kept(subject: str) -> bool:
    """Whether a stream keeps what is published on `subject` to be read again."""
    return subject.partition(".")[0] in _STREAMS


def since(client: Client, subject: str, start: datetime) -> AsyncIterator[StoredMessage]:
    """The messages that the subject's stream took at `start` or later."""
    stream, start_time = stream_of(subject), start.isoformat()
    return jetstream.messages(
        client, stream, subject=subject, page=_PAGE, page_bytes=_PAGE_BYTES, start_time=start_time
    )
