"""Decoding by a decoder that has learned the names, which has to say what a new one says."""

import msgspec

from missionops.domain.snapshot import ParameterValues, Snapshot
from missionops.wire import decoder as wire_decoder
from missionops.wire.fault import Fault

_LESSONS = 64


def taught(*names: str) -> wire_decoder.Decoder:
    """A decoder that has seen so many snapshots of SC-1 with these parameters that it has a form for them."""
    decoder = wire_decoder.Decoder()
    lesson = msgspec.json.encode({"timestamp": "2025-01-01T00:00:00Z", "parameters": dict.fromkeys(names, 1)})
    for _ in range(_LESSONS):
        decoder.decode("SC-1", lesson, wire_decoder.JSON)
    return decoder


def decode(body: bytes, encoding: wire_decoder.Encoding = wire_decoder.JSON) -> list[Snapshot | Fault]:
    """What a body of SC-1 says."""
    found = wire_decoder.decode("SC-1", body, encoding)
    names = {name for result in found if isinstance(result, Snapshot) for name in result.parameters}
    again = taught(*names, "temp").decode("SC-1", body, encoding)
    assert [said(result) for result in again] == [said(result) for result in found]
    return found


def said(result: Snapshot | Fault) -> object:
    """All of it, with the types of the values, since 1 == 1.0 == True."""
    if isinstance(result, Fault):
        return result
    parameters = sorted((name, value, type(value)) for name, value in result.parameters.items())
    return result.identity, parameters


def is_by_position(result: Snapshot | Fault) -> bool:
    """Whether a form has read it."""
    return isinstance(result, Snapshot) and isinstance(result.values, ParameterValues)
