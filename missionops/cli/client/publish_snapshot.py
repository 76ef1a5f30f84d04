"""Publishing one snapshot from the command line."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from missionops import errors
from missionops.cli.client.bulk_publisher import BulkPublisher, PublishOutcome
from missionops.cli.client.service import Service
from missionops.cli.output import terminal
from missionops.wire import decoder
from missionops.wire.fault import Fault

_LITERAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?|true|false|null|NaN|-?Infinity")
# 71,5 or 99C was probably meant as a number, and nan as no value.
_NO_PLAIN_TEXT = re.compile(
    r"\s*[+\-\u2212]?[.,]?\d.*|\s*([+-]?(nan|inf|infinity)|true|false|null|none)\s*", re.IGNORECASE
)


def encode(spacecraft_id: str, values: Mapping[str, str], timestamp: str | None, snapshot_id: str | None) -> bytes:
    """The snapshot's body, which the service will take: what a snapshot in JSON may hold, all else as strings."""
    snapshot: dict[str, object] = {
        "timestamp": timestamp or datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "parameters": {
            name: msgspec.Raw(text.encode()) if _LITERAL.fullmatch(text) else text for name, text in values.items()
        },
    }
    texts = [
        f"{name} ({text!r})"
        for name, text in values.items()
        if _NO_PLAIN_TEXT.fullmatch(text) and not _LITERAL.fullmatch(text)
    ]
    if snapshot_id is not None:
        snapshot["id"] = snapshot_id
    try:
        body = msgspec.json.encode(snapshot)
    except UnicodeEncodeError:
        raise errors.InvalidRequest("The command's arguments are not UTF-8.") from None
    [decoded] = decoder.decode(spacecraft_id, body)
    if isinstance(decoded, Fault):
        raise errors.InvalidRequest(f"Not published: {decoded.reason}.")
    if texts:
        terminal.note(f"Sent as text, which no limit judges: {terminal.printable(', '.join(texts))}.")
    return body


async def publish(spacecraft_id: str, body: bytes, service: Service) -> None:
    """Publish one snapshot and print its id."""
    refused: list[str] = []

    def settle(outcome: PublishOutcome[None]) -> None:
        if outcome.refusal:
            refused.append(outcome.refusal)

    async with service.connected() as client:
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
    """Why the publisher gave up, and what to do about it."""
    if "no stream takes" in str(error):
        return errors.Unavailable(
            f"Not published: {error} on this NATS server: start the service with `missionops serve` or `missionops up`."
        )
    return errors.Unavailable(f"Not published: {error}.")
