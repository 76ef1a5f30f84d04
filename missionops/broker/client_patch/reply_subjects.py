"""Answers go to inboxes, and not wherever a request says.

The service may publish anomalies, events and telemetry, and those who ask it may not. Whoever named such a subject as
the place for an answer would have the service say in its own name what he chose: a list as an anomaly, say. NATS cannot
tell these apart, so such a request loses its reply subject as it comes in, and what has none is not acted on.
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


def guard(client: Client) -> None:
    """Have `client` take no message's reply subject for an inbox that is none."""
    build_message = client._build_message  # noqa: SLF001 - the one place where all messages pass, see nats_guard.py

    def guarded(sid: int, subject: bytes, reply: bytes, data: bytes, headers: Any) -> Any:
        return build_message(sid, subject, b"" if reply.startswith(_OURS) else reply, data, headers)

    client._build_message = guarded  # type: ignore[method-assign] # noqa: SLF001 - likewise
