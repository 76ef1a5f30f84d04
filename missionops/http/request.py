"""Requests to operations, from the path, query and body of an HTTP request."""

from collections.abc import Mapping

import msgspec
from starlette.requests import Request as HttpRequest

from missionops.domain.access import Caller
from missionops.operations import request_parsing
from missionops.operations.operation import EmptyRequest, Operation, Request, Route
from missionops.operations.request_parsing import refused
from missionops.wire.text import utf8, why_not_json

MAX_BYTES = 8_000_000

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def parse(operation: Operation, route: Route, request: HttpRequest, body: bytes, caller: Caller) -> Request:
    """The request to an operation; InvalidRequest names what is wrong with it."""
    path = dict(request.path_params)
    fields: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in fields:
            raise refused(name, "is given more than once")
        if name in path:
            raise refused(name, "is in the path already")
        fields[name] = value
    headers = _headers(request)
    wanted: msgspec.Struct | bytes
    spacecraft_id = path.pop("spacecraftId", None)
    is_named = operation.about_spacecraft and route.names_spacecraft
    if route.method == "GET" or operation.body_field:
        if is_named and spacecraft_id is None:
            spacecraft_id = fields.pop("spacecraftId", None)
        given = {operation.body_field: msgspec.Raw(body)} if operation.body_field else {}
        wanted = request_parsing.from_fields(fields | path, operation.request or EmptyRequest, given)
    else:
        for name in fields:
            raise refused(name, "is no field of this request: it takes none in its query")
        if is_named and spacecraft_id is None:
            spacecraft_id = request_parsing.from_body(body, _Addressed).spacecraft_id
            rest = _object(body)
            rest.pop("spacecraftId", None)
            body = msgspec.json.encode(rest)  # over NATS the id is in the subject, and the body has none
        body = _with_fields(body, path)
        wanted = request_parsing.from_body(body, operation.request) if operation.request else body
    if is_named and spacecraft_id is None:
        raise refused("spacecraftId", "is required")
    if spacecraft_id is not None:
        request_parsing.spacecraft_id(spacecraft_id, or_fleet=operation.about_fleet)
    return Request(
        spacecraft_id or "",
        wanted,
        request_parsing.source(headers),
        MAX_BYTES,
        caller,
        headers,
    )


def _headers(request: HttpRequest) -> dict[str, str]:
    """The headers as text: UTF-8 as over NATS, else Latin-1 as HTTP has it."""
    found = {}
    for name, value in request.headers.raw:
        try:
            found[name.decode("latin-1")] = value.decode()
        except UnicodeDecodeError:
            found[name.decode("latin-1")] = value.decode("latin-1")
    return found


class _Addressed(msgspec.Struct, rename="camel"):
    spacecraft_id: str | None = None


def _with_fields(body: bytes, path: Mapping[str, str]) -> bytes:
    """The body with the fields that stand in the path, if any: over NATS they are in the body."""
    if not path:
        return body
    found = _object(body)
    for name, value in path.items():
        if name in found:
            raise refused(name, "is in the path already")
        found[name] = msgspec.Raw(msgspec.json.encode(value))
    return msgspec.json.encode(found)


def _object(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _decode_object(utf8(body).strip() or b"{}")
    except msgspec.ValidationError:
        raise refused("body", "must be an object") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refused("body", f"is not JSON: {why_not_json(error)}") from None
    except RecursionError:
        raise refused("body", "is nested too deeply") from None
