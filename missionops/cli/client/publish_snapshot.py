"""One snapshot from the command line to the stream."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from missionops import errors
from missionops.cli.client import connection
from missionops.cli.client.bulk_publisher import BulkPublisher, PublishOutcome
from missionops.cli.output import terminal
from missionops.wire import decoder
from missionops.wire.fault import Fault

_LITERAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?|true|false")


def encode(spacecraft_id: str, values: Mapping[str, str], timestamp: str | None, snapshot_id: str | None) -> bytes:
    """The snapshot's body, sure to be taken by the service."""
    said: dict[str, object] = {
        "timestamp": timestamp or datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "parameters": {name: _value(text) for name, text in values.items()},
    }
    if likely_meant := [f"{name} ({text!r})" for name, text in values.items() if _looks_like_number(text)]:
        terminal.note(f"Sent as text, which no limit judges: {terminal.printable(', '.join(likely_meant))}.")
    if snapshot_id is not None:
        said["id"] = snapshot_id
    try:
        body = msgspec.json.encode(said)
    except UnicodeEncodeError:
        raise errors.InvalidRequest("What was given is not UTF-8.") from None
    [decoded] = decoder.decode(spacecraft_id, body)
    if isinstance(decoded, Fault):
        raise errors.InvalidRequest(f"Not published: {decoded.reason}.")
    return body


async def publish(spacecraft_id: str, body: bytes, server_url: str) -> None:
    """Publishes one snapshot and says its id."""
    refused: list[str] = []

    def settle(outcome: PublishOutcome[None]) -> None:
        if outcome.refusal:
            refused.append(outcome.refusal)

    async with connection.connected(server_url) as client:
        try:
            async with BulkPublisher(client, settle) as publisher:
                await publisher.publish(spacecraft_id, body, None)
        except errors.Unavailable as error:
            raise explained(error) from None
    if refused:
        raise errors.InvalidRequest(f"Not published: {refused[0]}.")
    [snapshot] = decoder.decode(spacecraft_id, body)
    assert not isinstance(snapshot, Fault)  # noqa: S101 - it was not when it was encoded
    terminal.result(f"{spacecraft_id}: snapshot {snapshot.id} acknowledged")


def explained(error: errors.Unavailable) -> errors.Unavailable:
    """The publisher's reason to give up, with what to do about it."""
    if "no stream takes" in str(error):
        return errors.Unavailable(
            f"Not published: {error} on this NATS server: start the service with `missionops serve` or `missionops up`."
        )
    return errors.Unavailable(f"Not published: {error}.")


def _looks_like_number(text: str) -> bool:
    """Whether a text was probably meant as a number: 71,5 or 99C."""
    return bool(re.match(r"[+-]?[.,]?[0-9]", text)) and not _LITERAL.fullmatch(text)


def _value(text: str) -> object:
    """JSON's own numbers as they are written, true and false; all else is a string."""
    return msgspec.Raw(text.encode()) if _LITERAL.fullmatch(text) else text
