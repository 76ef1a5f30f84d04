"""Config documents: bytes in, a document that is kept; and the reply that shows one."""

from datetime import datetime
from typing import Any

import msgspec

from missionops.domain import limits
from missionops.errors import Detail, InvalidRequest
from missionops.store.configs import Config

_encode = msgspec.json.Encoder().encode


class ConfigReply(msgspec.Struct, rename="camel"):
    """A config in force."""

    spacecraft_id: str
    config: msgspec.Raw
    status: str
    source: str
    version: int
    updated_at: datetime


def read(body: bytes) -> bytes:
    """The document as it is kept, equal to `body` as JSON; InvalidRequest names the path of every fault."""
    document = _decode(body)
    if not isinstance(document, dict):
        raise _refused("body", "must be a JSON object")
    limits.compile_rules(document)
    return _encode(document)


def reply(config: Config) -> bytes:
    """A config in force as JSON."""
    shown = ConfigReply(
        config.spacecraft_id,
        msgspec.Raw(config.document),
        config.status,
        config.source,
        config.version,
        config.updated_at,
    )
    return _encode(shown)


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
        _refuse_nul(document, "")
    return document


def _refuse_nul(value: object, path: str) -> None:
    """InvalidRequest with the path of the first string in `value` that holds U+0000."""
    if isinstance(value, str) and "\0" in value:
        raise _refused(path or "body", "holds U+0000, which no string may")
    if isinstance(value, dict):
        for name, inner in value.items():
            _refuse_nul(name, path)
            _refuse_nul(inner, f"{path}.{name}" if path else name)
    if isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_nul(inner, f"{path}.{index}" if path else str(index))


def _refused(path: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"Config refused: {path} {message}", (Detail(path, message),))
