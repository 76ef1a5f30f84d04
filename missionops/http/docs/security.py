"""The part of the OpenAPI document about tokens: which role each operation needs, and how it refuses others."""

from collections.abc import Mapping
from http import HTTPStatus

from missionops.domain.access import Role
from missionops.http.docs.schemas import Schema

_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token that `missionops tokens create` made. It has a role (a reader reads; an operator also "
    "reports telemetry, records events and publishes documents; an admin also registers spacecraft and sets configs), "
    "and may be limited to some spacecraft: listings hold those alone, and what is about others is refused.",
}
_BODY = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "`Bearer`, with what is wrong.", "schema": {"type": "string"}}}
_REFUSALS: Mapping[int, Schema] = {
    HTTPStatus.UNAUTHORIZED: {
        "description": "There is no token, or none that is valid.", "headers": _CHALLENGE, "content": _BODY,
    },
    HTTPStatus.FORBIDDEN: {
        "description": "The token's role is too low, or it is limited to other spacecraft.", "content": _BODY,
    },
}  # fmt: skip


def with_tokens(document: Schema, roles: Mapping[str, Role]) -> Schema:
    """A document whose operations, by method and path (`GET /metrics`), need a token with a role."""
    references = {str(int(status)): {"$ref": f"#/components/responses/{int(status)}"} for status in _REFUSALS}
    paths: Schema = {}
    for path, methods in document["paths"].items():
        paths[path] = {}
        for method, operation in methods.items():
            if role := roles.get(f"{method.upper()} {path}"):
                responses = dict(sorted((operation["responses"] | references).items()))
                paths[path][method] = operation | {"security": [{"token": [role]}], "responses": responses}
            else:
                paths[path][method] = operation
    components = document["components"]
    refusals = {str(int(status)): refusal for status, refusal in _REFUSALS.items()}
    responses = dict(sorted((components["responses"] | refusals).items()))
    return document | {
        "paths": paths,
        "components": components | {"responses": responses, "securitySchemes": {"token": _SCHEME}},
    }
