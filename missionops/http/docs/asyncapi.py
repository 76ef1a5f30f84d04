"""The AsyncAPI document of what goes over NATS.

Written here and not by FastStream, whose generator knows neither replies nor that one subject takes one snapshot as
well as an array of them (tests/integration/broker/test_faststream.py). Its subjects are those in FastStream's lists
(tests/integration/operations/test_nats_requests.py).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

from missionops import __version__
from missionops.domain import dead_letter, spacecraft
from missionops.domain.alarm import AlarmMessage
from missionops.domain.anomaly import Anomaly
from missionops.domain.event import Event
from missionops.http.docs import schemas
from missionops.http.docs.schemas import ErrorBody, Schema, Schemas
from missionops.operations import pagination
from missionops.operations.dispatch import ErrorResponse
from missionops.operations.intake import ReportedSnapshot
from missionops.operations.operation import Operation
from missionops.wire import decoder, fault

_DESCRIPTION = """Spacecraft telemetry in, anomalies, alarms and events out, and everything that can be requested.

Times are RFC 3339 with an offset, from 1900-01-01 to 2199-12-31 UTC; digits past the microsecond are cut. Requests are
NATS request/reply in the queue group `missionops`, each answered within 5 s; an empty body is `{}`. The service also
answers NATS service discovery (`$SRV.PING`, `$SRV.INFO`, `$SRV.STATS`, name `missionops`)."""

_JSON = "application/json"
_MSGPACK = "application/msgpack"

_MSG_ID = {
    "Nats-Msg-Id": {
        "type": "string",
        "description": "It is the same whenever the message is published again: the stream keeps it once, and a core "
        "subscriber may receive it twice.",
    }
}

_DEAD_LETTER_HEADERS = {
    dead_letter.ERROR_CODE: {
        "type": "string", "enum": [*get_args(fault.Code)],
    },
    dead_letter.ERROR: {
        "type": "string", "maxLength": 512, "description": "What is wrong, on one line of ASCII.",
    },
    dead_letter.STREAM_SEQUENCE: {
        "type": "string", "pattern": "^[0-9]+$", "description": "The message's sequence in the stream TELEMETRY.",
    },
    dead_letter.ITEM: {"type": "string", "pattern": "^[0-9]+$", "description": "Its index in an array, from 0."},
    dead_letter.ITEMS: {
        "type": "string", "pattern": "^[0-9]+$",
        "description": "How many bad items this letter holds, where one holds all that are left.",
    },
    dead_letter.CONTENT_TYPE: {
        "type": "string", "description": "How an item is written, where the letter has not the original headers.",
    },
    dead_letter.TRUNCATED: {
        "type": "string", "pattern": "^[0-9]+$", "description": "The size of what was cut to fit into a message.",
    },
    dead_letter.ORIGINAL_ID: {"type": "string", "description": "The Nats-Msg-Id that it came with."},
}  # fmt: skip
_DEAD_LETTER_NEEDS = (dead_letter.ERROR_CODE, dead_letter.ERROR, dead_letter.STREAM_SEQUENCE)

_REPLY_HEADERS = {
    "content-type": {"type": "string", "const": _JSON},
    "correlation_id": {
        "type": "string", "description": "The request's, if it has at most 128 characters, all ASCII; else a new one.",
    },
}  # fmt: skip
_ERROR_HEADERS = {
    "Nats-Service-Error-Code": {"type": "string", "enum": ["400", "404", "409", "413", "500", "503"]},
    "Nats-Service-Error": {"type": "string", "description": "The message, on one line of ASCII."},
}


def document(operations: Sequence[Operation]) -> Schema:
    """The AsyncAPI document."""
    types = [ReportedSnapshot, Anomaly, AlarmMessage, Event, ErrorBody]
    types += [type_ for operation in operations for type_ in (schemas.taken(operation), operation.reply)]
    known = Schemas({repr(type_): type_ for type_ in types}.values())
    requests = [_request(operation, known) for operation in operations]
    error_headers = _REPLY_HEADERS | _ERROR_HEADERS
    error = _message(
        ErrorResponse.__doc__ or "", known.of(ErrorBody), headers=_headers(error_headers, tuple(error_headers))
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "missionops", "version": __version__, "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": _JSON,
        "channels": _streams(known) | {
            name: channel for request in requests for name, channel in request.channels.items()
        },
        "operations": {
            "receiveTelemetry": _operation("receive", "telemetry", "Take in telemetry"),
            "sendAnomalies": _operation("send", "anomalies", "Publish anomalies"),
            "sendAlarms": _operation("send", "alarms", "Publish what happens to alarms"),
            "sendEvents": _operation("send", "events", "Publish events"),
            "sendDeadLetters": _operation("send", "deadLetters", "Publish dead letters"),
        } | {
            operation.name: request.operation for operation, request in zip(operations, requests, strict=True)
        },
        "components": {"schemas": dict(sorted(known.components.items())), "messages": {"error": error}},
    }  # fmt: skip


def _streams(known: Schemas) -> Schema:
    """The channels of the streams."""
    snapshot = known.of(ReportedSnapshot)
    snapshots = {"type": "array", "items": snapshot, "maxItems": decoder.MAX_ITEMS}
    timed = "MessagePack's timestamp extension is accepted as a time, too."
    typed = _headers(
        {"Content-Type": {"type": "string", "enum": [_MSGPACK, "application/x-msgpack"]}}, ("Content-Type",)
    )
    return {
        "telemetry": _channel(
            "telemetry.{spacecraftId}",
            "Telemetry in; stream TELEMETRY, which takes `telemetry.>`: what is published to a subject with another "
            "number of tokens ends on `deadletters.telemetry._unknown`.",
            {  # one snapshot, or an array of them; each in both encodings
                "snapshot": _message("A snapshot, as JSON", snapshot, "Its `spacecraftId`, if any, is the subject's."),
                "snapshots": _message(
                    "Snapshots, as a JSON array", snapshots, "Each is taken by itself: a bad one costs no other."
                ),
                "snapshotMessagePack": _message("A snapshot, as MessagePack", snapshot, timed, typed, _MSGPACK),
                "snapshotsMessagePack": _message(
                    "Snapshots, as a MessagePack array", snapshots, timed, typed, _MSGPACK
                ),
            },
        ),
        "anomalies": _channel(
            "anomalies.{spacecraftId}",
            "One message for each parameter of a snapshot outside its limits, once its snapshot is stored; stream "
            "ANOMALIES.",
            {"anomaly": _message("An anomaly", known.of(Anomaly), headers=_headers(_MSG_ID))},
        ),
        "alarms": _channel(
            "alarms.{spacecraftId}",
            "Each transition of an alarm, with the alarm as it is then: its first is always RAISED, and `revision` "
            "counts them without a gap; stream ALARMS.",
            {"transition": _message("A transition of an alarm", known.of(AlarmMessage), headers=_headers(_MSG_ID))},
        ),
        "events": _channel(
            "events.{spacecraftId}",
            "What happened: recorded events, changed configs, published documents; stream EVENTS.",
            {"event": _message("An event", known.of(Event), headers=_headers(_MSG_ID))},
            "A spacecraft, or `_fleet` where the event is about none.",
        ),
        "deadLetters": _channel(
            "deadletters.telemetry.{spacecraftId}",
            "Telemetry that can never be stored, each once; stream DEADLETTERS.",
            {
                "deadLetter": _message(
                    "A dead letter",
                    {"description": "Bytes as they came."},
                    "The body as it came, or the bad item's own bytes from an array, with the original headers but "
                    "those that begin with `Nats-`. Of an array the first letter alone has the original headers, and "
                    "all its letters together hold 8 MB: the last one then holds the items that are left, as an array.",
                    _headers(_MSG_ID | _DEAD_LETTER_HEADERS, _DEAD_LETTER_NEEDS),
                    "application/octet-stream",
                )
            },
            "A spacecraft, or `_unknown` where the subject's token is no valid id.",
        ),
    }


def _operation(action: str, channel: str, summary: str) -> Schema:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


class _RequestSchemas(NamedTuple):
    """How one operation is requested over NATS."""

    channels: dict[str, Schema]
    """The channel of its requests and the channel of its replies, by name."""
    operation: Schema


def _request(operation: Operation, known: Schemas) -> _RequestSchemas:
    request_headers = {
        "Missionops-Source": {"type": "string", "maxLength": 128, "default": "manual"},
        "correlation_id": {"type": "string", "description": "Comes back with the reply."},
        **{header.name: {**header.schema, "description": header.description} for header in operation.headers},
    }
    request = _message(
        f"Request: {operation.summary}", known.of(schemas.taken(operation)), headers=_headers(request_headers)
    )
    reply_headers = dict(_REPLY_HEADERS)
    for header in operation.reply_headers:
        reply_headers[header.name] = {**header.schema, "description": header.description}
    if known.is_continued(operation):
        text = "The `cursor` that continues the listing; absent where nothing remains."
        reply_headers[pagination.CURSOR_HEADER] = {"type": "string", "description": text}
    reply = _message(
        f"Reply: {operation.summary}",
        known.of(operation.reply),
        headers=_headers(reply_headers, tuple(_REPLY_HEADERS)),
    )
    whose = f"A spacecraft: {spacecraft.rule(or_fleet=operation.about_fleet)}."
    name, reply_name = operation.name, f"{operation.name}.reply"
    channels = {
        name: _channel(
            operation.subject.replace("*", "{spacecraftId}"), operation.summary, {"request": request}, whose
        ),
        reply_name: {
            "address": None,
            "description": "The inbox that the request names as its reply subject.",
            "messages": {"reply": reply, "error": {"$ref": "#/components/messages/error"}},
        },
    }
    described = {
        **_operation("receive", name, operation.summary),
        "description": operation.perform.__doc__ or operation.summary,
        "messages": [{"$ref": f"#/channels/{name}/messages/request"}],
        "reply": {
            "channel": {"$ref": f"#/channels/{reply_name}"},
            "messages": [{"$ref": f"#/channels/{reply_name}/messages/{name}"} for name in ("reply", "error")],
        },
    }
    return _RequestSchemas(channels, described)


def _channel(address: str, description: str, messages: Schema, whose: str | None = None) -> Schema:
    channel: Schema = {"address": address, "description": description, "messages": messages}
    if "{spacecraftId}" in address:
        channel["parameters"] = {"spacecraftId": {"description": whose or f"A spacecraft: {spacecraft.ID_RULE}."}}
    return channel


def _message(
    title: str,
    payload: Schema,
    description: str | None = None,
    headers: Schema | None = None,
    content_type: str = _JSON,
) -> Schema:
    message = {
        "title": title,
        "description": description,
        "contentType": content_type,
        "headers": headers,
        "payload": payload,
    }
    return {key: value for key, value in message.items() if value is not None}


def _headers(properties: dict[str, Any], required: Sequence[str] = ()) -> Schema:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}
