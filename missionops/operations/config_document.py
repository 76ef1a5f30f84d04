"""Config documents: bytes in, a document that is kept."""

from typing import Any

import msgspec

from missionops.domain import clock, limits
from missionops.errors import Detail, InvalidRequest
from missionops.operations import compiled_limits, request_parsing
from missionops.wire.text import utf8

_encode = msgspec.json.Encoder().encode


async def read(body: bytes) -> bytes:
    """The document as it is kept, equal to `body` as JSON; InvalidRequest names the path of every fault."""
    document = _decode(utf8(body).strip() or b"{}")
    if not isinstance(document, dict):
        raise _refused("body", "must be a JSON object")
    if faults := [*clock.faults(document)]:
        raise limits.refusal(faults)
    await compiled_limits.compiled(document)
    return _encode(document)


def _decode(body: bytes) -> Any:
    try:
        document = msgspec.json.decode(body)
        kept = _encode(document)
    except msgspec.ValidationError:
        raise _refused("body", "holds a number beyond what a double can hold") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refused("body", f"is not JSON: {error}") from None
    except RecursionError:
        raise _refused("body", "is nested too deeply") from None
    if b"\\u0000" in kept:
        request_parsing.refuse_nul(document)
    return document


def _refused(path: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"Config refused: {path} {message}", (Detail(path, message),))
