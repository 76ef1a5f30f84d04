"""Config documents: decoded from the body of a request, and checked."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from missionops.domain import config_document, rule_document
from missionops.domain.limits import Rules
from missionops.errors import Detail, InvalidRequest
from missionops.operations import compiled_limits, request_parsing
from missionops.wire.text import utf8

_encode = msgspec.json.Encoder().encode


class ValidConfig(NamedTuple):
    """A document without faults."""

    document: Mapping[str, Any]
    body: bytes
    """The document as it is stored: equal as JSON to what was sent, without the envelope of a response around it."""
    rules: Rules


async def read(body: bytes, spacecraft_id: str) -> ValidConfig:
    """The config in the body of a request; InvalidRequest names the path of every fault."""
    try:
        decoded = msgspec.json.decode(utf8(body).strip() or b"{}")
        encoded = _encode(decoded)
    except msgspec.ValidationError:
        raise _refused("body", "holds a number that no finite double can hold") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refused("body", f"is not JSON: {error}") from None
    except RecursionError:
        raise _refused("body", "is nested too deeply") from None
    if b"\\u0000" in encoded:
        request_parsing.refuse_nul(decoded)
    if not isinstance(decoded, dict):
        raise _refused("body", "must be a JSON object")
    document, faults = config_document.unwrap(decoded, spacecraft_id)
    faults += config_document.setting_faults(document)
    rules = Rules({})
    try:
        rules = await compiled_limits.compiled(document)
    except InvalidRequest as error:
        faults = [*error.details, *faults]
    if faults:
        raise rule_document.refusal(faults[: rule_document.MAX_FAULTS])
    return ValidConfig(document, _encode(document), rules)


def _refused(path: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"Config refused: {path} {message}", (Detail(path, message),))
