"""Responses go to inboxes, and not to any subject that a request names.

The service may publish anomalies, events and telemetry, and its clients may not. A client that named such a subject as
its reply subject could make the service publish there in its own name: a list as an anomaly, for instance. NATS cannot
tell these apart, so such a request loses its reply subject when it arrives, and a request without one is not handled.
"""

from typing import Any

from nats.aio.client import Client

_OURS = (
    b"telemetry.",
    b"anomalies.",
    b"events.",
    b"deadletters.",
    b"missionops.",
    b"$JS.API.",
    b"$SRV.",
    b"$SYS.",
)


def install(client: Client) -> None:
    """Make `client` drop each reply subject that is one of ours and not an inbox."""
    build_message = client._build_message  # noqa: SLF001 - the one place where all messages pass

    def guarded(sid: int, subject: bytes, reply: bytes, data: bytes, headers: Any) -> Any:
        return build_message(sid, subject, b"" if reply.startswith(_OURS) else reply, data, headers)

    client._build_message = guarded  # type: ignore[method-assign] # noqa: SLF001 - see above
