"""The subjects that this package publishes to, declared as FastStream publishers so that the broker lists them.

Nothing publishes through them: a FastStream publisher sends one message at a time and cannot name the last sequence
that the stream must have, so it can publish neither exactly once nor fast enough (exactly_once.py does).
"""

from faststream.nats import JStream, NatsBroker

from missionops.broker import streams

_CHANNELS = (
    (streams.ANOMALIES, "One message for each parameter of a stored snapshot outside its limits."),
    (streams.ALARMS, "Each change of an alarm, with the alarm as it is then."),
    (streams.EVENTS, "Recorded events, changed configs, published documents."),
    (streams.DEADLETTERS, "Telemetry that can never be stored."),
)


def declare(broker: NatsBroker) -> None:
    """Declare every subject with the stream that stores it; the streams are not created here."""
    for stream, description in _CHANNELS:
        broker.publisher(streams.OUTGOING[stream], stream=JStream(stream, declare=False), description=description)
