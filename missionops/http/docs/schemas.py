"""JSON Schema of what goes in and out, from the types that the operations are defined with."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from missionops.operations.operation import EmptyRequest, Operation

Schema = dict[str, Any]

_PREFIX = "#/components/schemas/"
_NULL = ("default", None)


class ErrorDetail(msgspec.Struct):
    """Where a request breaks a rule (`parameters.temp.warnHigh`), and which."""

    path: str
    message: str


class Error(msgspec.Struct):
    """Why a request was not done."""

    code: Literal[
        "conflict", "forbidden", "internal", "invalid_request", "method_not_allowed", "not_found", "timeout",
        "too_large", "unauthenticated", "unavailable", "unsupported_media_type",
    ]  # fmt: skip
    message: str
    details: list[ErrorDetail]


class ErrorBody(msgspec.Struct):
    """The body of every error."""

    error: Error


class Schemas:
    """The schemas of some types, each of them in the document's components."""

    def __init__(self, types: Iterable[Any]) -> None:
        wanted = list(types)
        self.components: dict[str, Schema]
        found, self.components = msgspec.json.schema_components(wanted, ref_template=f"{_PREFIX}{{name}}")
        self._found = dict(zip(map(_key, wanted), found, strict=True))

    def of(self, type_: Any) -> Schema:
        """The schema of a type: a reference if it has a name."""
        found: Schema = self._found[_key(type_)]
        return found

    def inside(self, type_: Any) -> Schema:
        """The schema of a named type itself."""
        name: str = self.of(type_)["$ref"].removeprefix(_PREFIX)
        return self.components[name]

    def is_continued(self, operation: Operation) -> bool:
        """Whether an operation's answer may come with a cursor."""
        return "cursor" in self.inside(taken(operation))["properties"]


def taken(operation: Operation) -> Any:
    """The type of what an operation takes."""
    return operation.request or operation.document or EmptyRequest


def fields(schema: Mapping[str, Any]) -> Iterable[tuple[str, Schema, bool]]:
    """Name, schema and need of each field of an object; null as a value that is not given is left out."""
    for name, field in schema["properties"].items():
        choices: list[Schema] = [choice for choice in field.get("anyOf", ()) if choice != {"type": "null"}]
        if len(choices) == 1:
            without_null = {key: value for key, value in field.items() if key != "anyOf" and (key, value) != _NULL}
            yield name, without_null | choices[0], name in schema.get("required", ())
        else:
            yield name, field, name in schema.get("required", ())


def _key(type_: Any) -> str:
    return repr(type_)
