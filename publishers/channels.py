"""What this package publishes, as FastStream publishers, so that the broker lists it.

They are declared and not used: one message at a time, without a sequence that the stream must have, is not enough for
messages that must be there once each and at once (exactly_once.py).
"""

from faststream.nats import JStream, NatsBroker

from missionops.broker import streams

_CHANNELS = (
    ("anomalies.*", streams.ANOMALIES, "One message for each parameter of a stored snapshot outside its limits."),
    ("events.*", streams.EVENTS, "Recorded events, changed configs, published documents."),
    ("deadletters.telemetry.*", streams.DEADLETTERS, "Telemetry that can never be stored."),
)


def declare(broker: NatsBroker) -> None:
    """Declare every subject that is published to, and the stream that takes it; the streams themselves are not ours."""
    for subject, stream, description in _CHANNELS:
        broker.publisher(subject, stream=JStream(stream, declare=False), description=description)
