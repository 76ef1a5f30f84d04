"""Config documents: decoded from the body of a request, and checked."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from missionops.domain import config_document, limits, rule_document
from missionops.domain.limits import Rules
from missionops.domain.parameter_name import MAX_PARAMETERS
from missionops.domain.rule import Rule
from missionops.errors import Detail, InvalidRequest, TooLarge
from missionops.operations import request_parsing
from missionops.wire.text import utf8, why_not_json

_SLICE = 250
"""Rules that are validated and compiled before other tasks run: 10,000 take a tenth of a second."""

_MAX_BYTES = 1_000_000
"""Of a document: what is in force is returned over NATS, too, beside who set it and when."""

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
        repeated = _repeated_name(body) if encoded != b"{}" else None
    except msgspec.ValidationError:
        raise _refused("body", "holds a number that no finite double can hold") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refused("body", f"is not JSON: {why_not_json(error)}") from None
    except RecursionError:
        raise _refused("body", "is nested too deeply") from None
    if repeated is not None:
        raise _refused("body", f"has the name {repeated!r} twice in one object: only the last of them would count")
    if b"\\u0000" in encoded:
        request_parsing.refuse_nul(decoded)
    if not isinstance(decoded, dict):
        raise _refused("body", "must be a JSON object")
    document, faults = config_document.unwrap(decoded, spacecraft_id)
    faults += config_document.setting_faults(document)
    rules = Rules({})
    try:
        rules = await compiled(document)
    except InvalidRequest as error:
        faults = [*error.details, *faults]
    if faults:
        raise rule_document.refusal(faults[: rule_document.MAX_FAULTS])
    stored = _encode(document)
    if len(stored) > _MAX_BYTES:
        raise TooLarge(f"The config has {len(stored)} bytes as JSON; at most {_MAX_BYTES} are kept")
    return ValidConfig(document, stored, rules)


def _repeated_name(body: bytes) -> str | None:
    """A name that stands twice in one object, of which decoding keeps the last alone: limits would vanish unseen."""
    repeated: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            repeated.append(counts.most_common(1)[0][0])

    json.loads(utf8(body), object_pairs_hook=note, parse_int=str, parse_float=str)
    return repeated[0] if repeated else None


async def compiled(document: Mapping[str, Any]) -> Rules:
    """The rules of a document; other tasks run in between. InvalidRequest names the paths of its faults."""
    parameters = document.get("parameters")
    if not isinstance(parameters, dict) or not _SLICE < len(parameters) <= MAX_PARAMETERS:
        return limits.compile_rules(document)
    rules: dict[str, Rule] = {}
    off: set[str] = set()
    faults: list[Detail] = []
    left = iter(parameters.items())
    while (part := dict(islice(left, _SLICE))) and len(faults) < rule_document.MAX_FAULTS:
        try:
            found = limits.compile_rules({"parameters": part})
            rules |= found
            off |= found.off
        except InvalidRequest as error:
            faults += error.details
        await asyncio.sleep(0)
    if faults:
        raise rule_document.refusal(faults[: rule_document.MAX_FAULTS])
    return Rules(rules, frozenset(off))


def _refused(path: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"Config refused: {path} {message}", (Detail(path, message),))
