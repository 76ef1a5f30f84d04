"""The OpenAPI document, from the table of operations."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from missionops import __version__
from missionops.domain import spacecraft
from missionops.domain.access import Role
from missionops.http.docs import schemas, security
from missionops.http.docs.schemas import ErrorBody, Schema, Schemas
from missionops.operations import pagination
from missionops.operations.operation import Operation, Route

_DESCRIPTION = """Takes in spacecraft telemetry, keeps it, and checks it against limits.

Times are RFC 3339 with an offset, from 1900-01-01 to 2199-12-31 UTC; digits past the microsecond are cut. A listing
that does not fit into one answer is continued by the `cursor` that the header `Missionops-Next-Cursor` names."""

_SPACECRAFT_ID = {"type": "string", "pattern": f"^{spacecraft.ID_PATTERN}$"}
_SPACECRAFT_ID_OR_FLEET = {"type": "string", "pattern": f"^({spacecraft.ID_PATTERN}|{spacecraft.FLEET})$"}
_SOURCE = {
    "name": "Missionops-Source",
    "in": "header",
    "description": "Where a change comes from; it is kept with it.",
    "schema": {"type": "string", "maxLength": 128, "default": "manual"},
}
_CURSOR = {
    "description": "The `cursor` that continues the listing; absent where nothing remains.",
    "schema": {"type": "string"},
}

_AS_LIST = {
    "style": "form",
    "explode": False,
    "description": r"Items between commas; in an item \, is a comma and \\ a backslash.",
}

_REFUSALS = {
    400: "A rule is broken; `details` names where.",
    404: "It is not there.",
    408: "The body did not come in time.",
    409: "It exists already with other content, or another version is in force.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    500: "The service failed; its log says why.",
    503: "A server is away, or the answer would take too long; try again later.",
}


class ServiceRoute(NamedTuple):
    """A route about the service itself."""

    path: str
    summary: str
    role: Role | None
    """The role that a caller needs at least; None where everyone may call it, without a token."""
    media_type: str
    reply: Any
    """The type of the response; None where it is text."""
    to_strangers: Any = None
    """The type of the response to callers without a token, where it is another."""
    statuses: Sequence[int] = (200,)


def document(offered: Sequence[tuple[Operation, Route]], about: Sequence[ServiceRoute], *, is_open: bool) -> Schema:
    """The OpenAPI document of some operations at their routes, and of pages; `is_open`: no caller needs a token."""
    types = [
        type_
        for operation, _ in offered
        for type_ in (operation.reply, schemas.taken(operation), operation.document)
        if type_
    ]
    types += [type_ for page in about for type_ in (page.reply, page.to_strangers) if type_]
    known = Schemas({repr(type_): type_ for type_ in (*types, ErrorBody)}.values())
    paths: dict[str, Schema] = {}
    for operation, route in offered:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(operation, route, known)
    for page in about:
        schema = known.of(page.reply) if page.reply else {"type": "string"}
        if page.to_strangers and not is_open:
            schema = {"anyOf": [schema, known.of(page.to_strangers)]}
        response = {"description": page.summary, "content": {page.media_type: {"schema": schema}}}
        paths[page.path] = {
            "get": {
                "operationId": page.path.strip("/").replace("/", ".").replace(".json", "Document"),
                "summary": page.summary,
                "tags": ["service"],
                "responses": {str(status): response for status in page.statuses},
            }
        }
    error = {"application/json": {"schema": known.of(ErrorBody)}}
    described = {
        "openapi": "3.1.0",
        "info": {
            "title": "missionops", "version": __version__, "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(_tag(operation) for operation, _ in offered)],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": _used(known.components, paths),
            "responses": {
                str(status): {"description": text, "content": error} for status, text in _REFUSALS.items()
            },
        },
    }  # fmt: skip
    if is_open:
        return described
    roles = {f"{route.method} {route.path}": operation.role for operation, route in offered}
    return security.with_tokens(described, roles | {f"GET {page.path}": page.role for page in about if page.role})


def _tag(operation: Operation) -> str:
    return operation.name.partition(".")[0]


def _operation(operation: Operation, route: Route, known: Schemas) -> Schema:
    """An operation at one of its routes. The fields of a GET stand in the path or the query, others in a body."""
    request = schemas.taken(operation)
    is_in_path = "{spacecraftId}" in route.path
    is_named = operation.about_spacecraft and route.names_spacecraft
    parameters: list[Schema] = []
    if is_named and (is_in_path or route.method == "GET"):
        parameters.append(
            {
                "name": "spacecraftId",
                "in": "path" if is_in_path else "query",
                "required": True,
                "description": spacecraft.rule(or_fleet=operation.about_fleet),
                "schema": _SPACECRAFT_ID_OR_FLEET if operation.about_fleet else _SPACECRAFT_ID,
            }
        )
    described: Schema = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.perform.__doc__ or operation.summary,
        "tags": [_tag(operation)],
        "parameters": parameters,
        "responses": _responses(operation, route, known),
    }
    if route.method == "GET" or operation.body_field:
        for name, schema, is_required in schemas.fields(known.inside(request)):
            if name == operation.body_field:
                continue
            place = "path" if f"{{{name}}}" in route.path else "query"
            text = {"description": schema["description"]} if "description" in schema else {}
            as_list = _AS_LIST if schema.get("type") == "array" else {}
            parameters.append({"name": name, "in": place, "required": is_required, **text, "schema": schema, **as_list})
    if route.method == "GET":
        return described
    parameters.append(_SOURCE)
    for header in operation.headers:
        text = {"description": header.description}
        parameters.append({"name": header.http_name, "in": "header", **text, "schema": header.schema})
    body, inside = known.of(operation.document if operation.body_field else request), known.inside(request)
    if is_named and not is_in_path:
        body = {
            **inside,
            "properties": {"spacecraftId": _SPACECRAFT_ID, **inside["properties"]},
            "required": ["spacecraftId", *inside["required"]],
        }
    for name, schema, _ in schemas.fields(inside):
        if f"{{{name}}}" in route.path and not operation.body_field:
            parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
            properties = {field: of for field, of in inside["properties"].items() if field != name}
            body = {**inside, "properties": properties, "required": [one for one in inside["required"] if one != name]}
    described["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return described


def _responses(operation: Operation, route: Route, known: Schemas) -> Schema:
    content = {"application/json": {"schema": known.of(operation.reply)}}
    done: Schema = {
        "description": "It is done." if route.method != "GET" else "The result.",
        "content": content,
    }
    headers = {one.name: {"description": one.description, "schema": one.schema} for one in operation.reply_headers}
    if known.is_continued(operation):
        headers[pagination.CURSOR_HEADER] = _CURSOR
    if headers:
        done["headers"] = headers
    responses = {str(route.status): done}
    if route.pending_status:
        text = "It is safe in the stream, and will be stored as soon as can be."
        responses[str(route.pending_status)] = {"description": text, "content": content}
    verb = operation.name.rpartition(".")[2]
    refusals: list[int] = [HTTPStatus.BAD_REQUEST]
    if verb in {"get", "unshelve"} or "{" in route.path:
        refusals.append(HTTPStatus.NOT_FOUND)
    if verb in {"create", "record"}:
        refusals.append(HTTPStatus.CONFLICT)
    if route.method != "GET":
        refusals += [
            HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        ]  # fmt: skip
    refusals += [HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE]
    return responses | {str(int(status)): {"$ref": f"#/components/responses/{int(status)}"} for status in refusals}


def _used(components: dict[str, Any], paths: Schema) -> dict[str, Any]:
    """The components that something refers to: what stands in queries alone is spelled out there."""
    text = repr(paths)
    used: dict[str, Any] = {}
    waiting = [name for name in components if f"'#/components/schemas/{name}'" in text] + ["ErrorBody"]
    while waiting:
        name = waiting.pop()
        if name not in used:
            used[name] = components[name]
            inside = repr(components[name])
            waiting += [other for other in components if f"'#/components/schemas/{other}'" in inside]
    return dict(sorted(used.items()))
